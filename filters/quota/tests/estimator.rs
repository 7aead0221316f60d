//! The estimator against the real vocabularies, over texts of many kinds.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the same")]
#![expect(clippy::as_conversions, reason = "counts and random numbers are small")]

mod corpus;

use bpe_openai::{Tokenizer, cl100k_base, o200k_base};
use mcp_quota::estimator::tokens;

/// How the estimates of the messages of a kind compare to a vocabulary.
#[derive(Default)]
struct Comparison {
    estimated: f64,
    real: f64,
    /// Messages of more than 200 tokens.
    long: u32,
    /// Of those, estimates within 10 %.
    close: u32,
}

impl Comparison {
    fn of(messages: &[String], vocabulary: &Tokenizer) -> Self {
        let mut comparison = Self::default();
        for message in messages {
            let (estimated, real) = (estimate(message), real(message, vocabulary));
            comparison.estimated += estimated;
            comparison.real += real;
            if real > 200.0 {
                comparison.long += 1;
                comparison.close += u32::from((estimated - real).abs() <= real / 10.0);
            }
        }
        comparison
    }

    fn error(&self) -> f64 {
        self.estimated / self.real - 1.0
    }

    fn share_close(&self) -> f64 {
        f64::from(self.close) / f64::from(self.long)
    }
}

fn estimate(text: &str) -> f64 {
    tokens(text) as f64
}

fn real(text: &str, vocabulary: &Tokenizer) -> f64 {
    vocabulary.count(text) as f64
}

/// The least share of long messages within 10 %. The aim of 95 % is missed where one alphabet, and
/// so one cell, serves many languages of which the vocabulary knows few words; and in Arabic, where
/// most words are several tokens.
fn least_share_close(kind: &str) -> f64 {
    match kind {
        "ar" | "korean" => 0.8,
        "latin" | "scripts" => 0.6,
        "cyrillic" => 0.5,
        _ => 0.95,
    }
}

#[test]
fn estimates_come_close_to_o200k() {
    let mut missed = Vec::new();
    println!("{:20}{:>8}{:>9}{:>8}{:>8}{:>9}", "", "tokens", "error", "close", "long", "cl100k");
    for part in ["train", "heldout"] {
        for kind in corpus::KINDS {
            let messages = corpus::messages(part, kind);
            let compared = Comparison::of(&messages, o200k_base());
            println!(
                "{part:8}{kind:12}{:8}{:+8.1}%{:8}{:8}{:+8.1}%",
                compared.real,
                compared.error() * 100.0,
                compared.close,
                compared.long,
                Comparison::of(&messages, cl100k_base()).error() * 100.0,
            );
            if compared.error().abs() > 0.05 || compared.share_close() < least_share_close(kind) {
                missed.push(format!("{part} {kind}"));
            }
        }
    }
    assert!(missed.is_empty(), "missed: {missed:?}");
}

#[test]
fn no_token_is_longer_than_128_bytes() {
    for vocabulary in [o200k_base(), cl100k_base()] {
        let all = 0..u32::try_from(vocabulary.bpe.num_tokens()).unwrap();
        assert_eq!(all.map(|token| vocabulary.bpe.token_len(token)).max(), Some(128));
    }
}

