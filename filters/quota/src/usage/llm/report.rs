//! What a provider says that an answer cost.
//!
//! | | OpenAI chat | OpenAI responses | Anthropic | Gemini |
//! |---|---|---|---|---|
//! | `input` | `prompt_tokens` | `input_tokens` | `input_tokens` | `promptTokenCount` |
//! | cached, within | `…_details.cached_tokens` | the same | | `cachedContentTokenCount` |
//! | cached, apart | | | `cache_read_input_tokens` | |
//! | input, apart | | | `cache_creation_input_tokens` | `toolUsePromptTokenCount` |
//! | `output` | `completion_tokens` | `output_tokens` | `output_tokens` | `candidatesTokenCount` |
//! | reasoning, within | `…_details.reasoning_tokens` | the same | `…_details.thinking_tokens` | |
//! | reasoning, apart | | | | `thoughtsTokenCount` |
//!
//! No name means different things in two dialects, so they need not be told apart.

use mcp_core::json::{Error, Reader};

use super::super::{Usage, read};

/// Counts as a provider tells them; later ones replace earlier ones, for all are of the answer as a
/// whole so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    /// Read by the model, with `cached_within`.
    pub(super) input: Option<u64>,
    cached_within: Option<u64>,
    cached_apart: Option<u64>,
    input_apart: Option<u64>,
    /// Written by the model, with `reasoning_within`.
    pub(super) output: Option<u64>,
    reasoning_within: Option<u64>,
    pub(super) reasoning_apart: Option<u64>,
    /// A count was no count: negative, a fraction, past 2^64, or no number at all.
    pub(super) is_absurd: bool,
}

impl Report {
    /// Reads `usage` or `usageMetadata`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut report = Self::default();
        let mut is_chat = false;
        read::object(reader, |reader, key| {
            let member = match &*key {
                "prompt_tokens" | "input_tokens" | "promptTokenCount" => {
                    is_chat |= key == "prompt_tokens";
                    &mut report.input
                }
                "completion_tokens" | "output_tokens" | "candidatesTokenCount" => {
                    &mut report.output
                }
                "cachedContentTokenCount" => &mut report.cached_within,
                "cache_read_input_tokens" => &mut report.cached_apart,
                "cache_creation_input_tokens" | "toolUsePromptTokenCount" => {
                    &mut report.input_apart
                }
                "thoughtsTokenCount" => &mut report.reasoning_apart,
                "prompt_tokens_details"
                | "input_tokens_details"
                | "completion_tokens_details"
                | "output_tokens_details" => return report.details(reader),
                _ => return reader.skip().map(drop),
            };
            count(reader, member, &mut report.is_absurd)
        })?;
        if is_chat {
            // Some gateways add Anthropic's counts, which are within the prompt's here.
            report.cached_apart = None;
            report.input_apart = None;
        }
        Ok(report)
    }

    fn details(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        read::object(reader, |reader, key| match &*key {
            "cached_tokens" => count(reader, &mut self.cached_within, &mut self.is_absurd),
            "reasoning_tokens" | "thinking_tokens" => {
                count(reader, &mut self.reasoning_within, &mut self.is_absurd)
            }
            _ => reader.skip().map(drop),
        })
    }

    /// Takes in a later report.
    pub(super) fn update(&mut self, later: Self) {
        *self = Self {
            input: later.input.or(self.input),
            cached_within: later.cached_within.or(self.cached_within),
            cached_apart: later.cached_apart.or(self.cached_apart),
            input_apart: later.input_apart.or(self.input_apart),
            output: later.output.or(self.output),
            reasoning_within: later.reasoning_within.or(self.reasoning_within),
            reasoning_apart: later.reasoning_apart.or(self.reasoning_apart),
            is_absurd: later.is_absurd || self.is_absurd,
        };
    }

    /// Leaves out what was written: it is known to go on.
    pub(super) const fn without_output(self) -> Self {
        Self { output: None, reasoning_within: None, reasoning_apart: None, ..self }
    }

    /// What was told, by class; nothing counts as 0.
    pub(super) fn usage(&self) -> Usage {
        let known = Option::unwrap_or_default;
        let (cached, reasoning) = (known(self.cached_within), known(self.reasoning_within));
        Usage {
            input: known(self.input).saturating_sub(cached).saturating_add(known(self.input_apart)),
            cached: cached.saturating_add(known(self.cached_apart)),
            output: known(self.output).saturating_sub(reasoning),
            reasoning: reasoning.saturating_add(known(self.reasoning_apart)),
        }
    }
}

/// Reads a count; `null` is none.
fn count(
    reader: &mut Reader<'_>,
    count: &mut Option<u64>,
    is_absurd: &mut bool,
) -> Result<(), Error> {
    let token = reader.skip()?;
    if token != "null" {
        *count = token.parse().ok();
        *is_absurd |= count.is_none();
    }
    Ok(())
}
