//! From the text of an exchange file to steps; see the crate's README for the format.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Test;
use super::message::Message;
use super::subject::{Subject, word};
use super::template::{Template, is_name};
use crate::options::FailurePolicy;
use crate::profile::Profile;

/// A file that does not follow the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {problem}", file.display())]
pub struct SyntaxError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// A line's number and the profile it is for, if not for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) only: Option<Profile>,
}

impl At {
    pub(super) fn applies(self, profile: Profile) -> bool {
        self.only.is_none_or(|only| only == profile)
    }
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Step {
    Set(At, Setting),
    Advance(At, Duration),
    Worker(At, usize),
    Service(At, String, Answer),
    Refused(At, Template),
    Exchange(Box<ExchangeStep>),
}

/// How the next host is set up.
#[derive(Debug)]
pub(super) enum Setting {
    Configuration(Template),
    ConfigurationFile(PathBuf),
    Workers(usize),
    Clock(Duration),
    Seed(u64),
    FailurePolicy(FailurePolicy),
    StopIteration(bool),
    Foreign(String, Template),
    Property(String, Template),
}

/// A scripted answer of a service.
#[derive(Debug)]
pub(super) enum Answer {
    Respond(Duration, Option<Message>),
    Fail(Duration),
    Silence,
}

#[derive(Debug)]
pub(super) struct ExchangeStep {
    pub(super) title: String,
    pub(super) request: Message,
    pub(super) response: Option<Message>,
    pub(super) properties: Vec<(At, String, Template)>,
    pub(super) answered_before: bool,
    /// The client goes away after so many chunks of the response.
    pub(super) abort_after: Option<usize>,
    pub(super) checks: Vec<Check>,
    pub(super) captures: Vec<Capture>,
}

#[derive(Debug)]
pub(super) struct Check {
    pub(super) at: At,
    pub(super) text: String,
    pub(super) subject: Subject,
    pub(super) test: Test,
}

/// Takes a value, or the first group of a pattern in it.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) at: At,
    pub(super) name: String,
    pub(super) subject: Subject,
    pub(super) pattern: Option<regex::bytes::Regex>,
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// The one profile the file is for, if not for all.
    pub(super) only: Option<Profile>,
}

impl Script {
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, SyntaxError> {
        let mut parser = Parser {
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
            lines: text.lines().enumerate().map(|(n, line)| (n + 1, line)).collect(),
            next: 0,
            title: None,
            script: Self { steps: Vec::new(), only: None },
        };
        while let Some(&(line, text)) = parser.lines.get(parser.next) {
            parser.statement(text).map_err(|(inner, problem)| SyntaxError {
                file: file.to_owned(),
                line: inner.unwrap_or(line),
                problem,
            })?;
        }
        Ok(parser.script)
    }
}

struct Parser<'t> {
    folder: PathBuf,
    lines: Vec<(usize, &'t str)>,
    next: usize,
    title: Option<String>,
    script: Script,
}

/// A problem, and its line where that is not the statement's.
type Problem = (Option<usize>, String);

impl<'t> Parser<'t> {
    /// Parses the statement at the next line, which it moves on.
    fn statement(&mut self, text: &'t str) -> Result<(), Problem> {
        let line = self.lines[self.next].0;
        if text.starts_with(['>', '<']) {
            return self.message(text);
        }
        self.next += 1;
        if let Some(title) = text.strip_prefix("## ") {
            self.title = Some(title.trim().to_owned());
            return Ok(());
        }
        if text.trim().is_empty() || text.starts_with('#') {
            return Ok(());
        }
        if text.starts_with(char::is_whitespace) {
            return Err((None, "an indented line that continues nothing".to_owned()));
        }
        let (first, rest) = word(text);
        let (only, text) = match first {
            "on" => {
                let (name, rest) = word(rest);
                (Some(name.parse::<Profile>().map_err(|problem| (None, problem))?), rest)
            }
            _ => (None, text.trim()),
        };
        self.word_statement(At { line, only }, text)
    }

