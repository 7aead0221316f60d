//! What the filter makes of a client's certificate.

use mcp_core::head::Head;
use mcp_core::pipeline::Environment;
use mcp_core::refusal::Refusal;

use super::{Mtls, Source};
use crate::caller::Known;
use crate::filter::AuthFilter;
use crate::token::Reject;

impl AuthFilter {
    /// Who calls without other credentials: whoever has the certificate, if such callers are
    /// configured.
    pub(crate) fn certified(
        &self,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<Known, Refusal> {
        let nobody = |why: &'static str| self.challenger.no_credentials().because(why);
        let mtls = self.mtls.as_ref().ok_or_else(|| nobody("no credentials"))?;
        let certificate = mtls.source().certificate(head, environment)?;
        let certificate = certificate.ok_or_else(|| nobody("no credentials"))?;
        let caller =
            mtls.caller(&certificate).ok_or_else(|| nobody("certificate without principal"))?;
        Ok(Known::without_token(caller, &self.exports))
    }

    /// A token that is bound to a certificate (RFC 8705 §3) is nobody's without it, however often
    /// the token itself was found to hold.
    pub(crate) fn check_binding(
        &self,
        known: &Known,
        head: &Head<'_>,
        environment: &mut dyn Environment,
    ) -> Result<(), Refusal> {
        let Some(digest) = known.certificate else { return Ok(()) };
        let source = self.mtls.as_ref().map_or(Source::Connection, Mtls::source);
        let shown = source.certificate(head, environment)?;
        if shown.and_then(|certificate| certificate.digest) == Some(digest) {
            return Ok(());
        }
        Err(self.rejected(Reject::Certificate))
    }
}
