//! The `limits` list as it is written, and what makes it one that can be counted by.

use core::fmt;
use core::hash::{Hash as _, Hasher as _};
use core::time::Duration;
use std::collections::BTreeSet;

use mcp_core::config::{ConfigError, Period, Section};
use mcp_core::pattern::Pattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use siphasher::sip::SipHasher24;

use super::key::{Key, Part};
use super::{Covers, Limit, Unit};
use crate::config::FLOOD_GUARD;
use crate::store::{Algorithm, CounterId};

/// A quantity: a whole number, or its digits in a string, since APISIX rounds large numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) u64);

/// One limit, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) struct LimitConfig {
    name: String,
    key: Vec<Part>,
    #[serde(default, rename = "match")]
    covers: Section<CoversConfig>,
    #[serde(default)]
    unit: Option<Unit>,
    limit: Amount,
    window: Option<Period>,
    #[serde(default)]
    algorithm: AlgorithmName,
    burst: Option<Amount>,
    #[serde(default)]
    overrides: Vec<Section<OverrideConfig>>,
    reserve: Option<Amount>,
    #[serde(default)]
    hard: bool,
    #[serde(default)]
    shadow: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
struct CoversConfig {
    methods: Vec<Pattern>,
    names: Vec<Pattern>,
    scopes: Vec<String>,
    tenants: Vec<Pattern>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct OverrideConfig {
    tenants: Vec<Pattern>,
    limit: Amount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AlgorithmName {
    FixedWindow,
    #[default]
    SlidingWindow,
    TokenBucket,
}

/// Among which counters those of a limit are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) namespace: &'a str,
    /// The server whose limit it is; that of all if it is nobody's.
    pub(crate) owner: Option<&'a str>,
    /// How many counters of the same kind there are, none of which knows the others: each gets its
    /// share.
    pub(crate) workers: u64,
}

/// All limits, and the keys they have, each once.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) keys: Vec<Key>,
    pub(crate) limits: Vec<Limit>,
}

/// Limits of one configuration; each call is compared with all of them.
const MAX_LIMITS: usize = 64;

/// Bytes of a limit's name, which becomes part of a metric's and of a header.
pub(crate) const MAX_NAME: usize = 64;

/// Parts of a key.
const MAX_PARTS: usize = 8;

/// The longest window: a month and a bit, as billing has it.
const MAX_WINDOW: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// How long a call is believed to be under way whose end nobody tells, as of a VM that trapped
/// (default of `window` for the unit `concurrent`).
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The most there can be of anything, so that sums stay far from the edge.
pub(super) const MAX_AMOUNT: u64 = 1 << 53;

impl LimitConfig {
    /// A limit on requests by address and principal.
    pub(crate) fn flood_guard(name: &str, limit: Amount, window: Period) -> Self {
        Self {
            name: name.to_owned(),
            key: vec![Part::Ip, Part::Principal],
            covers: Section::default(),
            unit: Some(Unit::Requests),
            limit,
            window: Some(window),
            algorithm: AlgorithmName::default(),
            burst: None,
            overrides: Vec::new(),
            reserve: None,
            hard: false,
            shadow: false,
        }
    }
}

