//! Why an exchange file did not pass.

use std::fmt;
use std::path::PathBuf;

use super::parse::SyntaxError;
use super::report::Report;
use crate::module::LoadError;
use crate::profile::Profile;

/// Why a file did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file does not follow the format.
    #[error(transparent)]
    Malformed(#[from] SyntaxError),
    /// The module does not load, or refuses its configuration, and that was not expected.
    #[error("{}:{line}: {error}", file.display())]
    Load {
        /// The file.
        file: PathBuf,
        /// The line that needed the host.
        line: usize,
        /// Why it did not come up.
        error: LoadError,
    },
    /// Expectations are not met.
    #[error("{}", unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unmet {
        /// Each of them.
        unmet: Vec<Unmet>,
        /// What happened all the same.
        report: Report,
    },
}

/// An expectation that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The file.
    pub file: PathBuf,
    /// The line of the expectation.
    pub line: usize,
    /// The host the file ran on.
    pub profile: Profile,
    /// The exchange's title.
    pub title: String,
    /// The expectation as written.
    pub expectation: String,
    /// What was expected and what was seen.
    pub difference: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, profile, title, expectation, difference } = self;
        write!(
            f,
            "{}:{line}: on {profile}, {title}: {expectation}\n     {difference}",
            file.display()
        )
    }
}
