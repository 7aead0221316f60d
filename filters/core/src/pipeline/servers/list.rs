//! The `servers` list: each entry's sections are laid over those of the top level by JSON Merge Patch
//! (RFC 7396), and what comes out is the configuration of one server.
//!
//! It is read once: `cold` keeps the code small.

use serde::de::DeserializeOwned;

use super::{Filter, Pipeline, Server, Servers};
use crate::config::{self, ConfigError};
use crate::edit::HeaderValue;
use crate::json::{self, patch};
use crate::limits::{MAX_SERVER_NAME, MAX_SERVERS};

/// A chain ready to run, or one for each server, with what the operator should know of how.
#[derive(Debug)]
pub struct Plan<F> {
    /// The chain, or chains.
    pub servers: Servers<F>,
    /// One log line each, written at start.
    pub notices: Vec<String>,
}

/// An entry of the list, as filters may want to know of it.
#[derive(Debug)]
pub struct Listed {
    name: String,
    /// Its whole configuration.
    merged: String,
    /// What all have in common.
    common: String,
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
        return Ok(Plan { servers: pipeline.into(), notices });
    };
    let mut servers: Vec<Server<F>> = Vec::with_capacity(entries.len());
    let mut notices: Vec<(String, Vec<String>)> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let place = format!("servers[{index}]");
        let (listed, own) = Listed::of(&entry, &common).map_err(|error| error.within(&place))?;
        let name = HeaderValue::plain(listed.name.clone());
        if servers.iter().any(|server| server.name == name) {
            return Err(ConfigError::new(format!("{place}.name"), "is another server's"));
        }
        let built = config::parse(listed.merged.as_bytes())
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
        servers: Servers { first, others: servers.collect() },
        notices: notices.into_iter().map(said_of).collect(),
    })
}

impl Listed {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has at this path of keys, and what the top level has there, to the letter.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> (Option<&str>, Option<&str>) {
        (find(&self.merged, path), find(&self.common, path))
    }

    /// The entry, and the sections that it writes itself.
    #[cold]
    fn of(entry: &str, common: &str) -> Result<(Self, String), ConfigError> {
        let members = patch::members(entry).map_err(|error| unreadable(&error))?;
        let mut own = members.unwrap_or_default();
        let mut take = |key: &str| {
            let index = own.iter().position(|(known, _)| known == key)?;
            Some(own.remove(index).1)
        };
        let name: Option<String> = take("name").and_then(|name| serde_json::from_str(name).ok());
        let Some(name) = name.filter(|name| is_name(name)) else {
            let problem = format!(
                "is required: 1 to {MAX_SERVER_NAME} letters, digits, \".\", \"-\" and \"_\""
            );
            return Err(ConfigError::new("name", problem));
        };
        let place: Vec<_> = PLACE.iter().filter_map(|key| Some((*key, take(key)?))).collect();
        let is_empty =
            |list: &str| patch::elements(list).is_ok_and(|list| list == Some(Vec::new()));
        if place.iter().all(|(_, list)| is_empty(list)) {
            let problem = "is required, unless hosts are given: which requests are this server's";
            return Err(ConfigError::new("paths", problem));
        }
        let own = patch::object(&own);
        refuse_place(&own)?;
        let place = patch::object(&[("admission", patch::object(&place))]);
        let merged = patch::merge(common, &own).and_then(|merged| patch::merge(&merged, &place));
        let merged = merged.map_err(|error| unreadable(&error))?;
        Ok((Self { name, merged, common: common.to_owned() }, own))
    }
}

/// The top level without the list, and the list. `None` if there is none, or the text is no object,
/// which its reader finds out.
#[cold]
fn split(text: &[u8]) -> Result<Option<(String, Vec<String>)>, ConfigError> {
    let text = core::str::from_utf8(text).unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    let members = patch::members(text).map_err(|error| {
        let read = text.bytes().take(error.offset);
        let line = read.filter(|byte| *byte == b'\n').count().saturating_add(1);
        ConfigError::new("configuration", format!("{} at line {line}", error.syntax))
    })?;
    let Some(mut common) = members else { return Ok(None) };
    let Some(index) = common.iter().position(|(key, _)| key == "servers") else { return Ok(None) };
    let (_, list) = common.remove(index);
    let Some(entries) = patch::elements(list).ok().flatten().filter(|l| l.len() <= MAX_SERVERS)
    else {
        let problem = format!("must be a list of at most {MAX_SERVERS} objects");
        return Err(ConfigError::new("servers", problem));
    };
    let common = patch::object(&common);
    refuse_place(&common)?;
    Ok(Some((common, entries.into_iter().map(str::to_owned).collect())))
}

/// Hosts and paths are those of the entries, and of nothing else.
#[cold]
fn refuse_place(sections: &str) -> Result<(), ConfigError> {
    match PLACE.iter().find(|key| find(sections, &["admission", key]).is_some()) {
        Some(key) => {
            let problem = format!("is not for a list of servers: each of them has its own {key}");
            Err(ConfigError::new(format!("admission.{key}"), problem))
        }
        None => Ok(()),
    }
}

fn unreadable(error: &json::Error) -> ConfigError {
    ConfigError::new("configuration", error.to_string())
}

/// The value at this path of keys, to the letter.
#[cold]
fn find<'a>(text: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(text, |text, key| {
        let members = patch::members(text).ok()??;
        members.into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
    })
}

fn is_name(name: &str) -> bool {
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=MAX_SERVER_NAME).contains(&name.len()) && name.chars().all(legal)
}

/// The error where it was written: in the entry at `place`, in its `own` sections or beside them, or
/// at the top level.
#[cold]
fn blame(error: ConfigError, place: &str, own: &str, common: &str) -> ConfigError {
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
#[cold]
fn holds(sections: &str, path: &str) -> bool {
    let mut text = sections;
    for key in path.split(['.', '[']) {
        if !text.starts_with('{') {
            return true;
        }
        match find(text, &[key]) {
            Some(value) => text = value,
            None => return false,
        }
    }
    true
}
