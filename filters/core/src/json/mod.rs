//! A strict pull reader of JSON text (RFC 8259) that builds no tree.
//!
//! The caller walks the objects it cares about and skips the rest; what is skipped is still checked
//! against the whole grammar. Time is linear in the text, nesting is bounded, nothing recurses into
//! what is skipped, and memory is allocated only for strings that contain escapes.
//!
//! ```
//! use mcp_core::json::Reader;
//!
//! let mut reader = Reader::new(br#"{"a": [1, 2], "b": "\u0063"}"#, 32)?;
//! let mut b = None;
//! reader.object(|reader, key| {
//!     if key == "b" { b = Some(reader.string()?) } else { reader.skip()?; }
//!     Ok(())
//! })?;
//! reader.finish()?;
//! assert_eq!(b.as_deref(), Some("c"));
//! # Ok::<(), mcp_core::json::Error>(())
//! ```

mod error;
mod keys;
mod number;
pub(crate) mod patch;
mod reader;
mod skip;
mod string;

pub use error::{Error, Syntax};
pub use keys::{Keys, Spelling, look_alike};
pub use reader::{Kind, Reader};
