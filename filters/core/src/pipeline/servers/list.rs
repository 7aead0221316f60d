//! The `servers` list: each entry's sections are laid over those of the top level by JSON Merge Patch
//! (RFC 7396), and what comes out is the configuration of one server.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Filter, Pipeline, Server, Servers};
use crate::config::{self, ConfigError};
use crate::edit::HeaderValue;
use crate::limits::{MAX_SERVERS, MAX_SERVER_NAME};
use crate::pipeline::Plan;

/// An entry of the list, as filters may want to know of it.
#[derive(Debug)]
pub struct Listed {
    name: String,
    /// Its whole configuration.
    merged: Value,
    /// What all have in common.
    common: Value,
}

/// The members of an entry that are no sections.
const PLACE: [&str; 2] = ["hosts", "paths"];

/// Makes a plan of a configuration: `build` makes a pipeline of what is written for one server, and
/// says what an operator should know of it.
///
/// # Errors
/// The first key that is wrong.
pub fn plan<C: DeserializeOwned, F: Filter>(
    text: &[u8],
    build: impl Fn(C, Option<&Listed>) -> Result<(Pipeline<F>, Vec<String>), ConfigError>,
) -> Result<Plan<F>, ConfigError> {
    let Some((common, entries)) = split(text)? else {
        let (pipeline, notices) = build(config::parse(text)?, None)?;
        return Ok(Plan { pipeline: pipeline.into(), notices });
    };
    let mut servers: Vec<Server<F>> = Vec::with_capacity(entries.len());
    let mut notices: Vec<(String, Vec<String>)> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let place = format!("servers[{index}]");
        let (listed, own) = Listed::of(entry, &common).map_err(|error| error.within(&place))?;
        let name = HeaderValue::plain(listed.name.clone());
        if servers.iter().any(|server| server.name == name) {
            return Err(ConfigError::new(format!("{place}.name"), "is another server's"));
        }
        let built = config::parse(listed.merged.to_string().as_bytes())
            .and_then(|sections| build(sections, Some(&listed)));
        let (pipeline, told) = built.map_err(|error| blame(error, &place, &own, &common))?;
        let admission = pipeline.admission();
        if let Some(earlier) = servers.iter().find(|s| s.pipeline.admission().contains(admission)) {
            let earlier = earlier.name.as_ref().map_or("", HeaderValue::as_str);
            let problem = format!("gets no request: all are those of \"{earlier}\" before it");
            return Err(ConfigError::new(place, problem));
        }
        for notice in told {
            match notices.iter_mut().find(|(known, _)| *known == notice) {
                Some((_, names)) => names.push(listed.name.clone()),
                None => notices.push((notice, vec![listed.name.clone()])),
            }
        }
        servers.push(Server { name, pipeline });
    }
    let all = servers.len();
    let mut servers = servers.into_iter();
    let Some(first) = servers.next() else {
        return Err(ConfigError::new("servers", "must have an entry, or be left out"));
    };
    let said_of = |(notice, names): (String, Vec<String>)| {
        if names.len() == all { notice } else { format!("{}: {notice}", names.join(", ")) }
    };
    Ok(Plan {
        pipeline: Servers { first, others: servers.collect() },
        notices: notices.into_iter().map(said_of).collect(),
    })
}

impl Listed {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether what it has at `pointer` (RFC 6901) is what the top level has there; with `element`,
    /// whether that element of its list is one of the top level's list.
    #[must_use]
    pub fn inherits(&self, pointer: &str, element: Option<usize>) -> bool {
        let (own, common) = (self.merged.pointer(pointer), self.common.pointer(pointer));
        let Some(element) = element else { return own == common };
        let own = own.and_then(|list| list.get(element));
        let common = common.and_then(Value::as_array);
        own.zip(common).is_some_and(|(own, common)| common.contains(own))
    }

    /// The entry, and the sections that it writes itself.
    fn of(entry: Value, common: &Value) -> Result<(Self, Value), ConfigError> {
        let Value::Object(mut own) = entry else {
            return Err(ConfigError::new("name", "is required, in an object"));
        };
        let name = match own.remove("name") {
            Some(Value::String(name)) if is_name(&name) => name,
            _ => {
                let problem = format!(
                    "is required: 1 to {MAX_SERVER_NAME} letters, digits, \".\", \"-\" and \"_\""
                );
                return Err(ConfigError::new("name", problem));
            }
        };
        let place: Map<String, Value> =
            PLACE.iter().filter_map(|key| own.remove_entry(*key)).collect();
        if place.values().all(|list| list.as_array().is_some_and(Vec::is_empty)) {
            let problem = "is required, unless hosts are given: which requests are this server's";
            return Err(ConfigError::new("paths", problem));
        }
        let own = Value::Object(own);
        refuse_place(&own)?;
        let mut merged = common.clone();
        json_patch::merge(&mut merged, &own);
        json_patch::merge(&mut merged, &serde_json::json!({ "admission": place }));
        Ok((Self { name, merged, common: common.clone() }, own))
    }
}

/// The top level without the list, and the list. `None` if there is none, or the text is no object,
/// which its reader finds out.
fn split(text: &[u8]) -> Result<Option<(Value, Vec<Value>)>, ConfigError> {
    let Ok(Value::Object(mut common)) = serde_json::from_slice(text) else { return Ok(None) };
    let entries = match common.remove("servers") {
        None => return Ok(None),
        Some(Value::Array(entries)) if entries.len() <= MAX_SERVERS => entries,
        Some(_) => {
            let problem = format!("must be a list of at most {MAX_SERVERS} objects");
            return Err(ConfigError::new("servers", problem));
        }
    };
    let common = Value::Object(common);
    refuse_place(&common)?;
    Ok(Some((common, entries)))
}

/// Hosts and paths are those of the entries, and of nothing else.
fn refuse_place(sections: &Value) -> Result<(), ConfigError> {
    let admission = sections.get("admission");
    match PLACE.iter().find(|key| admission.is_some_and(|section| section.get(key).is_some())) {
        Some(key) => {
            let problem = format!("is not for a list of servers: each of them has its own {key}");
            Err(ConfigError::new(format!("admission.{key}"), problem))
        }
        None => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=MAX_SERVER_NAME).contains(&name.len()) && name.chars().all(legal)
}

/// The error where it was written: in the entry at `place`, in its `own` sections or beside them, or
/// at the top level.
fn blame(error: ConfigError, place: &str, own: &Value, common: &Value) -> ConfigError {
    let ConfigError { path, problem } = error;
    // Of the merged text, which nobody wrote.
    let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
    let is_place = |rest: &&str| PLACE.iter().any(|key| rest.starts_with(key));
    let path = match path.strip_prefix("admission.").filter(is_place) {
        Some(rest) => format!("{place}.{rest}"),
        None if !holds(own, &path) && holds(common, &path) => path,
        None => format!("{place}.{path}"),
    };
    ConfigError { path, problem }
}

/// Whether `sections` have what is at `path`, as far as objects go.
fn holds(sections: &Value, path: &str) -> bool {
    let mut value = sections;
    for key in path.split(['.', '[']) {
        let Value::Object(members) = value else { return true };
        match members.get(key) {
            Some(member) => value = member,
            None => return false,
        }
    }
    true
}
