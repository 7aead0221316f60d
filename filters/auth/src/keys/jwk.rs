//! One JWK (RFC 7517), and whether it is fit to verify signatures.
//!
//! Everything that can be wrong with a key is found here, once, so that a verification can only
//! fail for what is wrong with the token.

use core::fmt;
use core::slice;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::MAX_KEY_ID;
use super::jwk_set::Origin;
use crate::json;

/// Bits of an RSA modulus: fewer are weak (RFC 7518 §3.3), more cost too much to verify with.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

/// Public exponents of RSA: smaller ones do not hide anything, larger ones cost too much.
const RSA_EXPONENTS: core::ops::RangeInclusive<u64> = 3..=1 << 32;

/// Members that hold private parts (RFC 7518 §6.2.2, §6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A key that verifies signatures, for a fixed list of algorithms.
#[derive(Clone)]
pub struct Key {
    id: Option<Box<str>>,
    algorithms: &'static [Algorithm],
    material: DecodingKey,
}

/// Why a key was left out of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Not a JSON object with distinct names, or a member of the wrong type.
    Malformed,
    /// `kid` is not a string of at most [`MAX_KEY_ID`] bytes.
    KeyId,
    /// Another key of the set has the same `kid`.
    DuplicateKeyId,
    /// `kty` is missing or none we know.
    KeyType,
    /// `crv` is missing or none we know.
    Curve,
    /// `use` is not `sig`.
    Use,
    /// `key_ops` does not list `verify`.
    KeyOperations,
    /// `alg` is not an algorithm of this type of key.
    Algorithm,
    /// A private key where only public ones belong; whoever published it should revoke it.
    Private,
    /// A symmetric key in a remote set.
    Symmetric,
    /// A symmetric key of fewer than 32 bytes.
    SecretTooShort,
    /// An RSA modulus that is even, or not of 2048 to 4096 bits.
    Modulus,
    /// An RSA exponent that is even, below 3 or above 2³².
    Exponent,
    /// Coordinates that are no point of the curve, or a point of small order.
    Point,
}

/// Reads one JWK.
pub(super) fn parse(text: &str, origin: Origin) -> Result<Key, SkipReason> {
    let jwk = Jwk(json::object(text.as_bytes()).ok_or(SkipReason::Malformed)?);
    let id = jwk.id()?;
    jwk.check_purpose()?;
    if PRIVATE.iter().any(|name| jwk.0.contains_key(*name)) {
        return Err(SkipReason::Private);
    }
    let (material, fitting) = match jwk.text("kty")? {
        Some("RSA") => jwk.rsa()?,
        Some("EC") => jwk.elliptic_curve()?,
        Some("OKP") => jwk.edwards_curve()?,
        Some("oct") => jwk.secret(origin)?,
        _ => return Err(SkipReason::KeyType),
    };
    let algorithms = match jwk.text("alg")? {
        None => fitting,
        Some(name) => name
            .parse()
            .ok()
            .and_then(|named: Algorithm| fitting.iter().find(|fits| **fits == named))
            .map(slice::from_ref)
            .ok_or(SkipReason::Algorithm)?,
    };
    Ok(Key { id, algorithms, material })
}

/// The members of a JWK.
struct Jwk(Map<String, Value>);

