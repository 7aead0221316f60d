//! Who is calling, and may they: an OAuth 2.1 resource server and API-key gate for MCP.
//!
//! `token` judges a JWT against an issuer's rules; `keys` reads JWK sets; `api_key` knows callers by
//! a shared key; `rules` decides by method, tool and scope, and `list_filter` shows no more than that;
//! `metadata` and `challenge` tell OAuth clients where to turn.

pub mod api_key;
pub mod challenge;
mod config;
mod filter;
mod issuer;
mod json;
pub mod keys;
mod list_filter;
pub mod metadata;
#[cfg(test)]
mod rfc_keys;
pub mod rules;
pub mod scope;
pub mod token;

pub use config::plan;
pub use filter::AuthFilter;
