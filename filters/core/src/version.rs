//! The protocol revisions of MCP as an enumerated set, and the two eras they fall into.
//!
//! Versions look like dates but are compared as a set: an unknown string is neither older nor newer
//! than a known one (<https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning>).

use core::fmt;

/// A revision of the protocol this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// HTTP+SSE: two endpoints.
    V2024_11_05,
    /// Streamable HTTP; the only revision with batches; also what an absent version header means.
    V2025_03_26,
    /// The `MCP-Protocol-Version` header; no batches.
    V2025_06_18,
    /// Resumption of any stream.
    V2025_11_25,
    /// No handshake, no sessions: every request carries its version, in header and body.
    V2026_07_28,
}

/// How a request is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Opened by `initialize`; sessions; 2024-11-05 to 2025-11-25.
    Legacy,
    /// Self-contained requests with mirrored headers; from 2026-07-28.
    Modern,
}

impl Version {
    /// Every known revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The revision of exactly this name.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str().as_bytes() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era the revision belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// Whether a POST may carry a JSON-RPC batch: 2025-03-26 alone says so.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }
}

impl Era {
    /// `legacy` or `modern`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a request's `MCP-Protocol-Version` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// No such header: legal before 2025-06-18 and on `initialize`.
    Absent,
    /// One of the enumerated set.
    Known(Version),
    /// Anything else: read as a modern request for a version nobody here supports.
    Unknown,
}

impl Claim {
    /// Reads the header's value.
    #[must_use]
    pub fn parse(header: Option<&[u8]>) -> Self {
        match header {
            None => Self::Absent,
            Some(value) => Version::parse(value).map_or(Self::Unknown, Self::Known),
        }
    }

    /// The era a request with this header is in.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::Absent => Era::Legacy,
            Self::Known(version) => version.era(),
            Self::Unknown => Era::Modern,
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_version_parses_back_from_its_name() {
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str().as_bytes()), Some(version));
        }
    }

    #[test]
    fn the_era_follows_the_set_and_not_the_alphabet() {
        let cases: [(Option<&[u8]>, Era); 7] = [
            (None, Era::Legacy),
            (Some(b"2024-11-05"), Era::Legacy),
            (Some(b"2025-11-25"), Era::Legacy),
            (Some(b"2026-07-28"), Era::Modern),
            (Some(b"2025-11-26"), Era::Modern),
            (Some(b"1999-01-01"), Era::Modern),
            (Some(b"\xff"), Era::Modern),
        ];
        for (header, era) in cases {
            assert_eq!(Claim::parse(header).era(), era, "{header:?}");
        }
    }
}
