//! Exchange files: traffic, what may come of it, and how the host is set up, as text that reads
//! like HTTP. The README describes the format.

mod check;
mod failure;
mod message;
mod parse;
mod report;
mod run;
mod subject;
mod template;

pub use failure::{Failure, Unmet};
pub use parse::SyntaxError;
pub use report::{ExchangeReport, Report};
pub use run::{run_file, run_text};
