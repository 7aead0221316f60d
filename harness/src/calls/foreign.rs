//! Foreign functions: what Envoy offers beyond the ABI, by name.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::pkcs8::{AssociatedOid, DecodePublicKey as _};
use prost::Message;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::{Pkcs1v15Sign, RsaPublicKey};

use super::guest::{Answer, Guest};
use crate::abi::Status;

/// What a test says a function returns comes before what Envoy's would.
pub(super) fn call(guest: &mut Guest<'_, '_>, arguments: &[i64]) -> Answer {
    let name = guest.text(arguments[0], arguments[1])?;
    let input = guest.read(arguments[2], arguments[3])?;
    let scripted = guest.state().world().foreign_functions.get(&name).cloned();
    let answer = match (scripted, &name[..]) {
        (Some(answer), _) => answer,
        (None, b"verify_signature") => verify_signature(&input)?,
        (None, _) => return Err(Status::NotFound.into()),
    };
    guest.give(&answer, arguments[4], arguments[5])
}

// source/extensions/common/wasm/ext/verify_signature.proto; keys in PEM are not imitated.

#[derive(Clone, PartialEq, Message)]
struct VerifySignatureArguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct VerifySignatureResult {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

fn verify_signature(input: &[u8]) -> Result<Vec<u8>, Status> {
    let arguments = VerifySignatureArguments::decode(input).map_err(|_| Status::BadArgument)?;
    if arguments.public_key.is_empty() {
        return Err(Status::BadArgument);
    }
    let error = judge(&arguments).err().unwrap_or_default();
    Ok(VerifySignatureResult { result: error.is_empty(), error }.encode_to_vec())
}

/// The error in Envoy's words.
fn judge(arguments: &VerifySignatureArguments) -> Result<(), String> {
    type Fits = fn(&PublicKey, &[u8], &[u8]) -> bool;
    let fits: Fits = match arguments.hash_function.to_ascii_lowercase().as_str() {
        "sha256" => PublicKey::fits::<Sha256>,
        "sha384" => PublicKey::fits::<Sha384>,
        "sha512" => PublicKey::fits::<Sha512>,
        _ => return Err(format!("{} is not supported.", arguments.hash_function)),
    };
    let key =
        PublicKey::from_der(&arguments.public_key).ok_or("Failed to initialize digest verify.")?;
    if fits(&key, &arguments.text, &arguments.signature) {
        Ok(())
    } else {
        Err("Failed to verify digest. Error code: 0".to_owned())
    }
}

enum PublicKey {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl PublicKey {
    fn from_der(der: &[u8]) -> Option<Self> {
        let rsa = || RsaPublicKey::from_public_key_der(der).map(Self::Rsa);
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(der).map(Self::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(der).map(Self::P384);
        rsa().or_else(|_| p256()).or_else(|_| p384()).ok()
    }

    fn fits<D: Digest + AssociatedOid>(&self, text: &[u8], signature: &[u8]) -> bool {
        let hash = D::digest(text);
        match self {
            Self::Rsa(key) => key.verify(Pkcs1v15Sign::new::<D>(), &hash, signature).is_ok(),
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok()),
        }
    }
}
