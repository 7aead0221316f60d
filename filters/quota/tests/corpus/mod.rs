//! Texts of many kinds; `README.md` says where they come from.

use std::fs;
use std::path::Path;

/// The kinds that the estimator must know, and after them others that it meets.
pub(crate) const KINDS: [&str; 13] = [
    "prose", "code", "json", "logs", "zh", "ja", "ar", "emoji", "base64", "latin", "cyrillic",
    "korean", "scripts",
];

/// A message ends with the line that makes it as long, in bytes.
const MESSAGE: usize = 2000;

/// The texts of a kind, cut into messages.
pub(crate) fn messages(part: &str, kind: &str) -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = fs::read_to_string(corpus.join(part).join(kind).with_extension("txt")).unwrap();
    text.split("\n\x0c\n").flat_map(|document| cut(document.trim_end())).collect()
}

fn cut(document: &str) -> Vec<String> {
    let mut messages = vec![String::new()];
    for line in document.split_inclusive('\n') {
        if messages.last().unwrap().len() > MESSAGE {
            messages.push(String::new());
        }
        messages.last_mut().unwrap().push_str(line);
    }
    messages
}