/// What a key is made of, and all algorithms it could be for.
type Material = (DecodingKey, &'static [Algorithm]);

// === impl Jwk ===

impl Jwk {
    fn text(&self, name: &str) -> Result<Option<&str>, SkipReason> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SkipReason::Malformed),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, SkipReason> {
        let text = self.text(name)?.ok_or(SkipReason::Malformed)?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| SkipReason::Malformed)
    }

    fn id(&self) -> Result<Option<Box<str>>, SkipReason> {
        match self.0.get("kid") {
            None => Ok(None),
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID => Ok(Some(id.as_str().into())),
            Some(_) => Err(SkipReason::KeyId),
        }
    }

    /// Refuses keys for encryption and for signing.
    fn check_purpose(&self) -> Result<(), SkipReason> {
        if self.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(SkipReason::Use);
        }
        match self.0.get("key_ops") {
            None => Ok(()),
            Some(Value::Array(operations)) if operations.iter().any(|name| name == "verify") => {
                Ok(())
            }
            Some(_) => Err(SkipReason::KeyOperations),
        }
    }

    fn rsa(&self) -> Result<Material, SkipReason> {
        let modulus = self.bytes("n")?;
        let exponent = self.bytes("e")?;
        // Some issuers write the sign byte of DER, which RFC 7518 §2 forbids; it means nothing.
        let modulus = without_leading_zeros(&modulus);
        let odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        if !odd || !RSA_BITS.contains(&bits(modulus)) {
            return Err(SkipReason::Modulus);
        }
        let exponent = without_leading_zeros(&exponent);
        let value = exponent.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(256).map(|value| value | u64::from(*byte))
        });
        if !value.is_some_and(|value| value & 1 == 1 && RSA_EXPONENTS.contains(&value)) {
            return Err(SkipReason::Exponent);
        }
        const FITTING: &[Algorithm] = &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ];
        Ok((DecodingKey::from_rsa_raw_components(modulus, exponent), FITTING))
    }

    fn elliptic_curve(&self) -> Result<Material, SkipReason> {
        let (length, fitting): (usize, &[Algorithm]) = match self.text("crv")? {
            Some("P-256") => (32, &[Algorithm::ES256]),
            Some("P-384") => (48, &[Algorithm::ES384]),
            _ => return Err(SkipReason::Curve),
        };
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        if x.len() != length || y.len() != length {
            return Err(SkipReason::Point);
        }
        // The uncompressed form of SEC 1 §2.3.3, which is what the library wants under this name.
        let key = DecodingKey::from_ec_der(&[[4].as_slice(), &x, &y].concat());
        checked_point(key, fitting)
    }

    fn edwards_curve(&self) -> Result<Material, SkipReason> {
        if self.text("crv")? != Some("Ed25519") {
            return Err(SkipReason::Curve);
        }
        // The library takes the first 32 bytes of whatever it is given, and panics on fewer.
        let x: [u8; 32] = self.bytes("x")?.try_into().map_err(|_| SkipReason::Point)?;
        let point = ed25519_dalek::VerifyingKey::from_bytes(&x).map_err(|_| SkipReason::Point)?;
        // With a key of small order one signature fits most messages.
        if point.is_weak() {
            return Err(SkipReason::Point);
        }
        Ok((DecodingKey::from_ed_der(&x), &[Algorithm::EdDSA]))
    }

    fn secret(&self, origin: Origin) -> Result<Material, SkipReason> {
        if origin == Origin::Remote {
            return Err(SkipReason::Symmetric);
        }
        let secret = self.bytes("k")?;
        // A secret has at least the size of the hash (RFC 7518 §3.2).
        let fitting: &[Algorithm] = match secret.len() {
            ..32 => return Err(SkipReason::SecretTooShort),
            32..48 => &[Algorithm::HS256],
            48..64 => &[Algorithm::HS256, Algorithm::HS384],
            64.. => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        };
        Ok((DecodingKey::from_secret(&secret), fitting))
    }
}

fn checked_point(key: DecodingKey, fitting: &'static [Algorithm]) -> Result<Material, SkipReason> {
    let algorithm = fitting.first().ok_or(SkipReason::Curve)?;
    if mcp_signature::is_key_of(*algorithm, &key) {
        Ok((key, fitting))
    } else {
        Err(SkipReason::Point)
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// How many bits a number without leading zeros has.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros());
    let unused = usize::try_from(unused).unwrap_or_default();
    number.len().saturating_mul(8).saturating_sub(unused)
}

// === impl Key ===

impl Key {
    /// Its `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether it may verify signatures of this algorithm.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// All algorithms it may verify signatures of.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    /// The key as `jsonwebtoken` takes it.
    pub fn material(&self) -> &DecodingKey {
        &self.material
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = formatter.debug_struct("Key");
        key.field("id", &self.id).field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

// === impl SkipReason ===

impl SkipReason {
    /// The reason in a word, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::KeyId => "key_id",
            Self::DuplicateKeyId => "duplicate_key_id",
            Self::KeyType => "key_type",
            Self::Curve => "curve",
            Self::Use => "use",
            Self::KeyOperations => "key_operations",
            Self::Algorithm => "algorithm",
            Self::Private => "private",
            Self::Symmetric => "symmetric",
            Self::SecretTooShort => "secret_too_short",
            Self::Modulus => "modulus",
            Self::Exponent => "exponent",
            Self::Point => "point",
        }
    }
}
