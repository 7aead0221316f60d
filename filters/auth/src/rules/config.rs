//! The `rules` list as it is written, and what makes it one that can be judged by.

use std::collections::{BTreeMap, BTreeSet};

use mcp_core::config::ConfigError;
use serde::Deserialize;

use super::arguments::{Condition, ConditionConfig};
use super::{Action, DEFAULT, EXEMPT, Rule, Rules};
use crate::scope::Scope;
use mcp_core::pattern::{Holds, Pattern};

/// One rule, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct RuleConfig {
    action: Action,
    name: Option<String>,
    methods: Option<Vec<Pattern>>,
    names: Option<Vec<Pattern>>,
    #[serde(default)]
    scopes: ScopesConfig,
    tenants: Option<Vec<Pattern>>,
    agents: Option<Vec<Pattern>>,
    #[serde(default)]
    arguments: BTreeMap<String, ConditionConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct ScopesConfig {
    all_of: Vec<Scope>,
    any_of: Vec<Scope>,
}

/// Rules in one configuration; each call is compared with them in turn.
const MAX_RULES: usize = 512;

/// Entries in one list of a rule.
const MAX_LIST: usize = 256;

/// Scopes in `all_of` and in `any_of`, each: they must fit into one challenge.
const MAX_SCOPES: usize = 16;

/// Different arguments that the rules name together: every member of a call is compared with them.
const MAX_ARGUMENTS: usize = 32;

/// Bytes of a rule's name, which becomes part of a metric's.
const MAX_RULE_NAME: usize = 64;

impl TryFrom<Vec<RuleConfig>> for Rules {
    type Error = ConfigError;

    fn try_from(entries: Vec<RuleConfig>) -> Result<Self, ConfigError> {
        if entries.len() > MAX_RULES {
            return Err(ConfigError::new("rules", format!("has more than {MAX_RULES} rules")));
        }
        let mut names = BTreeSet::new();
        names.extend([DEFAULT, EXEMPT].map(str::to_owned));
        let mut arguments = BTreeSet::new();
        let mut rules = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let rule =
                rule(index, entry).map_err(|error| error.within(&format!("rules[{index}]")))?;
            if !names.insert(rule.name.clone()) {
                return Err(ConfigError::new(
                    format!("rules[{index}].name"),
                    format!("is taken: by another rule, or one of \"{DEFAULT}\" and \"{EXEMPT}\""),
                ));
            }
            arguments.extend(rule.arguments.iter().map(|(name, _)| name.clone()));
            rules.push(rule);
        }
        if arguments.len() > MAX_ARGUMENTS {
            return Err(ConfigError::new(
                "rules",
                format!("name more than {MAX_ARGUMENTS} different arguments"),
            ));
        }
        Ok(Self { rules, arguments: arguments.into_iter().collect() })
    }
}

fn rule(index: usize, config: RuleConfig) -> Result<Rule, ConfigError> {
    let RuleConfig { action, name, methods, names, scopes, tenants, agents, arguments } = config;
    let lists =
        [("methods", &methods), ("names", &names), ("tenants", &tenants), ("agents", &agents)];
    for (key, list) in lists {
        if list.as_ref().is_some_and(|list| !(1..=MAX_LIST).contains(&list.len())) {
            return Err(ConfigError::new(
                key,
                format!("must have 1 to {MAX_LIST} entries: leave it out to match all"),
            ));
        }
    }
    for (key, list) in [("scopes.all_of", &scopes.all_of), ("scopes.any_of", &scopes.any_of)] {
        if list.len() > MAX_SCOPES {
            return Err(ConfigError::new(key, format!("has more than {MAX_SCOPES} scopes")));
        }
    }
    let calls = |method: &Pattern| method.covers("tools/call") == Holds::Yes;
    if !arguments.is_empty() && methods.as_ref().is_some_and(|list| !list.iter().any(calls)) {
        return Err(ConfigError::new(
            "arguments",
            "are those of tools/call, which is not in methods",
        ));
    }
    Ok(Rule {
        name: rule_name(index, name)?,
        action,
        methods,
        names,
        tenants,
        agents,
        arguments: arguments.into_iter().map(condition).collect::<Result<_, _>>()?,
        all_of: scopes.all_of,
        any_of: scopes.any_of,
    })
}

fn rule_name(index: usize, name: Option<String>) -> Result<String, ConfigError> {
    let Some(name) = name else { return Ok(format!("rule_{index}")) };
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if (1..=MAX_RULE_NAME).contains(&name.len()) && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(ConfigError::new(
            "name",
            format!("must be 1 to {MAX_RULE_NAME} of a-z, 0-9 and '_': counters are named by it"),
        ))
    }
}

fn condition(
    (name, config): (String, ConditionConfig),
) -> Result<(String, Condition), ConfigError> {
    // Look-alikes are told apart for ASCII alone.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::new(
            "arguments",
            "must be named in visible ASCII, as the tool's top-level arguments are",
        ));
    }
    let condition =
        config.check().map_err(|problem| ConfigError::new(format!("arguments.{name}"), problem))?;
    Ok((name, condition))
}