    fn word_statement(&mut self, at: At, text: &'t str) -> Result<(), Problem> {
        let (keyword, rest) = word(text);
        let plain = |problem: String| (None, problem);
        let step = match keyword {
            "only" => {
                self.script.only = Some(rest.parse().map_err(plain)?);
                return Ok(());
            }
            "expect" if word(rest).0 == "refused" => {
                Step::Refused(at, Template::parse(word(rest).1).map_err(plain)?)
            }
            "expect" | "capture" | "client" | "answered-before" => {
                return self.exchange_statement(at, text).map_err(plain);
            }
            "property" => return self.property(at, rest).map_err(plain),
            "advance" => Step::Advance(at, duration(rest).map_err(plain)?),
            "worker" => Step::Worker(at, count(rest).map_err(plain)? - 1),
            "service" => {
                let (name, rest) = word(rest);
                Step::Service(at, name.to_owned(), self.answer(rest)?)
            }
            _ => Step::Set(at, self.setting(text).map_err(plain)?),
        };
        self.script.steps.push(step);
        Ok(())
    }

    fn setting(&mut self, text: &'t str) -> Result<Setting, String> {
        let (keyword, rest) = word(text);
        Ok(match keyword {
            "config:" | "config" if rest.is_empty() => {
                let block: Vec<&str> =
                    self.take_while(|line| line.starts_with([' ', '\t']) || line.is_empty());
                Setting::Configuration(Template::parse(block.join("\n").trim())?)
            }
            "config:" | "config" if rest.starts_with('{') => {
                Setting::Configuration(Template::parse(rest)?)
            }
            "config:" | "config" => Setting::ConfigurationFile(self.folder.join(rest)),
            "workers" => Setting::Workers(count(rest)?),
            "clock" => Setting::Clock(Duration::from_secs(
                rest.parse().map_err(|_| "clock wants seconds since the Unix epoch")?,
            )),
            "seed" => Setting::Seed(rest.parse().map_err(|_| "seed wants a number")?),
            "failure-policy" => Setting::FailurePolicy(match rest {
                "closed" => FailurePolicy::FailClosed,
                "reload" => FailurePolicy::FailReload,
                "open" => FailurePolicy::FailOpen,
                _ => return Err("failure-policy is closed, reload or open".to_owned()),
            }),
            "allow-on-headers-stop-iteration" => Setting::StopIteration(match rest {
                "yes" => true,
                "no" => false,
                _ => return Err("allow-on-headers-stop-iteration is yes or no".to_owned()),
            }),
            "foreign" => {
                let (name, value) = assignment(rest)?;
                Setting::Foreign(name.to_owned(), Template::parse(value)?)
            }
            other => {
                return Err(format!(
                    "\"{other}\" begins no statement; statements begin with: >, <, #, on, only, \
                     config, workers, clock, seed, failure-policy, \
                     allow-on-headers-stop-iteration, foreign, property, service, advance, \
                     worker, expect, capture, client, answered-before"
                ));
            }
        })
    }

    /// A property of the exchange before it, or, before any exchange, of all.
    fn property(&mut self, at: At, text: &str) -> Result<(), String> {
        let (name, value) = assignment(text)?;
        let value = Template::parse(value)?;
        match self.script.steps.last_mut() {
            Some(Step::Exchange(exchange)) => {
                exchange.properties.push((at, name.to_owned(), value));
            }
            _ => {
                let setting = Setting::Property(name.to_owned(), value);
                self.script.steps.push(Step::Set(at, setting));
            }
        }
        Ok(())
    }

