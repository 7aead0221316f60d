//! What a model is asked.

use mcp_core::json::{Error, Kind, Reader};

use super::super::read::{self, reader};
use crate::estimator;

/// What a model is asked, as far as it costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmRequest {
    /// The model's name, as the client spells it.
    pub model: Option<String>,
    /// Estimated tokens of the prompt: its texts, and its tools as JSON. Images, audio and files
    /// are not estimated.
    pub input: u64,
    /// The most tokens that all its answers together may have, where the request says so.
    pub max_output: Option<u64>,
}

/// Reads a request in any of the dialects. Of a body that is no JSON, only the path counts: that
/// of Gemini (`…/models/NAME:generateContent`) names the model.
#[must_use]
pub fn of_llm_request(path: &str, body: &[u8]) -> LlmRequest {
    let mut asked = read(body).unwrap_or_default();
    if let Some(model) = model_of(path) {
        asked.model = Some(model.to_owned());
    }
    asked
}

/// The members of a body that limit what is written.
#[derive(Default)]
struct Bounds {
    /// Tokens of one answer.
    tokens: Option<u64>,
    /// How many answers are asked for.
    answers: Option<u64>,
}

fn read(body: &[u8]) -> Result<LlmRequest, Error> {
    let mut asked = LlmRequest::default();
    let mut bounds = Bounds::default();
    let mut reader = reader(body)?;
    read::object(&mut reader, |reader, key| {
        let more = match &*key {
            "model" => {
                asked.model = read::string(reader)?.map(Into::into);
                0
            }
            "content" | "contents" | "input" | "instructions" | "messages" | "prompt"
            | "system" | "systemInstruction" | "system_instruction" => prompt(reader)?,
            "functions" | "response_format" | "tools" => estimator::tokens(reader.skip()?),
            "generationConfig" | "generation_config" => {
                read::object(reader, |reader, key| bounds.member(reader, &key))?;
                0
            }
            key => {
                bounds.member(reader, key)?;
                0
            }
        };
        asked.input = asked.input.saturating_add(more);
        Ok(())
    })?;
    reader.finish()?;
    let answers = bounds.answers.unwrap_or(1);
    asked.max_output = bounds.tokens.map(|tokens| tokens.saturating_mul(answers));
    Ok(asked)
}

impl Bounds {
    /// Reads a member that may be a bound; of several the largest counts.
    fn member(&mut self, reader: &mut Reader<'_>, key: &str) -> Result<(), Error> {
        let value = reader.skip()?.parse().ok();
        match key {
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" | "maxOutputTokens" => {
                self.tokens = self.tokens.max(value);
            }
            "n" | "candidateCount" | "candidate_count" => self.answers = self.answers.max(value),
            _ => {}
        }
        Ok(())
    }
}

/// Tokens of a prompt: of all strings in it but those that are no text; a number is a token.
fn prompt(reader: &mut Reader<'_>) -> Result<u64, Error> {
    let mut tokens = 0_u64;
    match reader.kind()? {
        Kind::Array => reader.array(|reader| {
            tokens = tokens.saturating_add(prompt(reader)?);
            Ok(())
        })?,
        Kind::Object => reader.object(|reader, key| {
            if NO_TEXT.contains(&&*key) {
                return reader.skip().map(drop);
            }
            tokens = tokens.saturating_add(prompt(reader)?);
            Ok(())
        })?,
        Kind::String => tokens = estimator::tokens(&read::string(reader)?.unwrap_or_default()),
        Kind::Number => {
            reader.skip()?;
            tokens = 1;
        }
        Kind::Literal => {
            reader.skip()?;
        }
    }
    Ok(tokens)
}

/// Members of a prompt that no model reads as text: what says what the others are, and base64.
const NO_TEXT: [&str; 24] = [
    "cache_control",
    "call_id",
    "data",
    "detail",
    "encrypted_content",
    "fileData",
    "file_data",
    "file_id",
    "fileUri",
    "format",
    "id",
    "image_url",
    "media_type",
    "mimeType",
    "mime_type",
    "role",
    "signature",
    "status",
    "thoughtSignature",
    "thought_signature",
    "tool_call_id",
    "tool_use_id",
    "type",
    "url",
];

/// The model that a path names, as those of Gemini do.
fn model_of(path: &str) -> Option<&str> {
    let path = path.split('?').next()?;
    let (before, _) = path.rsplit_once(':').filter(|(_, action)| !action.contains('/'))?;
    let (_, model) = before.rsplit_once("/models/")?;
    (!model.is_empty() && !model.contains('/')).then_some(model)
}

#[cfg(test)]
mod tests;
