//! Exchange files: traffic, what may come of it, and how the host is set up, as text that reads
//! like HTTP. The README describes the format.

mod check;
mod message;
mod parse;
mod report;
mod run;
mod subject;
mod template;

pub use parse::SyntaxError;
pub use report::{ExchangeReport, Report};
pub use run::{Failure, Unmet, run_file, run_text};
