//! Runs a parsed exchange file on a host and judges its expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::failure::{Failure, Unmet};
use super::parse::{Answer, At, Capture, ExchangeStep, Script, Setting, Step, SyntaxError};
use super::report::{ExchangeReport, Report};
use super::template::{Captures, Template};
use crate::exchange::{Exchange, Outcome, Request, Response, Transcript};
use crate::host::Host;
use crate::module::Module;
use crate::options::Options;
use crate::profile::Profile;
use crate::services::ServiceAnswer;

/// Runs an exchange file on a host profile. `configuration` is used where the file names none.
///
/// # Errors
/// [`Failure`] when the file cannot be used, or its expectations are not met.
pub fn run_file(
    path: &Path,
    module: &Module,
    configuration: Option<&[u8]>,
    profile: Profile,
) -> Result<Report, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Read { path: path.to_owned(), error })?;
    run_text(path, &text, module, configuration, profile)
}

/// As [`run_file`], for a text at hand; `file` is its name in messages, and where it looks for
/// files that it names.
///
/// # Errors
/// As [`run_file`].
pub fn run_text(
    file: &Path,
    text: &str,
    module: &Module,
    configuration: Option<&[u8]>,
    profile: Profile,
) -> Result<Report, Failure> {
    let script = Script::parse(file, text)?;
    let skipped = script.only.is_some_and(|only| only != profile);
    let mut runner = Runner {
        file,
        module,
        profile,
        options: Options {
            configuration: configuration.unwrap_or_default().to_vec(),
            ..Options::default()
        },
        host: None,
        worker: 0,
        properties: BTreeMap::new(),
        captures: Captures::new(),
        scripted: BTreeSet::new(),
        unmet: Vec::new(),
        report: Report { file: file.to_owned(), profile, skipped, exchanges: Vec::new() },
    };
    for step in script.steps.iter().take_while(|_| !skipped) {
        runner.step(step)?;
    }
    match runner.unmet {
        unmet if unmet.is_empty() => Ok(runner.report),
        unmet => Err(Failure::Unmet { unmet, report: runner.report }),
    }
}

struct Runner<'r> {
    file: &'r Path,
    module: &'r Module,
    profile: Profile,
    options: Options,
    host: Option<Host>,
    worker: usize,
    /// Properties of every exchange.
    properties: BTreeMap<String, Vec<u8>>,
    captures: Captures,
    /// Services whose script began anew since the last exchange.
    scripted: BTreeSet<String>,
    unmet: Vec<Unmet>,
    report: Report,
}

/// How long a module may take to hand its counts over: where metrics are expected, so much time
/// passes after the exchange.
const METRICS_WITHIN: Duration = Duration::from_secs(1);

