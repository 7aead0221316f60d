//! Who may call what: an ordered list of rules of which the first that matches decides.
//!
//! Without rules everything is allowed; with them, what none matches is denied. What cannot be
//! known for certain (a path with `..` in it, an argument that is there twice) never helps the
//! caller: a denying rule matches on it, an allowing one does not.

mod arguments;
mod config;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

pub use arguments::Arguments;
pub use config::RuleConfig;

use crate::scope::Scope;
use arguments::{Condition, Members};
use mcp_core::pattern::{Holds, Pattern};

/// The name under which a decision is counted that no rule made.
pub const DEFAULT: &str = "default";

/// The name under which a call is counted that rules never deny.
pub const EXEMPT: &str = "exempt";

/// The rules of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The arguments that rules ask about, each once.
    arguments: Vec<String>,
}

/// A call, and who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The JSON-RPC method; `None` for a response. Each message of a batch is its own subject.
    pub method: Option<&'a str>,
    /// The tool, prompt or resource it is about.
    pub name: Option<&'a str>,
    /// The arguments of a `tools/call`; read only if a rule asks for them.
    pub arguments: Arguments<'a>,
    /// What the caller's credentials are good for.
    pub scopes: &'a [String],
    /// The caller's tenant.
    pub tenant: Option<&'a str>,
    /// The caller's client program.
    pub agent: Option<&'a str>,
}

/// What the rules say, and the name of the rule that said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// The call may go on.
    Allow {
        /// The rule that allows, [`DEFAULT`] or [`EXEMPT`].
        rule: &'r str,
    },
    /// The call may not go on.
    Deny {
        /// The rule that denies, or [`DEFAULT`].
        rule: &'r str,
    },
    /// The call could go on with more scopes.
    InsufficientScope {
        /// The rule that would allow.
        rule: &'r str,
        /// The scopes it wants beyond those that are there; the fewest of any rule.
        missing: Vec<Scope>,
    },
}

/// One rule. An absent condition always holds.
#[derive(Debug, Clone)]
struct Rule {
    name: String,
    action: Action,
    methods: Option<Vec<Pattern>>,
    names: Option<Vec<Pattern>>,
    tenants: Option<Vec<Pattern>>,
    agents: Option<Vec<Pattern>>,
    arguments: Vec<(String, Condition)>,
    all_of: Vec<Scope>,
    any_of: Vec<Scope>,
}

/// What a rule that matches does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Allow,
    Deny,
}

impl<'r> Verdict<'r> {
    /// The rule that said it, [`DEFAULT`] or [`EXEMPT`].
    #[must_use]
    pub const fn rule(&self) -> &'r str {
        match self {
            Self::Allow { rule } | Self::Deny { rule } | Self::InsufficientScope { rule, .. } => {
                rule
            }
        }
    }

    /// The verdict in a word, for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Deny { .. } => "deny",
            Self::InsufficientScope { .. } => "insufficient_scope",
        }
    }
}

impl Rules {
    /// Judges one call.
    #[must_use]
    pub fn judge(&self, subject: &Subject<'_>) -> Verdict<'_> {
        if self.rules.is_empty() {
            return Verdict::Allow { rule: DEFAULT };
        }
        if is_exempt(subject.method) {
            return Verdict::Allow { rule: EXEMPT };
        }
        let members = OnceCell::new();
        let members = || members.get_or_init(|| Members::read(subject.arguments, &self.arguments));
        // With these scopes the call would have been allowed before any later rule was asked.
        let mut nearest: Option<(&Rule, Vec<Scope>)> = None;
        let mut denied_by = DEFAULT;
        for rule in self.rules.iter().filter(|rule| rule.covers(subject, members)) {
            let missing = rule.missing(subject.scopes);
            match rule.action {
                Action::Allow if missing.is_empty() => return Verdict::Allow { rule: &rule.name },
                Action::Allow => {
                    if nearest.as_ref().is_none_or(|(_, fewest)| missing.len() < fewest.len()) {
                        nearest = Some((rule, missing));
                    }
                }
                Action::Deny if missing.is_empty() => {
                    denied_by = &rule.name;
                    break;
                }
                Action::Deny => {}
            }
        }
        match nearest {
            Some((rule, missing)) => Verdict::InsufficientScope { rule: &rule.name, missing },
            None => Verdict::Deny { rule: denied_by },
        }
    }

    /// Whether any rule asks for a call's arguments, so that bodies must be read.
    #[must_use]
    pub const fn read_arguments(&self) -> bool {
        !self.arguments.is_empty()
    }

    /// The names of the rules, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }
}

/// What opens, keeps and ends a conversation is not a call that policy is about, and a client that
/// is refused there does not learn why.
fn is_exempt(method: Option<&str>) -> bool {
    match method {
        None | Some("initialize" | "ping" | "server/discover") => true,
        Some(method) => method.starts_with("notifications/"),
    }
}

impl Rule {
    /// Whether the rule matches, scopes aside.
    fn covers<'m, 'a: 'm>(
        &self,
        subject: &Subject<'a>,
        members: impl Fn() -> &'m Members<'a>,
    ) -> bool {
        let matches = |holds| match holds {
            Holds::Yes => true,
            Holds::No => false,
            Holds::Unclear => self.action == Action::Deny,
        };
        let listed = |patterns: &Option<Vec<Pattern>>, value: Option<&str>| match (patterns, value)
        {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(patterns), Some(value)) => {
                patterns.iter().any(|pattern| matches(pattern.covers(value)))
            }
        };
        listed(&self.methods, subject.method)
            && listed(&self.names, subject.name)
            && listed(&self.tenants, subject.tenant)
            && listed(&self.agents, subject.agent)
            && match (self.arguments.as_slice(), subject.method, subject.arguments) {
                ([], ..) => true,
                (_, Some("tools/call"), Arguments::Any) => self.action == Action::Allow,
                (conditions, Some("tools/call"), _) => conditions
                    .iter()
                    .all(|(name, condition)| matches(condition.holds(name, members()))),
                _ => false,
            }
    }

    /// The fewest scopes that are wanted beyond `held`.
    fn missing(&self, held: &[String]) -> Vec<Scope> {
        let is_held = |scope: &Scope| held.iter().any(|held| held == scope.as_str());
        let mut missing: Vec<Scope> =
            self.all_of.iter().filter(|scope| !is_held(scope)).cloned().collect();
        let satisfied = |scope: &Scope| is_held(scope) || self.all_of.contains(scope);
        if !self.any_of.iter().any(satisfied) {
            missing.extend(self.any_of.first().cloned());
        }
        missing
    }
}
