//! The command as a shell sees it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn api_key(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-harness"))
        .arg("api-key")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // It may end before it has read everything, or anything.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// The hash that tests/modules/auth/api-keys.exchange has for this key.
const KEY: &str = "planted-api-key";
const HASH: &str = "sha256:b356e2bc34ad425bd015347d8c95c8aa6dcaa16432149da6aa0245ff9eccf5d0\n";

#[test]
fn a_key_is_hashed_without_the_end_of_its_line() {
    for end in ["", "\n", "\r\n"] {
        let output = api_key(&["--stdin"], format!("{KEY}{end}").as_bytes());
        assert!(output.status.success(), "{end:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), HASH, "{end:?}");
    }
    let longest = "k".repeat(512);
    assert!(api_key(&["--stdin"], format!("{longest}\r\n").as_bytes()).status.success());
}

#[test]
fn what_no_header_carries_as_it_is_is_no_key_and_is_not_repeated() {
    let long = "planted".repeat(100);
    let inputs = ["", "\n", "planted key", "planted\n\n", "planted\nplanted\n", "plantéd", &long];
    for input in inputs {
        let output = api_key(&["--stdin"], input.as_bytes());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{input:?}");
        assert!(text(&output.stderr).contains("one line of 1 to 512"), "{input:?}");
        assert!(!text(&output.stderr).contains("plant"), "{input:?}");
    }
}

#[test]
fn a_new_key_comes_with_its_hash_and_never_twice() {
    let made: Vec<(String, String)> = (0..2)
        .map(|_| {
            let output = api_key(&[], b"");
            let (key, hash) = text(&output.stdout).split_once('\n').expect("two lines");
            (key.to_owned(), hash.to_owned())
        })
        .collect();
    for (key, hash) in &made {
        assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        assert_eq!(text(&api_key(&["--stdin"], key.as_bytes()).stdout), hash);
    }
    assert_ne!(made[0].0, made[1].0);
}

#[test]
fn a_key_is_no_argument() {
    assert_eq!(api_key(&[KEY], b"").status.code(), Some(2));
}
