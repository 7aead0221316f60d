//! What the filter does to answers on their way back: lists are cut down to what the caller may
//! use, and streams end when their token does.

use mcp_core::config::ConfigError;
use mcp_core::pipeline::{
    Attention, Call, Caller, Capabilities, Environment, Interest, Observation,
};
use mcp_core::refusal::{Reason, Refusal};
use mcp_core::rewrite::Piece;
use mcp_core::version::Era;
use serde::Deserialize;

use crate::filter::AuthFilter;
use crate::list_filter::{self, Unreadable};
use crate::rules::{Arguments, Rules, Subject, Verdict};

/// Whether lists of tools, prompts and resources show only what the rules let the caller use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListFiltering {
    /// Where the host cannot, the configuration is refused.
    #[default]
    Enforce,
    /// Where the host cannot, lists show everything.
    BestEffort,
    /// Lists show everything.
    Off,
}

/// What is done on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Answers {
    filter_lists: bool,
    end_streams: bool,
}

/// What is remembered of a request until its answer comes.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Lists may be in the answer, and who reads them speaks so.
    lists: Option<Era>,
    /// Nobody waits for any message in the answer: it is a stream that was opened by GET.
    unasked: bool,
}

impl Answers {
    /// Decides what to do where `rules` hold; tells in `notices` what this host cannot.
    ///
    /// # Errors
    /// If lists would show what the rules deny, and the configuration does not say that it knows.
    pub(crate) fn plan(
        config: ListFiltering,
        rules: &Rules,
        capabilities: &Capabilities,
        notices: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let wanted = config != ListFiltering::Off && rules.names().next().is_some();
        if wanted && !capabilities.bodies {
            if config == ListFiltering::Enforce {
                return Err(ConfigError::new(
                    "list_filtering",
                    "must be \"best_effort\" or \"off\" where there are rules: this host cannot \
                     change an answer's body, so lists would show what the rules deny",
                ));
            }
            notices.push(
                "this host cannot change an answer's body: lists show also what the rules deny"
                    .to_owned(),
            );
        }
        Ok(Self {
            filter_lists: wanted && capabilities.bodies,
            end_streams: capabilities.ends_streams,
        })
    }
}

impl AuthFilter {
    /// What to remember of a call until its answer comes.
    pub(crate) fn asked(&self, call: &Call<'_>) -> Asked {
        let unasked = call.method.is_none() && call.message.is_none() && call.batch.is_empty();
        let batch = call.batch.iter().filter_map(|message| message.method.as_deref());
        let mut methods = call.method.into_iter().chain(batch);
        // A stream may bring what an earlier request asked for.
        let lists = unasked || methods.any(|method| list_filter::METHODS.contains(&method));
        Asked { lists: Some(call.era).filter(|_| lists && self.answers.filter_lists), unasked }
    }

    /// What is wanted with the answer to such a call.
    pub(crate) fn interest_in(&self, asked: &Asked, caller: &Caller) -> Interest {
        Interest {
            messages: asked.lists.map_or(Attention::None, |_| Attention::Judge),
            until: caller.expires_at.filter(|_| self.answers.end_streams),
        }
    }

    /// Cuts the lists in a message of the answer.
    pub(crate) fn cut_lists(
        &self,
        message: Piece<'_>,
        asked: &Asked,
        caller: &Caller,
        environment: &mut dyn Environment,
    ) -> Observation {
        let may_use = |method, name: &str| {
            let verdict = self.rules.judge(&Subject {
                method: Some(method),
                name: Some(name),
                arguments: Arguments::Any,
                scopes: &caller.scopes,
                tenant: caller.tenant.as_deref(),
                agent: caller.agent.as_deref(),
            });
            matches!(verdict, Verdict::Allow { .. })
        };
        match list_filter::filter(message, asked.lists.unwrap_or(Era::Legacy), may_use) {
            Ok(None) => Observation::Pass,
            Ok(Some(filtered)) => Observation::Replace(filtered),
            Err(Unreadable) => {
                environment.warn("an answer that may hold a list cannot be read; it was withheld");
                if asked.unasked {
                    return Observation::Drop;
                }
                Observation::End(Refusal::new(Reason::Unreadable))
            }
        }
    }
}

impl Asked {
    /// Whether the answer has to come as plain text.
    pub(crate) const fn wants_plain_answer(&self) -> bool {
        self.lists.is_some()
    }
}