    /// A statement about the exchange before it.
    fn exchange_statement(&mut self, at: At, text: &str) -> Result<(), String> {
        let Some(Step::Exchange(exchange)) = self.script.steps.last_mut() else {
            return Err(format!("\"{}\" belongs after a request", word(text).0));
        };
        let (keyword, rest) = word(text);
        match keyword {
            "answered-before" => exchange.answered_before = true,
            "client" => {
                exchange.abort_after = Some(match rest {
                    "aborts" => 0,
                    _ => count(rest.strip_prefix("aborts after chunk").unwrap_or(""))
                        .map_err(|_| "client aborts [after chunk N]")?,
                });
            }
            "capture" => {
                let (name, source) = assignment(rest)?;
                if !is_name(name) {
                    return Err(format!("\"{name}\" is no name for a captured value"));
                }
                let (subject, rest) = Subject::parse(source)?;
                let pattern = match rest.strip_prefix("matches ") {
                    None if rest.is_empty() => None,
                    None => return Err("capture NAME = SUBJECT [matches REGEX]".to_owned()),
                    Some(pattern) => {
                        Some(regex::bytes::Regex::new(pattern).map_err(|error| error.to_string())?)
                    }
                };
                let name = name.to_owned();
                exchange.captures.push(Capture { at, name, subject, pattern });
            }
            _ => {
                let (subject, rest) = Subject::parse(rest)?;
                let test = match subject {
                    Subject::Outcome if !rest.starts_with('=') => Test::Is(Template::parse(rest)?),
                    _ => Test::parse(rest)?,
                };
                exchange.checks.push(Check { at, text: text.to_owned(), subject, test });
            }
        }
        Ok(())
    }

    /// A request begins an exchange; a response belongs to the one before it.
    fn message(&mut self, text: &str) -> Result<(), Problem> {
        let sign = if text.starts_with('>') { '>' } else { '<' };
        let message = self.take_message(sign)?;
        if sign == '>' {
            let number = 1 + self
                .script
                .steps
                .iter()
                .filter(|step| matches!(step, Step::Exchange(_)))
                .count();
            let title = self.title.take().unwrap_or_else(|| format!("exchange {number}"));
            self.script.steps.push(Step::Exchange(Box::new(ExchangeStep {
                title,
                request: message,
                response: None,
                properties: Vec::new(),
                answered_before: false,
                abort_after: None,
                checks: Vec::new(),
                captures: Vec::new(),
            })));
            return Ok(());
        }
        match self.script.steps.last_mut() {
            Some(Step::Exchange(exchange)) if exchange.response.is_none() => {
                exchange.response = Some(message);
                Ok(())
            }
            Some(Step::Exchange(_)) => {
                Err((Some(message.line), "a second response to one request".to_owned()))
            }
            _ => Err((Some(message.line), "a response without a request before it".to_owned())),
        }
    }

    fn take_message(&mut self, sign: char) -> Result<Message, Problem> {
        let from = self.next;
        let texts = self.take_while(|line| line.starts_with(sign));
        let lines: Vec<(usize, &str)> = (from..)
            .map(|index| self.lines[index].0)
            .zip(texts.into_iter().map(|text| &text[1..]))
            .collect();
        Message::parse(sign, &lines).map_err(|(line, problem)| (Some(line), problem))
    }

    /// `[after DURATION]` and a response below, `fails [after DURATION]`, or `silent`.
    fn answer(&mut self, text: &str) -> Result<Answer, Problem> {
        let plain = |problem: String| (None, problem);
        let (first, rest) = word(text);
        Ok(match first {
            "silent" => Answer::Silence,
            "fails" => Answer::Fail(delay(rest).map_err(plain)?),
            _ => {
                let after = delay(text).map_err(plain)?;
                let follows = self.lines.get(self.next).is_some_and(|(_, l)| l.starts_with('<'));
                let message = if follows { Some(self.take_message('<')?) } else { None };
                Answer::Respond(after, message)
            }
        })
    }

    fn take_while(&mut self, belongs: impl Fn(&str) -> bool) -> Vec<&'t str> {
        let rest = &self.lines[self.next..];
        let taken: Vec<&str> =
            rest.iter().map(|(_, line)| *line).take_while(|line| belongs(line)).collect();
        self.next += taken.len();
        taken
    }
}

/// How long a service takes unless told otherwise.
const SERVICE_DELAY: Duration = Duration::from_millis(1);

fn delay(text: &str) -> Result<Duration, String> {
    match word(text) {
        ("", _) => Ok(SERVICE_DELAY),
        ("after", time) => duration(time),
        _ => Err("service NAME [after DURATION] | fails [after DURATION] | silent".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("\"{text}\": {error}"))
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("\"{text}\" is no number from 1 up"))
}

fn assignment(text: &str) -> Result<(&str, &str), String> {
    let (name, value) = text.split_once('=').ok_or("NAME = VALUE")?;
    Ok((name.trim(), value.trim()))
}
