//! What a service answered, before anything in it is believed.

use crate::keys::{KeySetError, MAX_KEY_SET};

/// The answer to a request for keys or metadata.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if there was one.
    pub content_type: Option<&'a [u8]>,
    /// The whole body.
    pub body: &'a [u8],
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// The status is not 200; redirects are not followed.
    Status(u16),
    /// It says that it is something other than JSON.
    ContentType,
    /// It is longer than [`MAX_KEY_SET`].
    TooLong,
    /// The keys cannot be used.
    Keys(KeySetError),
    /// The metadata is not a JSON object with `issuer` and `jwks_uri`.
    Metadata,
    /// The metadata is another issuer's.
    Issuer,
    /// The keys are said to be on another host than the issuer's. They are not fetched from there:
    /// name the host and the path in the configuration instead.
    KeysElsewhere,
}

impl<'a> Answer<'a> {
    /// The body, if it may be what was asked for.
    pub(super) fn json(&self) -> Result<&'a [u8], AnswerError> {
        if self.status != 200 {
            return Err(AnswerError::Status(self.status));
        }
        if !self.content_type.is_none_or(is_json) {
            return Err(AnswerError::ContentType);
        }
        if self.body.len() > MAX_KEY_SET {
            return Err(AnswerError::TooLong);
        }
        Ok(self.body)
    }
}

/// Whether a media type is JSON: `application/json`, or one with the suffix `+json`.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}

impl AnswerError {
    /// The error in a word, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::ContentType => "content_type",
            Self::TooLong => "too_long",
            Self::Keys(error) => error.as_str(),
            Self::Metadata => "metadata",
            Self::Issuer => "metadata_issuer",
            Self::KeysElsewhere => "keys_elsewhere",
        }
    }
}

impl From<KeySetError> for AnswerError {
    fn from(error: KeySetError) -> Self {
        Self::Keys(error)
    }
}
