//! Who is calling, and may they: an OAuth 2.1 resource server and API-key gate for MCP.
//!
//! `token` judges a JWT against an issuer's rules; `keys` reads JWK sets; `introspection` asks an
//! issuer about other tokens, and `route` tells which are; `api_key` knows callers by a shared key,
//! `certificate` by that of their connection; `caller` is who they say it is, and `exports` what the
//! upstream learns of that; `rules` and `judge` decide by method, tool and scope; `answers` and
//! `list_filter` see to what comes back; `metadata` and `challenge` tell OAuth clients where to turn.

mod answers;
pub mod api_key;
mod caller;
mod certificate;
pub mod challenge;
mod claim_headers;
mod config;
mod exports;
mod filter;
mod introspection;
mod issuer;
mod json;
mod judge;
pub mod keys;
mod list_filter;
pub mod metadata;
mod route;
pub mod rules;
pub mod scope;
pub mod token;

pub use config::plan;
pub use filter::AuthFilter;
