//! Who is calling, and may they: an OAuth 2.1 resource server and API-key gate for MCP.
//!
//! `token` judges a JWT against an issuer's rules; `keys` reads JWK sets; `api_key` knows callers by
//! a shared key; `rules` decides by method, tool and scope; `metadata` and `challenge` tell OAuth
//! clients where to turn.

pub mod api_key;
pub mod challenge;
mod config;
mod filter;
mod issuer;
mod json;
pub mod keys;
pub mod metadata;
pub mod rules;
pub mod scope;
pub mod token;

pub use config::plan;
pub use filter::AuthFilter;
