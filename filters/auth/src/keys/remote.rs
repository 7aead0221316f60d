//! Keys at a service: a source, the calls it wants made, and what other workers know.

use core::cell::RefCell;

use mcp_core::pipeline::{Environment, HttpAnswer, HttpCall};

use super::jwk_set::KeySet;
use super::shared::{Claim, SharedKeys};
use super::source::{Answer, Decision, Progress, Request, Source};

/// One issuer's keys, and how to get them.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    source: RefCell<Source>,
    service: Service,
    /// Whether a request may wait for another's call.
    wakes: bool,
    shared: Option<SharedKeys>,
}

/// Who has the keys.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    /// In milliseconds.
    pub(super) timeout: u32,
}

/// What came of looking for keys.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// What follows from them.
    Keys(T),
    /// Ask for this document, then look again.
    Ask(Request),
    /// It is being asked for: look again once it came.
    Wait,
    /// There are none before so many seconds have passed.
    Unavailable(u64),
}

impl RemoteKeys {
    pub(super) fn new(
        source: Source,
        service: Service,
        wakes: bool,
        shared: Option<SharedKeys>,
    ) -> Self {
        Self { source: RefCell::new(source), service, wakes, shared }
    }

    /// Changes whenever the keys do.
    pub(crate) fn generation(&self) -> u64 {
        self.source.borrow().generation()
    }

    /// Looks for keys to judge a token by that names `kid`, and judges by them.
    pub(crate) fn find<T>(
        &self,
        kid: Option<&str>,
        now: u64,
        environment: &mut dyn Environment,
        judge: impl Fn(&KeySet) -> T,
    ) -> Found<T> {
        let mut source = self.source.borrow_mut();
        // Once by what is known here, once more by what another worker knew.
        for _ in 0..2 {
            let request = match source.decide(now, kid) {
                Decision::Use(keys) => return Found::Keys(judge(keys)),
                Decision::Refresh(_, request) | Decision::Fetch(request) => request,
                Decision::Wait { .. } if self.wakes => return Found::Wait,
                Decision::Wait { retry_after } | Decision::Unavailable { retry_after } => {
                    return Found::Unavailable(retry_after);
                }
            };
            match self.claim(&mut source, now, environment) {
                Claim::Granted => return Found::Ask(request),
                Claim::Adopted => {}
                Claim::Taken => return Found::Wait,
            }
        }
        Found::Wait
    }

    /// The document to ask for without waiting for a token, if the keys are due.
    pub(crate) fn due(&self, now: u64, environment: &mut dyn Environment) -> Option<Request> {
        let mut source = self.source.borrow_mut();
        let request = source.due(now)?;
        (self.claim(&mut source, now, environment) == Claim::Granted).then_some(request)
    }

    /// The call that asks for `request`.
    pub(crate) fn call(&self, request: &Request) -> HttpCall {
        HttpCall {
            service: self.service.name.clone(),
            scheme: self.service.scheme,
            authority: self.service.authority.clone(),
            path: request.path.clone(),
            form: None,
            timeout: self.service.timeout,
        }
    }

    /// Stores what the answer to `request` brought.
    ///
    /// # Errors
    /// What is wrong with it, in a word.
    pub(crate) fn answered(
        &self,
        request: &Request,
        answer: &HttpAnswer<'_>,
        environment: &mut dyn Environment,
    ) -> Result<(), &'static str> {
        let jitter = jitter(environment);
        let now = environment.now().unwrap_or_default();
        let mut source = self.source.borrow_mut();
        let progress = match answer.status {
            None => {
                source.failed(now, jitter);
                Err("no answer")
            }
            Some(status) => {
                let HttpAnswer { content_type, body, .. } = *answer;
                let answer = Answer { status, content_type, body };
                source.fetched(now, request, &answer, jitter).map_err(|error| error.as_str())
            }
        };
        match (&self.shared, &progress) {
            (Some(shared), Ok(Progress::Keys(_))) => {
                shared.publish(Some((answer.body, now)), environment);
            }
            (Some(shared), Err(_)) => shared.publish(None, environment),
            (Some(_), Ok(Progress::Located)) | (None, _) => {}
        }
        progress.map(drop)
    }

    /// Whether this worker makes the call that the source just began.
    fn claim(&self, source: &mut Source, now: u64, environment: &mut dyn Environment) -> Claim {
        let Some(shared) = &self.shared else { return Claim::Granted };
        let jitter = jitter(environment);
        let claim = shared.claim(now, environment, |keys, since| {
            source.since() < since && source.adopt(keys, since, jitter).is_ok()
        });
        if claim != Claim::Granted {
            source.call_off();
        }
        claim
    }
}

fn jitter(environment: &mut dyn Environment) -> u64 {
    let mut random = [0; 8];
    environment.randomize(&mut random);
    u64::from_le_bytes(random)
}