/// Texts that somebody might write to be charged for less than a model has to read.
fn evasions() -> Vec<(&'static str, String)> {
    let range = |from: char, to: char| (from..=to).collect::<String>();
    let between = |with: &str| {
        let text = "ignore the limits and read all of this";
        text.chars().flat_map(|letter| [letter.to_string(), with.to_owned()]).collect::<String>()
    };
    let scrambled = |alphabet: &str| {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut state = 1_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            letters[state as usize / 7 % letters.len()]
        };
        (0..2000).map(|_| next()).collect::<String>()
    };
    vec![
        ("zero-width spaces", between("\u{200b}")),
        ("zero-width joiners", between("\u{200d}")),
        ("soft hyphens", between("\u{ad}")),
        ("combining marks", between("\u{301}\u{323}")),
        ("marks piled up", range('\u{300}', '\u{36f}').repeat(9)),
        ("variation selectors", range('\u{fe00}', '\u{fe0f}').repeat(9)),
        ("tag characters", range('\u{e0020}', '\u{e007e}').repeat(9)),
        ("private use", range('\u{e000}', '\u{e0ff}')),
        ("private use, plane 15", range('\u{f0000}', '\u{f00ff}')),
        ("not assigned", range('\u{50000}', '\u{500ff}')),
        ("control characters", range('\u{1}', '\u{8}').repeat(50)),
        ("rare Han", range('\u{9000}', '\u{9fff}')),
        ("Han, extension B", range('\u{20000}', '\u{203ff}')),
        ("all Hangul", range('\u{ac00}', '\u{d7a3}')),
        ("Yi", range('\u{a000}', '\u{a48c}')),
        ("cuneiform", range('\u{12000}', '\u{12399}')),
        ("Egyptian", range('\u{13000}', '\u{1342f}')),
        ("Ethiopic", range('\u{1200}', '\u{135a}')),
        ("Cherokee", range('\u{13a0}', '\u{13f5}')),
        ("Tibetan", range('\u{f40}', '\u{fbc}')),
        ("Syriac", range('\u{710}', '\u{74a}')),
        ("mathematical letters", range('\u{1d400}', '\u{1d7ff}')),
        ("fullwidth letters", range('\u{ff01}', '\u{ff5e}').repeat(9)),
        ("circled letters", range('\u{2460}', '\u{24ff}')),
        ("arrows and boxes", range('\u{2190}', '\u{259f}')),
        ("playing cards", range('\u{1f0a0}', '\u{1f0f5}')),
        ("lower case letters", scrambled("abcdefghijklmnopqrstuvwxyz")),
        ("rare lower case letters", scrambled("jqxzvkwp")),
        ("upper case letters", scrambled("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        ("both cases", scrambled("abcdefghijklmABCDEFGHIJKLM")),
        ("marks", scrambled("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")),
        ("letters and marks", scrambled("qzjxQZJX!~^|;`")),
        ("digits and letters", scrambled("0123456789abcdef")),
        ("letters and spaces", scrambled("qzjxv ")),
        ("white space", scrambled(" \t\n\r")),
        ("Arabic letters", scrambled("\u{635}\u{636}\u{637}\u{638}\u{639}\u{63a}\u{641}\u{642}")),
        ("Russian letters", scrambled("щъыэюяжцчшф")),
        ("Latin letters with accents", scrambled("ăąćčđęğīłńňőřśşťůźżžǎǐǒǔ")),
        ("one letter", "a".repeat(4096)),
        ("one mark", "=".repeat(4096)),
        ("one space", " ".repeat(4096)),
        ("kana", scrambled("ぁぃぅぇぉゎゐゑをヰヱヲヴヶヵ")),
    ]
}

#[test]
fn a_text_costs_what_its_halves_cost() {
    for kind in corpus::KINDS {
        for message in corpus::messages("heldout", kind) {
            let middle = message.ceil_char_boundary(message.len() / 2);
            let (left, right) = message.split_at(middle);
            let (whole, halves) = (tokens(&message), tokens(left) + tokens(right));
            assert!(whole.abs_diff(halves) <= 8, "{kind}: {whole} or {halves}: {message}");
        }
    }
}

#[test]
fn nothing_is_free() {
    assert_eq!(tokens(""), 0);
    for character in '\0'..=char::MAX {
        let text = character.to_string();
        assert!(tokens(&text) >= 1, "{character:?}");
    }
}

/// How many times as many tokens as estimated a text may be.
const EVASION: f64 = 2.0;

#[test]
fn no_text_is_much_more_than_estimated() {
    let mut evading = Vec::new();
    for (name, text) in evasions() {
        let times = real(&text, o200k_base()) / estimate(&text);
        println!("{name:28}{times:5.2}");
        if times > EVASION {
            evading.push(name);
        }
    }
    assert!(evading.is_empty(), "{evading:?}");
}
