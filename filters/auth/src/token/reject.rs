//! Why a token is not accepted.

/// One reason each, for logs and metrics. Clients are told less; none holds anything of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// Longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    TooLong,
    /// Characters that a token cannot have.
    Characters,
    /// Not three parts.
    Parts,
    /// The header is not base64url.
    HeaderEncoding,
    /// The header is not a JSON object with distinct names.
    Header,
    /// `alg` is missing, `none`, or no algorithm known here.
    Algorithm,
    /// `alg` is not one of the issuer's algorithms.
    AlgorithmNotAllowed,
    /// There is a `crit`.
    Critical,
    /// There is a `b64`.
    UnencodedPayload,
    /// There is an `enc`.
    Encrypted,
    /// There is a `zip`.
    Compressed,
    /// `typ` is of no access token, or not one of the issuer's token types.
    TokenType,
    /// `kid` is not a string of at most [`MAX_KEY_ID`](crate::keys::MAX_KEY_ID) bytes.
    KeyId,
    /// Its issuer says that it does not hold, or no longer does.
    Inactive,
    /// It is bound to a certificate that the client did not show.
    Certificate,
    /// The issuer has no such key.
    UnknownKey,
    /// There is no `kid`, and the issuer has several keys for the algorithm.
    AmbiguousKey,
    /// The key is for another algorithm.
    KeyAlgorithm,
    /// The signature does not fit.
    Signature,
    /// The payload is not base64url.
    ClaimsEncoding,
    /// The payload is not a JSON object with distinct names.
    Claims,
    /// `iss` is missing, no string, or another issuer.
    Issuer,
    /// `aud` is missing, or neither a string nor an array of strings.
    AudienceMalformed,
    /// `aud` does not name this server.
    Audience,
    /// `exp` is missing or not a whole number.
    ExpiryMalformed,
    /// `exp` has passed.
    Expired,
    /// `nbf` is not a whole number.
    NotBeforeMalformed,
    /// `nbf` is to come.
    NotYetValid,
    /// `iat` is not a whole number.
    IssuedAtMalformed,
    /// `iat` is to come.
    IssuedInFuture,
    /// It is valid for longer than the issuer's tokens may be.
    Lifetime,
    /// `sub` is not a string, or empty.
    Subject,
    /// `client_id` or `azp` is not a string, or empty.
    Client,
    /// There is neither a subject nor a client.
    Nobody,
    /// `scope` is not a string of scopes, or `scp` neither that nor an array of scopes.
    Scope,
    /// A claim is missing that the issuer's tokens must have.
    RequiredClaim,
    /// `cnf` is not an object with a SHA-256 thumbprint.
    Confirmation,
    /// It is bound to a key that a bearer does not prove to have (RFC 9449 §7.2).
    SenderConstrained,
}

impl Reject {
    /// The reason in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Characters => "characters",
            Self::Parts => "parts",
            Self::HeaderEncoding => "header_encoding",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::Critical => "crit",
            Self::UnencodedPayload => "b64",
            Self::Encrypted => "enc",
            Self::Compressed => "zip",
            Self::TokenType => "typ",
            Self::KeyId => "kid",
            Self::Inactive => "inactive",
            Self::Certificate => "certificate",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::KeyAlgorithm => "key_algorithm",
            Self::Signature => "signature",
            Self::ClaimsEncoding => "claims_encoding",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::AudienceMalformed => "audience_malformed",
            Self::Audience => "audience",
            Self::ExpiryMalformed => "expiry_malformed",
            Self::Expired => "expired",
            Self::NotBeforeMalformed => "not_before_malformed",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedAtMalformed => "issued_at_malformed",
            Self::IssuedInFuture => "issued_in_future",
            Self::Lifetime => "lifetime",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Nobody => "nobody",
            Self::Scope => "scope",
            Self::RequiredClaim => "required_claim",
            Self::Confirmation => "confirmation",
            Self::SenderConstrained => "sender_constrained",
        }
    }
}
