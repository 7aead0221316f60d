//! Which of the headers that filters own are written: each is a call to the host, and takes memory for
//! as long as its stream is open.

use crate::edit::Edit;
use crate::owned;

/// The names under which configurations know them, and the headers.
const NAMES: [(&str, &str); 10] = [
    ("affinity", owned::AFFINITY),
    ("agent", owned::AGENT),
    ("era", owned::ERA),
    ("method", owned::METHOD),
    ("name", owned::NAME),
    ("principal", owned::PRINCIPAL),
    ("scopes", owned::SCOPES),
    ("server", owned::SERVER),
    ("session", owned::SESSION),
    ("tenant", owned::TENANT),
];

/// All of them, or those that a configuration lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Exports {
    unwanted: Vec<&'static str>,
}

impl Exports {
    /// Those of the list.
    ///
    /// # Errors
    /// The index of the first name that is not one of theirs, and what is allowed.
    pub(crate) fn of(list: &[String]) -> Result<Self, (usize, String)> {
        let known = |name: &String| NAMES.iter().any(|(known, _)| known == name);
        if let Some(index) = list.iter().position(|name| !known(name)) {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            return Err((index, format!("must be one of {}", names.join(", "))));
        }
        let unwanted = |(name, _): &&(&str, &str)| !list.iter().any(|listed| listed == name);
        Ok(Self { unwanted: NAMES.iter().filter(unwanted).map(|(_, header)| *header).collect() })
    }

    /// Whether this change is made: any but one that writes a header which is not wanted.
    pub(crate) fn allow(&self, edit: &Edit) -> bool {
        !matches!(edit, Edit::Set(name, _) if self.unwanted.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::edit::HeaderValue;

    fn set(name: &'static str) -> Edit {
        Edit::Set(name.into(), HeaderValue::from_static("a"))
    }

    #[test]
    fn a_header_that_is_not_listed_is_not_written() {
        let exports = Exports::of(&["method".into(), "tenant".into()]).expect("known names");
        for (_, header) in NAMES {
            let listed = [owned::METHOD, owned::TENANT].contains(&header);
            assert_eq!(exports.allow(&set(header)), listed, "{header}");
            assert!(Exports::default().allow(&set(header)), "{header}");
            assert!(exports.allow(&Edit::Remove(header.into())), "{header}");
        }
        assert!(exports.allow(&set("x-tool")));
        assert!(!Exports::of(&[]).expect("nothing is wrong").allow(&set(owned::ERA)));
    }

    #[test]
    fn an_unknown_name_is_refused_by_its_place() {
        let error = Exports::of(&["era".into(), "x-mcp-era".into()]).expect_err("unknown");
        assert_eq!(error.0, 1);
        assert!(error.1.contains("\"tenant\""), "{}", error.1);
    }
}
