//! May they: the rules' verdict on each message of a call, counted, and the refusal it leads to.

use mcp_core::agreement;
use mcp_core::pipeline::{Call, Caller, Environment};
use mcp_core::refusal::{Reason, Refusal};

use crate::filter::AuthFilter;
use crate::rules::{Arguments, Subject, Verdict};

impl AuthFilter {
    /// Judges each message of a call, up to the first that may not pass, and counts the verdicts.
    pub(crate) fn judge(
        &self,
        call: &Call<'_>,
        caller: &Caller,
        environment: &mut dyn Environment,
    ) -> Result<(), Refusal> {
        let mut judge = |method, name, arguments| {
            let verdict = self.rules.judge(&Subject {
                method,
                name,
                arguments,
                scopes: &caller.scopes,
                tenant: caller.tenant.as_deref(),
                agent: caller.agent.as_deref(),
            });
            environment.count(&counter(&verdict));
            self.allow(&verdict)
        };
        if call.batch.is_empty() {
            let arguments = call
                .message
                .map_or(Arguments::Unread, |message| Arguments::Given(message.params.arguments));
            return judge(call.method, call.name, arguments);
        }
        call.batch.iter().try_for_each(|message| {
            let arguments = Arguments::Given(message.params.arguments);
            judge(message.method.as_deref(), agreement::subject(message), arguments)
        })
    }

    fn allow(&self, verdict: &Verdict<'_>) -> Result<(), Refusal> {
        let refusal = match verdict {
            Verdict::Allow { .. } => return Ok(()),
            Verdict::Deny { .. } => Refusal::new(Reason::Forbidden),
            Verdict::InsufficientScope { missing, .. } => {
                self.challenger.insufficient_scope(missing)
            }
        };
        Err(refusal.because(format!("rule {}", verdict.rule())))
    }
}

/// `mcp_auth_rules.rule.no_drop.verdict.deny`: name and value in turn, for the gateway's tag
/// extraction.
fn counter(verdict: &Verdict<'_>) -> String {
    ["mcp_auth_rules.rule.", verdict.rule(), ".verdict.", verdict.as_str()].concat()
}
