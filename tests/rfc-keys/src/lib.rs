//! Keys printed in RFCs, private parts included, to sign tokens with in tests. They have been public
//! for years and protect nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

/// A key pair.
pub struct RfcKey {
    /// The JWK without `kid` and private parts; of HMAC, the secret.
    pub jwk: String,
    private: EncodingKey,
}

impl RfcKey {
    /// RFC 7515 A.2.1.
    pub fn rsa() -> Self {
        let numbers = [
            &[0][..],
            &decode(RSA_N),
            &[1, 0, 1],
            &decode(RSA_D),
            &decode(RSA_P),
            &decode(RSA_Q),
            &decode(RSA_DP),
            &decode(RSA_DQ),
            &decode(RSA_QI),
        ];
        let private = der(0x30, &numbers.map(unsigned).concat());
        let jwk = format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"}}"#);
        Self { jwk, private: EncodingKey::from_rsa_der(&private) }
    }

    /// RFC 7515 A.3.1.
    pub fn p256() -> Self {
        let curve = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        Self {
            jwk: P256.to_owned(),
            private: EncodingKey::from_ec_der(&ec_private(&curve, P256_D)),
        }
    }

    /// RFC 6979 A.2.6.
    pub fn p384() -> Self {
        let curve = [6, 5, 0x2b, 0x81, 4, 0, 0x22];
        Self {
            jwk: P384.to_owned(),
            private: EncodingKey::from_ec_der(&ec_private(&curve, P384_D)),
        }
    }

    /// RFC 8037 A.1.
    pub fn ed25519() -> Self {
        let algorithm = der(0x30, &[6, 3, 0x2b, 0x65, 0x70]);
        let private = der(4, &der(4, &decode(ED25519_D)));
        let private = der(0x30, &[&unsigned(&[0]), &algorithm[..], &private].concat());
        Self { jwk: ED25519.to_owned(), private: EncodingKey::from_ed_der(&private) }
    }

    /// RFC 7515 A.1.1.
    pub fn hmac() -> Self {
        let jwk = format!(r#"{{"kty":"oct","k":"{HMAC_K}"}}"#);
        Self { jwk, private: EncodingKey::from_secret(&decode(HMAC_K)) }
    }

    /// Signs a token of exactly these texts.
    pub fn sign(&self, algorithm: Algorithm, header: &[u8], claims: &[u8]) -> String {
        let signed = [header, claims].map(encode).join(".");
        let signature = crypto::sign(signed.as_bytes(), &self.private, algorithm).expect("signs");
        format!("{signed}.{signature}")
    }

    /// The public JWK with further members, as `"kid":"a"`.
    pub fn jwk_with(&self, members: &str) -> String {
        self.jwk.replacen('{', &format!("{{{members},"), 1)
    }
}

/// From base64url without padding.
pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// To base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One element of ASN.1's distinguished encoding.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    let length = match length {
        [0, short @ ..0x80] => vec![short],
        [0, middle] => vec![0x81, middle],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], &length[..], content].concat()
}

/// An integer, of which the first bit would otherwise be its sign.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
    der(2, &[sign, number].concat())
}

/// A private key in the form of RFC 5915, wrapped as in RFC 5208.
fn ec_private(curve: &[u8], scalar: &str) -> Vec<u8> {
    let ec = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    let key = der(0x30, &[unsigned(&[1]), der(4, &decode(scalar))].concat());
    let algorithm = der(0x30, &[&ec, curve].concat());
    der(0x30, &[unsigned(&[0]), algorithm, der(4, &key)].concat())
}

const RSA_N: &str = concat!(
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPC",
    "JrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bS",
    "f63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4L",
    "T6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
);
const RSA_D: &str = concat!(
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOo",
    "AJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gf",
    "pRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPD",
    "VZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
);
const RSA_P: &str = concat!(
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJ",
    "dTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
);
const RSA_Q: &str = concat!(
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD",
    "_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
);
const RSA_DP: &str = concat!(
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6",
    "HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
);
const RSA_DQ: &str = concat!(
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaH",
    "F-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
);
const RSA_QI: &str = concat!(
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YI",
    "Bi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
);

const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const P256_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

const P384: &str = r#"{"kty":"EC","crv":"P-384","x":"7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT","y":"gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg"}"#;
const P384_D: &str = "a509rS4bjBwFsZh1tmWfTeI8O2Z78pe6mqR3QHhxN9iW1XJOTHCoJfhyyepg0u31";

const ED25519: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

const HMAC_K: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
