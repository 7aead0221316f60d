//! Who is calling, and may they: an OAuth 2.1 resource server and API-key gate for MCP.
//!
//! `token` judges a JWT against an issuer's rules; `keys` reads JWK sets; `api_key` knows callers by
//! a shared key; `rules` decides by method, tool and scope; `metadata` and `challenge` tell OAuth
//! clients where to turn.

pub mod api_key;
mod caller;
mod certificate;
pub mod challenge;
mod config;
mod filter;
mod introspection;
mod issuer;
mod json;
pub mod keys;
pub mod metadata;
#[cfg(test)]
mod rfc_keys;
mod route;
pub mod rules;
pub mod scope;
pub mod token;

pub use config::plan;
pub use filter::AuthFilter;