impl Limits {
    /// Checks the list; `scope` is that of the entry at an index.
    pub(crate) fn build<'a>(
        entries: Vec<Section<LimitConfig>>,
        scope: impl Fn(usize) -> Scope<'a>,
    ) -> Result<Self, ConfigError> {
        if entries.len() > MAX_LIMITS {
            return Err(ConfigError::new("limits", format!("has more than {MAX_LIMITS} limits")));
        }
        let mut names = BTreeSet::new();
        names.insert(FLOOD_GUARD.to_owned());
        let mut built = Self::default();
        for (index, Section(entry)) in entries.into_iter().enumerate() {
            let within = |error: ConfigError| error.within(&format!("limits[{index}]"));
            if !names.insert(entry.name.clone()) {
                return Err(within(ConfigError::new("name", "is another limit's")));
            }
            built.add(entry, &scope(index)).map_err(within)?;
        }
        built.check_parents()?;
        Ok(built)
    }

    /// Adds one that is not written in the list.
    pub(crate) fn add(&mut self, entry: LimitConfig, scope: &Scope<'_>) -> Result<(), ConfigError> {
        let Scope { namespace, owner, workers } = *scope;
        let unit = entry.unit.unwrap_or(Unit::Requests);
        check(&entry, unit)?;
        let share = |amount: u64| share(amount, workers);
        let amount = share(entry.limit.0);
        let window = milliseconds(entry.window.map_or(FORGET_AFTER, |period| period.0));
        let algorithm = match entry.algorithm {
            _ if unit == Unit::Concurrent => Algorithm::Concurrent { forget_after: window },
            AlgorithmName::FixedWindow => Algorithm::FixedWindow { window },
            AlgorithmName::SlidingWindow => Algorithm::SlidingWindow { window },
            AlgorithmName::TokenBucket => {
                let burst = share(entry.burst.map_or(entry.limit.0, |burst| burst.0));
                Algorithm::TokenBucket { window, burst }
            }
        };
        let key = Key::new(entry.key);
        let texts = [namespace, &entry.name, key.as_str(), unit.as_str()];
        let counter = counter(&texts, owner, algorithm);
        if self.limits.iter().any(|other| other.counter == counter) {
            return Err(ConfigError::new("name", "hashes as another limit's does: choose another"));
        }
        let key = self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len().saturating_sub(1)
        });
        let Section(CoversConfig { methods, names, scopes, tenants }) = entry.covers;
        let overrides = entry.overrides.into_iter();
        self.limits.push(Limit {
            name: entry.name,
            key,
            covers: Covers { methods, names, scopes, tenants },
            unit,
            amount,
            overrides: overrides.map(|Section(own)| (own.tenants, share(own.limit.0))).collect(),
            workers,
            window,
            algorithm,
            has_burst: entry.burst.is_some(),
            reserve: entry.reserve.map_or(1, |reserve| reserve.0),
            hard: entry.hard,
            shadow: entry.shadow,
            counter,
        });
        Ok(())
    }

    /// Whoever can make up subjects must be counted by something it cannot make up as well.
    fn check_parents(&self) -> Result<(), ConfigError> {
        let key_of = |limit: &Limit| self.keys.get(limit.key);
        for (index, limit) in self.limits.iter().enumerate() {
            if !key_of(limit).is_some_and(Key::is_inventable) {
                continue;
            }
            let is_parent = |other: &&Limit| {
                key_of(other).is_some_and(Key::is_anchored)
                    && other.unit == limit.unit
                    && !other.shadow
                    && (other.covers.is_everything() || other.covers == limit.covers)
            };
            if !self.limits.iter().any(|other| is_parent(&other)) {
                return Err(ConfigError::new(
                    format!("limits[{index}].key"),
                    format!(
                        "a client opens as many sessions and sends what headers it likes: add a \
                         limit on {} that is keyed by \"principal\", \"tenant\" or \"ip\" alone",
                        limit.unit.as_str()
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn check(entry: &LimitConfig, unit: Unit) -> Result<(), ConfigError> {
    let legal = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if !(1..=MAX_NAME).contains(&entry.name.len()) || !entry.name.chars().all(legal) {
        let problem = format!("must be 1 to {MAX_NAME} letters, digits, \"-\" and \"_\"");
        return Err(ConfigError::new("name", problem));
    }
    let mut parts = BTreeSet::new();
    let twice = entry.key.iter().any(|part| !parts.insert(part));
    if !(1..=MAX_PARTS).contains(&entry.key.len()) || twice {
        let problem = format!("must have 1 to {MAX_PARTS} parts, none twice");
        return Err(ConfigError::new("key", problem));
    }
    let amounts = [
        ("limit", Some(entry.limit.0)),
        ("burst", entry.burst.map(|burst| burst.0)),
        ("reserve", entry.reserve.map(|reserve| reserve.0)),
    ];
    for (key, amount) in amounts {
        if amount.is_some_and(|amount| !(1..=MAX_AMOUNT).contains(&amount)) {
            let problem = format!("must be between 1 and {MAX_AMOUNT}");
            return Err(ConfigError::new(key, problem));
        }
    }
    match entry.window {
        None if unit != Unit::Concurrent => {
            return Err(ConfigError::new("window", "is required, as \"1m\" or \"24h\""));
        }
        Some(window) if !(Duration::from_secs(1)..=MAX_WINDOW).contains(&window.0) => {
            return Err(ConfigError::new("window", "must be between \"1s\" and \"32days\""));
        }
        _ => {}
    }
    let bucket = entry.algorithm == AlgorithmName::TokenBucket;
    let wrong = [
        (entry.burst.is_some() && !bucket, "burst", "is for algorithm \"token_bucket\""),
        (
            entry.algorithm != AlgorithmName::default() && unit == Unit::Concurrent,
            "algorithm",
            "is not for unit \"concurrent\", which forgets nothing",
        ),
        (
            entry.reserve.is_some() && !unit.counts_answers(),
            "reserve",
            "is for units that the answer adds to",
        ),
        (
            entry.reserve.is_some_and(|reserve| reserve.0 > entry.limit.0),
            "reserve",
            "must not be more than the limit",
        ),
        (entry.hard && !unit.counts_answers(), "hard", "is for units that the answer adds to"),
        (entry.hard && entry.shadow, "hard", "refuses, and shadow does not"),
    ];
    match wrong.into_iter().find(|(wrong, ..)| *wrong) {
        Some((_, key, problem)) => Err(ConfigError::new(key, problem)),
        None => Ok(()),
    }
}

/// One worker's share of an amount.
pub(super) fn share(amount: u64, workers: u64) -> u64 {
    amount.div_ceil(workers.max(1))
}

/// What makes a counter another one: whatever its state could not be read by.
fn counter(texts: &[&str], owner: Option<&str>, algorithm: Algorithm) -> CounterId {
    let mut hasher = SipHasher24::new();
    texts.hash(&mut hasher);
    if let Some(owner) = owner {
        owner.hash(&mut hasher);
    }
    let (kind, window) = match algorithm {
        Algorithm::FixedWindow { window } => (0_u8, window),
        Algorithm::SlidingWindow { window } => (1, window),
        Algorithm::TokenBucket { window, .. } => (2, window),
        Algorithm::Concurrent { .. } => (3, 0),
    };
    (kind, window).hash(&mut hasher);
    let [first, second, third, fourth, ..] = hasher.finish().to_le_bytes();
    CounterId(u32::from_le_bytes([first, second, third, fourth]))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Amount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number, or its digits in a string")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount(number))
            }

            fn visit_str<E: Error>(self, digits: &str) -> Result<Amount, E> {
                digits.parse().map(Amount).map_err(|_| E::custom("not a whole number"))
            }
        }

        deserializer.deserialize_any(Written)
    }
}
