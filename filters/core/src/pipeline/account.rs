//! What is told of an exchange once it is over, where somebody wants to know.

use super::{Call, Ending, Environment, Report, Traffic};

/// An exchange that went upstream, as far as it came. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What was decided of it.
    pub report: Report,
    /// Whose protocol it spoke.
    pub traffic: Traffic,
    /// The model asked, of a request to one. A client chose this text.
    pub model: Option<String>,
    /// Status of the answer, once there was one.
    pub status: Option<u16>,
    /// From when the request went upstream to the end of the answer, on a host with a clock.
    pub duration: Option<u64>,
    /// How it ended.
    pub ending: Ending,
    /// Bytes of the request's body, if it was read.
    pub request_bytes: Option<usize>,
    /// Bytes of the answer's body, as the upstream sent them.
    pub response_bytes: u64,
    /// What it cost.
    pub spent: Spent,
    since: Option<u64>,
}

/// What an exchange cost, as far as a filter counted it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens that a model read and wrote.
    pub tokens: Option<(u64, u64)>,
    /// Units charged, by the name of the limit.
    pub charged: Vec<(String, u64)>,
}

/// The error types of answers; a server chooses the status, so any other is [`OTHER`].
const STATUSES: [(u16, &str); 16] = [
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// OpenTelemetry's word for an error of another type.
const OTHER: &str = "_OTHER";

impl Account {
    /// Of a call that goes upstream now.
    pub(super) fn begin(
        report: Report,
        call: &Call<'_>,
        environment: &mut dyn Environment,
    ) -> Self {
        let model = call.name.filter(|_| call.traffic == Traffic::Llm).map(str::to_owned);
        Self {
            report,
            traffic: call.traffic,
            model,
            status: None,
            duration: None,
            ending: Ending::Cut,
            request_bytes: call.body.map(<[u8]>::len),
            response_bytes: 0,
            spent: Spent::default(),
            since: environment.milliseconds(),
        }
    }

    /// Bytes of the answer's body arrived.
    pub(super) fn passed(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.response_bytes = self.response_bytes.saturating_add(bytes);
    }

    /// It is over now.
    pub(super) fn close(
        &mut self,
        ending: Ending,
        spent: Spent,
        environment: &mut dyn Environment,
    ) {
        self.ending = ending;
        self.spent = spent;
        let now = self.since.and_then(|_| environment.milliseconds());
        self.duration = now.zip(self.since).map(|(now, since)| now.saturating_sub(since));
    }

    /// What went wrong with it upstream, in one of few words. That an answer broke off after it
    /// began is not among them: many clients leave as soon as they have what they asked for.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        match self.status {
            Some(status) if status >= 400 => {
                let known = STATUSES.iter().find(|(known, _)| *known == status);
                Some(known.map_or(OTHER, |(_, word)| word))
            }
            Some(_) => None,
            None => Some("no_answer"),
        }
    }
}

#[cfg(test)]
mod tests;
