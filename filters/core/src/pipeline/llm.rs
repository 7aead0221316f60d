//! Requests to models: which model, and may they.

use super::{
    Addressee, Call, Environment, Exchange, Filter, LLM_METHOD, Pipeline, Step, Traffic, unread,
};
use crate::head::Head;
use crate::json::{self, Kind, Reader};
use crate::limits::{MAX_JSON_DEPTH, MAX_NAME};
use crate::refusal::{Reason, Refusal};
use crate::version::Era;

impl<F: Filter> Pipeline<F> {
    /// A request to a model, whose body was read if it is JSON. What a model makes of a body is its
    /// own affair, so one that is no JSON goes on as well.
    pub(super) fn prompt(
        &self,
        exchange: &mut Exchange<F>,
        model: Option<String>,
        body: Option<&[u8]>,
        environment: &mut dyn Environment,
    ) -> Step<F::Ticket> {
        let in_body = body.map_or(Ok(None), model_in_body);
        let model = model.or_else(|| in_body.clone().ok()?);
        let call = Call {
            traffic: Traffic::Llm,
            method: Some(LLM_METHOD),
            name: model.as_deref(),
            body,
            ..unread(Era::Modern)
        };
        if let Err(refusal) = in_body {
            return self.refuse(exchange, &refusal, Addressee::Unknown, &call);
        }
        self.authorize(exchange, &call, None, environment)
            .unwrap_or_else(|refusal| self.refuse(exchange, &refusal, Addressee::Unknown, &call))
    }
}

/// The model that a path names, as Gemini's do: `/v1beta/models/NAME:generateContent`.
pub(super) fn model_in_path(head: &Head<'_>) -> Option<String> {
    let path = core::str::from_utf8(head.first(":path")?).ok()?;
    let path = path.split(['?', '#']).next()?;
    let (_, name) = path.split_once("/models/")?;
    let (name, _) = name.split_once(':')?;
    named(name)
}

/// The member `model` of a body, if it is a JSON object.
///
/// # Errors
/// If it is there more than once: rules would judge one, and the model be another.
fn model_in_body(body: &[u8]) -> Result<Option<String>, Refusal> {
    let (mut model, mut members) = (None, 0_usize);
    let Ok(mut reader) = Reader::new(body, MAX_JSON_DEPTH) else { return Ok(None) };
    let read: Result<(), json::Error> = reader.object(|reader, key| {
        if key != "model" {
            return reader.skip().map(drop);
        }
        members = members.saturating_add(1);
        if reader.kind()? == Kind::String {
            model = named(&reader.string()?);
            return Ok(());
        }
        reader.skip().map(drop)
    });
    if members > 1 {
        let twice = "Invalid request: model is given more than once";
        return Err(Refusal::new(Reason::InvalidRequest).saying(twice));
    }
    Ok(read.ok().and(model))
}

fn named(name: &str) -> Option<String> {
    (1..=MAX_NAME).contains(&name.len()).then(|| name.to_owned())
}
