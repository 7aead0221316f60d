//! The `result_caps` list: how large the result of a tool may be.

mod cut;

use mcp_core::config::{ConfigError, Section, Size};
use mcp_core::message::Message;
use mcp_core::pattern::Pattern;
use mcp_core::pipeline::{Call, Capabilities, Observation};
use mcp_core::refusal::{Addressee, Reason, Refusal, Shape};
use mcp_core::rewrite::Piece;
use serde::Deserialize;

use crate::limit::{Amount, any};
use cut::ToolResult;

/// The list; the first entry that is about a tool counts.
#[derive(Debug)]
pub(crate) struct Caps(Vec<Cap>);

#[derive(Debug)]
struct Cap {
    /// None are all.
    names: Vec<Pattern>,
    most: Most,
    action: Action,
}

/// How much there may be of a result; at least one of the two is given.
#[derive(Debug, Clone, Copy)]
struct Most {
    tokens: u64,
    bytes: u64,
}

/// An entry as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct CapConfig {
    #[serde(default)]
    names: Vec<Pattern>,
    max_tokens: Option<Amount>,
    max_bytes: Option<Size>,
    #[serde(default)]
    action: Action,
}

/// What becomes of a result that is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// Its text is cut, and says so. A result that is structured is refused: half of it would not
    /// fit its schema.
    Cut,
    /// The client gets an error in its place.
    #[default]
    Refuse,
}

impl Caps {
    pub(crate) fn build(
        entries: Vec<Section<CapConfig>>,
        capabilities: &Capabilities,
    ) -> Result<Self, ConfigError> {
        if !entries.is_empty() && !capabilities.bodies {
            let problem = "this host cannot change an answer's body";
            return Err(ConfigError::new("result_caps", problem));
        }
        let cap = |(index, Section(entry)): (usize, Section<CapConfig>)| {
            let tokens = entry.max_tokens.map(|tokens| tokens.0);
            let bytes = entry.max_bytes.map(|bytes| bytes.0);
            if tokens.or(bytes).is_none() || tokens == Some(0) || bytes == Some(0) {
                return Err(ConfigError::new(
                    format!("result_caps[{index}]"),
                    "needs max_tokens or max_bytes, and more than 0",
                ));
            }
            let most =
                Most { tokens: tokens.unwrap_or(u64::MAX), bytes: bytes.unwrap_or(u64::MAX) };
            Ok(Cap { names: entry.names, most, action: entry.action })
        };
        entries.into_iter().enumerate().map(cap).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Index of the entry that is about the tool that is called.
    pub(crate) fn of(&self, call: &Call<'_>) -> Option<usize> {
        let called = |method: Option<&str>| method == Some("tools/call");
        let of_batch = |message: &Message<'_>| {
            let name = message.params.name.as_deref();
            called(message.method.as_deref()).then(|| self.about(name))?
        };
        if called(call.method) {
            return self.about(call.name);
        }
        call.batch.iter().find_map(of_batch)
    }

    /// What becomes of a message of the answer to such a call.
    pub(crate) fn judge(&self, index: usize, message: Piece<'_>, shape: Shape) -> Observation {
        let (Some(cap), Piece::Message(text) | Piece::Other { data: text, .. }) =
            (self.0.get(index), message)
        else {
            return Observation::Pass;
        };
        let Some(result) = ToolResult::read(text) else { return Observation::Pass };
        let (tokens, bytes) = result.size();
        if tokens <= cap.most.tokens && bytes <= cap.most.bytes {
            return Observation::Pass;
        }
        let cut = (cap.action == Action::Cut).then(|| result.cut(cap.most.tokens, cap.most.bytes));
        if let Some(cut) = cut.flatten() {
            return Observation::Replace(cut);
        }
        let refusal = Refusal::new(Reason::ResultTooLarge)
            .saying(format!("The result is too large: {}. Ask for less.", cap.most.words()))
            .shaped(shape);
        Observation::Replace(refusal.reply(Addressee::Request(result.id())).body)
    }

    fn about(&self, name: Option<&str>) -> Option<usize> {
        self.0.iter().position(|cap| cap.names.is_empty() || any(&cap.names, name))
    }
}

impl Most {
    fn words(self) -> String {
        match (self.tokens, self.bytes) {
            (tokens, u64::MAX) => format!("{tokens} tokens are allowed"),
            (u64::MAX, bytes) => format!("{bytes} bytes are allowed"),
            (tokens, bytes) => format!("{tokens} tokens and {bytes} bytes are allowed"),
        }
    }
}

#[cfg(test)]
mod tests;
