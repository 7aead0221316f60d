//! What is said of an exchange once it is decided: one count, and for refusals one log line.

use super::line::line;
use super::{Call, Caller};
use crate::refusal::{Reason, Refusal};
use crate::version::Era;

/// How an exchange went, in words for logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    /// The era it was read in.
    pub era: Era,
    /// The method, if it is one of the protocol's; else `other`; `none` where there is none.
    pub method: &'static str,
    /// The tool called. A client chose this text.
    pub tool: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Which rule or which check it was: for the log alone, since it is no part of a counter.
    pub detail: Option<String>,
    /// Which entry of `servers` it was for, if there is such a list: for the log alone as well.
    pub server: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It went upstream.
    Forwarded,
    /// It was refused.
    Refused(Reason),
    /// It went upstream although something was amiss, which is only reported here: its headers and
    /// body disagree (`validation: log_only`), or a filter is in `shadow` mode. A request counts
    /// once, by the first thing it would have been refused for.
    Shadowed(Reason),
}

impl Report {
    /// Of a call that went upstream, and what it would have been refused for.
    pub(super) fn forwarded(call: &Call<'_>, shadowed: Option<&Refusal>) -> Self {
        let outcome =
            shadowed.map_or(Outcome::Forwarded, |refusal| Outcome::Shadowed(refusal.reason));
        Self::new(call, outcome, shadowed)
    }

    /// Of a call that was refused.
    pub(super) fn refused(call: &Call<'_>, refusal: &Refusal) -> Self {
        Self::new(call, Outcome::Refused(refusal.reason), Some(refusal))
    }

    /// Of a request that the host gave up on before anything was known of it.
    #[must_use]
    pub const fn unread(reason: Reason) -> Self {
        let (era, outcome) = (Era::Legacy, Outcome::Refused(reason));
        Self { era, method: "none", tool: None, outcome, detail: None, server: None }
    }

    /// The line in the log where only refusals have one, which says nothing of the caller.
    #[must_use]
    pub fn line(&self) -> String {
        line(self, &Caller::default(), None, None)
    }

    fn new(call: &Call<'_>, outcome: Outcome, refusal: Option<&Refusal>) -> Self {
        let tool = call.name.filter(|_| call.method == Some("tools/call")).map(str::to_owned);
        Self {
            era: call.era,
            method: call.method.map_or("none", label),
            tool,
            outcome,
            detail: refusal.and_then(Refusal::detail).map(str::to_owned),
            server: None,
        }
    }
}

/// The methods of all revisions, in order: what is not among them is a client's invention and no label.
const METHODS: [&str; 36] = [
    "completion/complete",
    "elicitation/create",
    "initialize",
    "llm",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/roots/list_changed",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

fn label(method: &str) -> &'static str {
    let known = METHODS.binary_search(&method).ok().and_then(|index| METHODS.get(index));
    known.copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn each_method_is_its_own_label_and_others_have_one_together() {
        for method in METHODS {
            assert_eq!(label(method), method);
        }
        for method in ["", "tools", "tools/callx", "zzz", "Tools/call"] {
            assert_eq!(label(method), "other", "{method}");
        }
    }
}