impl Runner<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Exchange(exchange) => self.exchange(exchange),
            Step::Set(at, _)
            | Step::Advance(at, _)
            | Step::Worker(at, _)
            | Step::Service(at, ..)
            | Step::Refused(at, _)
                if !at.applies(self.profile) =>
            {
                Ok(())
            }
            Step::Set(at, setting) => self.set(*at, setting),
            Step::Advance(at, by) => {
                self.scripted.clear();
                self.host(at.line)?.advance(*by);
                Ok(())
            }
            Step::Worker(at, worker) if *worker >= self.options.workers => {
                let workers = self.options.workers;
                Err(malformed(self.file, at.line, format!("there are {workers} workers")))
            }
            Step::Worker(_, worker) => {
                self.worker = *worker;
                Ok(())
            }
            Step::Service(at, name, answer) => self.service(*at, name, answer),
            Step::Refused(at, text) => self.refused(*at, text),
        }
    }

    /// A setting after an exchange means a fresh host; captured values stay.
    fn set(&mut self, at: At, setting: &Setting) -> Result<(), Failure> {
        let file = self.file;
        let options = &mut self.options;
        let fill = |template: &Template, captures: &Captures| {
            template.fill(captures).map_err(|problem| malformed(file, at.line, problem))
        };
        match setting {
            Setting::Configuration(text) => options.configuration = fill(text, &self.captures)?,
            Setting::ConfigurationFile(path) => {
                options.configuration = std::fs::read(path)
                    .map_err(|error| Failure::Read { path: path.clone(), error })?;
            }
            Setting::Workers(workers) => options.workers = *workers,
            Setting::Clock(start) => options.start = *start,
            Setting::Seed(seed) => options.seed = *seed,
            Setting::FailurePolicy(policy) => options.envoy.failure_policy = *policy,
            Setting::StopIteration(allowed) => {
                options.envoy.allow_on_headers_stop_iteration = *allowed
            }
            Setting::Foreign(name, value) => {
                let value = fill(value, &self.captures)?;
                options.foreign_functions.insert(name.clone().into_bytes(), value);
            }
            Setting::Property(name, value) => {
                self.properties.insert(name.clone(), fill(value, &self.captures)?);
                return Ok(());
            }
        }
        self.host = None;
        self.worker = 0;
        Ok(())
    }

    fn service(&mut self, at: At, name: &str, answer: &Answer) -> Result<(), Failure> {
        let answer = match answer {
            Answer::Silence => ServiceAnswer::Silence,
            Answer::Fail(after) => ServiceAnswer::Fail { after: *after },
            Answer::Respond(after, message) => {
                let response = match message {
                    Some(message) => {
                        message
                            .response(&self.captures)
                            .map_err(|problem| malformed(self.file, message.line, problem))?
                            .0
                    }
                    None => Response::new(200),
                };
                ServiceAnswer::Respond {
                    after: *after,
                    status: response.status,
                    body: response.whole_body(),
                    headers: response.headers,
                }
            }
        };
        let answers = self.options.services.entry(name.as_bytes().to_vec()).or_default();
        if self.scripted.insert(name.to_owned()) {
            answers.clear();
        }
        answers.push(answer);
        let answers = answers.clone();
        if self.host.is_some() {
            self.host(at.line)?.script_service(name.as_bytes(), answers);
        }
        Ok(())
    }

    /// Envoy refuses a configuration when it loads the module, APISIX at the first request.
    fn refused(&mut self, at: At, text: &Template) -> Result<(), Failure> {
        let wanted = text.fill_text(&self.captures);
        let wanted = wanted.map_err(|problem| malformed(self.file, at.line, problem))?;
        let refusal = match self.host(at.line) {
            Err(Failure::Load { error, .. }) => Ok(error.to_string()),
            Err(other) => return Err(other),
            Ok(host) => {
                let probe = host.exchange(0, &Exchange::new(Request::new("GET", "/")));
                let lines: String =
                    probe.log.iter().map(|line| format!("\n         {}", line.text)).collect();
                match &probe.outcome {
                    outcome @ Outcome::HostReplied { .. } => Ok(format!("{outcome}{lines}")),
                    outcome => Err(format!("not refused; a request was {outcome}{lines}")),
                }
            }
        };
        let difference = match refusal {
            Err(difference) => difference,
            Ok(refusal) if refusal.contains(&wanted) => return Ok(()),
            Ok(refusal) => format!("expected to contain {wanted}\n     got {refusal}"),
        };
        self.miss(at, "configuration", &format!("expect refused {wanted}"), difference);
        Ok(())
    }

    fn exchange(&mut self, step: &ExchangeStep) -> Result<(), Failure> {
        self.scripted.clear();
        let line = step.request.line;
        let (request, sent) = step
            .request
            .request(&self.captures)
            .map_err(|problem| malformed(self.file, line, problem))?;
        let (response, answered) = match &step.response {
            Some(message) => message
                .response(&self.captures)
                .map_err(|problem| malformed(self.file, message.line, problem))?,
            None => (Response::new(200), Vec::new()),
        };
        let mut exchange = Exchange::with(request, response);
        exchange.properties = self.properties_of(step)?;
        exchange.answered_before = step.answered_before;
        let wants_metrics = step
            .checks
            .iter()
            .any(|check| check.at.applies(self.profile) && check.subject.is_metric());
        let worker = self.worker;
        let host = self.host(line)?;
        let id = host.open(worker, &exchange);
        for (index, (after, chunk)) in sent.iter().enumerate() {
            host.advance(*after);
            let end = exchange.request.trailers.is_empty() && index + 1 == sent.len();
            host.request_body(id, chunk, end);
        }
        host.request_trailers(id, &exchange.request.trailers);
        if step.abort_after == Some(0) {
            host.abort(id);
        } else if host.wait_for_upstream(id) {
            host.response_head(id, &exchange.response);
            for (index, (after, chunk)) in answered.iter().enumerate() {
                host.advance(*after);
                let end = exchange.response.trailers.is_empty() && index + 1 == answered.len();
                host.response_body(id, chunk, end);
                if step.abort_after == Some(index + 1) {
                    host.abort(id);
                }
            }
            host.response_trailers(id, &exchange.response.trailers);
        }
        let mut transcript = host.finish(id);
        if wants_metrics {
            host.advance(METRICS_WITHIN);
            transcript.metrics = host.metrics();
        }
        self.judge(step, &exchange, &transcript);
        let title = step.title.clone();
        self.report.exchanges.push(ExchangeReport { title, line, exchange, transcript });
        Ok(())
    }

    fn properties_of(&self, step: &ExchangeStep) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Failure> {
        let mut all = self.properties.clone();
        for (at, name, value) in step.properties.iter().filter(|(at, ..)| at.applies(self.profile))
        {
            let value = value.fill(&self.captures);
            all.insert(
                name.clone(),
                value.map_err(|problem| malformed(self.file, at.line, problem))?,
            );
        }
        // Envoy's attribute paths are written with dots; nginx variables have none.
        let path = |name: String| match self.profile {
            Profile::Envoy => name.replace('.', "\0").into_bytes(),
            Profile::Apisix => name.into_bytes(),
        };
        Ok(all.into_iter().map(|(name, value)| (path(name), value)).collect())
    }

    fn judge(&mut self, step: &ExchangeStep, exchange: &Exchange, transcript: &Transcript) {
        let applying: Vec<_> =
            step.checks.iter().filter(|check| check.at.applies(self.profile)).collect();
        for check in &applying {
            let verdict = check.test.judge(&check.subject, exchange, transcript, &self.captures);
            if let Err(difference) = verdict {
                self.miss(check.at, &step.title, &check.text, difference);
            }
        }
        let outcome_expected =
            applying.iter().any(|check| check.text.starts_with("expect outcome"));
        let went_well = matches!(
            transcript.outcome,
            Outcome::Proxied | Outcome::Replied | Outcome::HostReplied { .. } | Outcome::Aborted
        );
        if !outcome_expected && !went_well {
            let at = At { line: step.request.line, only: None };
            let difference = format!("got {}", transcript.outcome);
            self.miss(at, &step.title, "the exchange ends well", difference);
        }
        let profile = self.profile;
        for capture in step.captures.iter().filter(|capture| capture.at.applies(profile)) {
            match captured(capture, transcript) {
                Some(value) => drop(self.captures.insert(capture.name.clone(), value)),
                None => {
                    let text = format!("capture {}", capture.name);
                    self.miss(capture.at, &step.title, &text, "there is no such value".to_owned());
                }
            }
        }
    }

    fn miss(&mut self, at: At, title: &str, expectation: &str, difference: String) {
        self.unmet.push(Unmet {
            file: self.file.to_owned(),
            line: at.line,
            profile: self.profile,
            title: title.to_owned(),
            expectation: expectation.to_owned(),
            difference,
        });
    }

    fn host(&mut self, line: usize) -> Result<&mut Host, Failure> {
        if self.host.is_none() {
            let host = Host::new(self.module, self.profile, self.options.clone());
            let file = self.file.to_owned();
            self.host = Some(host.map_err(|error| Failure::Load { file, line, error })?);
        }
        Ok(self.host.as_mut().expect("set above"))
    }
}

fn malformed(file: &Path, line: usize, problem: String) -> Failure {
    Failure::Malformed(SyntaxError { file: file.to_owned(), line, problem })
}

fn captured(capture: &Capture, transcript: &Transcript) -> Option<Vec<u8>> {
    let value = capture.subject.bytes(transcript)?;
    let Some(pattern) = &capture.pattern else { return Some(value) };
    let found = pattern.captures(&value)?;
    let part = found.get(1).or(found.get(0))?;
    Some(part.as_bytes().to_vec())
}
