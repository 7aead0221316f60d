//! The `weights` list: what a token of each class costs, by tool or model.

use mcp_core::config::{ConfigError, Section};
use mcp_core::pattern::Pattern;
use serde::Deserialize;

use crate::cost::Cost;
use crate::limit::{Unit, any};
use crate::usage::Usage;

/// The list; the first entry that is about a call counts.
#[derive(Debug, Clone)]
pub(crate) struct Weights(Vec<Entry>);

/// What tokens and calls of some tools or models weigh.
#[derive(Debug, Clone)]
struct Entry {
    /// None are all.
    names: Vec<Pattern>,
    input: Weight,
    cached: Weight,
    output: Weight,
    reasoning: Weight,
    call: Weight,
}

/// An entry as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct WeightsConfig {
    #[serde(default)]
    names: Vec<Pattern>,
    input: Option<Weight>,
    cached: Option<Weight>,
    output: Option<Weight>,
    reasoning: Option<Weight>,
    call: Option<Weight>,
}

/// Micro-units, as a decimal number of at most three places; held in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct Weight(u64);

/// Thousandths.
const UNIT: u64 = 1_000;

/// One micro-unit a token.
static PLAIN: Entry = Entry {
    names: Vec::new(),
    input: Weight(UNIT),
    cached: Weight(UNIT),
    output: Weight(UNIT),
    reasoning: Weight(UNIT),
    call: Weight(0),
};

/// Entries of the list.
const MAX_ENTRIES: usize = 256;

impl Weights {
    pub(crate) fn build(entries: Vec<Section<WeightsConfig>>) -> Result<Self, ConfigError> {
        if entries.len() > MAX_ENTRIES {
            let problem = format!("has more than {MAX_ENTRIES} entries");
            return Err(ConfigError::new("weights", problem));
        }
        let entry = |Section(entry): Section<WeightsConfig>| {
            let input = entry.input.unwrap_or(Weight(UNIT));
            let output = entry.output.unwrap_or(Weight(UNIT));
            Entry {
                names: entry.names,
                input,
                cached: entry.cached.unwrap_or(input),
                output,
                reasoning: entry.reasoning.unwrap_or(output),
                call: entry.call.unwrap_or(Weight(0)),
            }
        };
        Ok(Self(entries.into_iter().map(entry).collect()))
    }

    /// What a usage of this tool or model weighs, with as many calls, in micro-units; a part of one
    /// counts as one. One micro-unit a token where the list says nothing.
    pub(crate) fn micros(&self, name: Option<&str>, usage: &Usage, calls: u64) -> u64 {
        let covers = |entry: &&Entry| entry.names.is_empty() || any(&entry.names, name);
        let entry = self.0.iter().find(covers).unwrap_or(&PLAIN);
        let terms = [
            (usage.input, entry.input),
            (usage.cached, entry.cached),
            (usage.output, entry.output),
            (usage.reasoning, entry.reasoning),
            (calls, entry.call),
        ];
        let weigh = |(count, Weight(weight)): (u64, Weight)| {
            u128::from(count).saturating_mul(u128::from(weight))
        };
        let sum = terms.into_iter().map(weigh).fold(0_u128, u128::saturating_add);
        u64::try_from(sum.div_ceil(u128::from(UNIT))).unwrap_or(u64::MAX)
    }

    /// `cost` with what it weighs, where `unit` counts that: the sum takes its time.
    pub(crate) fn weigh(&self, unit: Unit, name: Option<&str>, cost: Cost) -> Cost {
        match unit {
            Unit::Cost => Cost { micros: self.micros(name, &cost.usage, cost.requests), ..cost },
            _ => cost,
        }
    }
}

impl TryFrom<serde_json::Number> for Weight {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, Self::Error> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() > 9 || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
            return Err("must be between 0 and 999999999, with at most three decimal places");
        }
        format!("{whole}{fraction:0<3}").parse().map(Self).map_err(|_| "not a number")
    }
}

#[cfg(test)]
mod tests {
    use mcp_core::config;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Example {
        weights: Vec<Section<WeightsConfig>>,
    }

    fn weights(list: &str) -> Result<Weights, ConfigError> {
        let text = format!(r#"{{"weights":{list}}}"#);
        Weights::build(config::parse::<Example>(text.as_bytes())?.weights)
    }

    #[test]
    fn each_class_has_its_weight_and_parts_are_rounded_up() {
        let usage = Usage { input: 3, cached: 10, output: 2, reasoning: 1 };
        let plain = weights("[]").expect("valid");
        assert_eq!(plain.micros(None, &usage, 7), 16);
        let list = r#"[{"names":["gpt-*"],"input":2.5,"cached":0.25,"output":10,"reasoning":20,
            "call":1},{"input":2,"output":3}]"#;
        let weights = weights(list).expect("valid");
        // 7.5 + 2.5 + 20 + 20 + 1
        assert_eq!(weights.micros(Some("gpt-x"), &usage, 1), 51);
        let one = Usage { input: 1, ..Usage::default() };
        assert_eq!(weights.micros(Some("gpt-x"), &one, 0), 3);
        // What is cached costs what is not, and reasoning what is written, unless they are told apart.
        assert_eq!(weights.micros(Some("other"), &usage, 1), 6 + 20 + 6 + 3);
        assert_eq!(weights.micros(None, &usage, 1), 6 + 20 + 6 + 3);
        let most = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
        assert_eq!(weights.micros(None, &most, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_weight_is_a_plain_decimal() {
        for wrong in ["-1", "1.0001", "1e99", "\"1\"", "1000000000"] {
            let error = weights(&format!(r#"[{{"input":{wrong}}}]"#)).expect_err(wrong);
            assert_eq!(error.path, "weights[0].input", "{error}");
        }
    }
}
