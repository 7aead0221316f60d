//! Ending an event stream that passes untouched: when its time is up, and between two events.
//!
//! Nothing is held and nothing is read, but for the last bytes of each chunk: whether an event ends
//! with them. One that is under way when the time is up goes on to its end, since a client would take
//! what it has of it for all; if that end does not come, the host cuts the stream off.

use crate::rewrite::event;

/// One stream on its way.
#[derive(Debug)]
pub struct Cutoff {
    /// The last bytes that passed.
    tail: [u8; 3],
    /// Whether nothing can be said in it, as in one that is compressed.
    mute: bool,
    ended: bool,
}

impl Cutoff {
    /// A stream at its beginning; in one that is `mute` nothing can be said.
    #[must_use]
    pub const fn new(mute: bool) -> Self {
        Self { tail: *b"\n\n\n", mute, ended: false }
    }

    /// These bytes go on as they are.
    pub fn pass(&mut self, chunk: &[u8]) {
        for byte in chunk.get(chunk.len().saturating_sub(3)..).unwrap_or_default() {
            self.add(*byte);
        }
    }

    /// The time is up: returns what goes on in place of these bytes, `messages` among it if the
    /// stream ends here.
    pub fn end(&mut self, chunk: &[u8], messages: impl FnOnce() -> Vec<Vec<u8>>) -> Vec<u8> {
        if self.ended {
            return Vec::new();
        }
        let mut out = Vec::new();
        for byte in chunk {
            if self.mute || self.is_between_events() {
                break;
            }
            out.push(*byte);
            self.add(*byte);
        }
        self.ended = self.mute || self.is_between_events();
        if self.ended && !self.mute {
            out.extend(messages().iter().flat_map(|message| event(message)));
        }
        out
    }

    /// Whether the stream was ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether an empty line was the last that passed. Lines end with CR, LF or both (WHATWG HTML,
    /// "Server-sent events").
    const fn is_between_events(&self) -> bool {
        matches!(
            self.tail,
            [_, b'\n', b'\n' | b'\r'] | [_, b'\r', b'\r'] | [b'\n' | b'\r', b'\r', b'\n']
        )
    }

    const fn add(&mut self, byte: u8) {
        let [_, second, third] = self.tail;
        self.tail = [second, third, byte];
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const BYE: &[u8] = b"event: message\ndata: bye\n\n";

    /// What goes on of `after`, in chunks of `size` bytes, in a stream whose time was up after `before`.
    fn ended(before: &[u8], after: &[u8], size: usize, mute: bool) -> Vec<u8> {
        let mut cutoff = Cutoff::new(mute);
        before.chunks(size).for_each(|chunk| cutoff.pass(chunk));
        let end = |chunk: &[u8]| cutoff.end(chunk, || vec![b"bye".to_vec()]);
        after.chunks(size).flat_map(end).collect()
    }

    #[test]
    fn a_stream_ends_between_events_however_lines_end() {
        for feed in ["\n", "\r", "\r\n"] {
            let text = |text: &str| text.replace('\n', feed).into_bytes();
            let cases = [
                ("", "data: x\n\n", ""),
                ("data: x\n\n", "data: y\n\n", ""),
                (": hello\ndata: x\n\n", "\n", ""),
                ("data: x\nda", "ta: y\n\ndata: z\n\n", "ta: y\n\n"),
                ("data: x\n", "\ndata: y\n\n", "\n"),
                ("data: x", "y\nid: 1\n\nz", "y\nid: 1\n\n"),
            ];
            for (before, after, goes_on) in cases {
                let mut goes_on = text(goes_on);
                // The CR is a line's end already, and the LF that would follow says nothing.
                if feed == "\r\n" {
                    goes_on.pop();
                }
                for size in 1..=12 {
                    let out = ended(&text(before), &text(after), size, false);
                    let expected = [&goes_on, BYE].concat();
                    assert_eq!(out, expected, "{before:?} {after:?} {feed:?} {size}");
                }
            }
        }
    }

    #[test]
    fn an_event_that_never_ends_goes_on_until_the_host_cuts_it_off() {
        assert_eq!(ended(b"data: x", b"yz", 1, false), b"yz");
        let mut cutoff = Cutoff::new(false);
        cutoff.pass(b"data: x");
        assert_eq!(cutoff.end(b"y", Vec::new), b"y");
        assert!(!cutoff.has_ended());
        assert_eq!(cutoff.end(b"\n\nz", Vec::new), b"\n\n");
        assert!(cutoff.has_ended());
        assert_eq!(cutoff.end(b"z", Vec::new), b"");
    }

    #[test]
    fn a_mute_stream_ends_at_once_and_without_a_word() {
        assert_eq!(ended(b"data: x", b"y\n\n", 2, true), b"");
    }
}
