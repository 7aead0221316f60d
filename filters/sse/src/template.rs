//! Header values with placeholders in them: `"{tenant}/{tool}"`.

use mcp_core::edit::HeaderValue;
use mcp_core::limits::MAX_EXPORTED_HEADER;
use mcp_core::pipeline::{Call, Caller, Traffic};

/// A value as it is configured.
#[derive(Debug)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Placeholder),
}

/// What an exchange fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The client program: as auth knows it, else as it names itself.
    Agent,
    /// `legacy` or `modern`.
    Era,
    /// The JSON-RPC method.
    Method,
    /// Keyed hash of who calls.
    Principal,
    /// Keyed hash of the session's id.
    Session,
    /// The caller's tenant.
    Tenant,
    /// The tool that is called.
    Tool,
}

const PLACEHOLDERS: [(&str, Placeholder); 7] = [
    ("agent", Placeholder::Agent),
    ("era", Placeholder::Era),
    ("method", Placeholder::Method),
    ("principal", Placeholder::Principal),
    ("session", Placeholder::Session),
    ("tenant", Placeholder::Tenant),
    ("tool", Placeholder::Tool),
];

// === impl Template ===

impl Template {
    /// Reads a value; `{{` and `}}` stand for a brace.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let legal = (1..=MAX_EXPORTED_HEADER).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && text.trim_matches(' ') == text;
        if !legal {
            return Err(format!(
                "must be 1 to {MAX_EXPORTED_HEADER} characters of visible ASCII, with spaces only between them"
            ));
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, brace)) =
            rest.find(['{', '}']).and_then(|at| rest.split_at_checked(at))
        {
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let named = brace.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (name, after) =
                    named.ok_or("has a single brace: write \"{{\" or \"}}\" for one")?;
                parts.push(Part::Text(core::mem::take(&mut literal)));
                parts.push(Part::Value(Placeholder::parse(name)?));
                rest = after;
            }
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Ok(Self(parts))
    }

    /// The value for one exchange; `None` if something that stands in it is not known, or if it
    /// would be too long.
    pub(crate) fn fill(&self, call: &Call<'_>, caller: &Caller) -> Option<HeaderValue> {
        let mut value = String::new();
        for part in &self.0 {
            value.push_str(match part {
                Part::Text(text) => text,
                Part::Value(placeholder) => placeholder.value(call, caller)?,
            });
        }
        if self.placeholders().next().is_none() {
            return HeaderValue::plain(value);
        }
        HeaderValue::mirrored(&value)
    }

    /// What it needs to know.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(placeholder) => Some(*placeholder),
        })
    }
}

// === impl Placeholder ===

impl Placeholder {
    fn parse(name: &str) -> Result<Self, String> {
        let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
        known.map(|(_, placeholder)| *placeholder).ok_or_else(|| {
            let names: Vec<_> =
                PLACEHOLDERS.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            format!("\"{{{name}}}\" is unknown: one of {}", names.join(", "))
        })
    }

    /// As it stands in a configuration, without the braces.
    pub(crate) fn name(self) -> &'static str {
        let known = PLACEHOLDERS.iter().find(|(_, placeholder)| *placeholder == self);
        known.map_or("", |(name, _)| name)
    }

    /// Whether only the filters before this one can know it.
    pub(crate) const fn is_told(self) -> bool {
        matches!(self, Self::Principal | Self::Session | Self::Tenant)
    }

    fn value<'a>(self, call: &'a Call<'_>, caller: &'a Caller) -> Option<&'a str> {
        let value = match self {
            Self::Agent => caller.agent.as_deref().or_else(|| call.client_name()),
            Self::Era => (call.traffic == Traffic::Mcp).then_some(call.era.as_str()),
            Self::Method => call.method,
            Self::Principal => caller.principal_hash.as_deref(),
            Self::Session => caller.session_hash.as_deref(),
            Self::Tenant => caller.tenant.as_deref(),
            Self::Tool => call.name.filter(|_| call.method == Some("tools/call")),
        };
        value.filter(|value| !value.is_empty())
    }
}
