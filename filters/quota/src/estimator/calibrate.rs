//! Counts the costs over the training part of the corpus. To write them anew:
//! `cargo test --release -p mcp-quota --lib calibrate::write -- --ignored`

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]
#![expect(clippy::as_conversions, reason = "counts and code points are small")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use bpe_openai::{Tokenizer, o200k_base};

use super::class::{Class, Sign};
use super::rows::{ROWS, Rows};
use super::run::RUNS;
use super::walk::{Cell, Walk};
use super::{FREE, TOKEN, WIDE_STEP, wide};

#[path = "../../tests/corpus/mod.rs"]
mod corpus;

const COSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/estimator/costs.rs");
/// So many characters with the cost of their like, a cell is taken to have seen besides its own.
const PRIOR: f64 = 1.5;
/// The same, of characters that cost what they do alone: what is rare must not seem cheap.
const ALONE: f64 = 2.0;

#[test]
fn the_costs_are_those_of_the_corpus() {
    assert!(fs::read_to_string(COSTS).unwrap() == source(), "write them anew: see the module");
}

#[test]
#[ignore = "changes the source"]
fn write() {
    fs::write(COSTS, source()).unwrap();
}

/// How many characters were seen in each cell, and how many tokens began with them.
struct Tally {
    seen: Vec<f64>,
    begun: Vec<f64>,
    cost: Vec<f64>,
}

impl Tally {
    fn new(cells: usize) -> Self {
        Self { seen: vec![0.0; cells], begun: vec![0.0; cells], cost: vec![0.0; cells] }
    }

    fn add(&mut self, cell: usize, weight: f64, begun: u32) {
        self.seen[cell] += weight;
        self.begun[cell] += weight * f64::from(begun);
    }

    /// What a character costs in these cells, if `weight` more cost `prior`.
    fn mean(&self, cells: impl Iterator<Item = usize>, prior: f64, weight: f64) -> f64 {
        let (mut begun, mut seen) = (prior * weight, weight);
        for cell in cells {
            begun += self.begun[cell];
            seen += self.seen[cell];
        }
        begun / seen
    }

    fn settle(&mut self, cell: usize, prior: f64) {
        self.cost[cell] = self.mean(cell..=cell, prior, PRIOR);
    }

    /// Makes the cells together cost what was counted: a prior shifts what it smooths.
    fn scale(&mut self, cells: Range<usize>) {
        let begun: f64 = self.begun[cells.clone()].iter().sum();
        for _ in 0..3 {
            let cost: f64 = cells.clone().map(|cell| self.cost[cell] * self.seen[cell]).sum();
            for cell in cells.clone().filter(|_| begun > 0.0) {
                self.cost[cell] = (self.cost[cell] * begun / cost).min(1.0);
            }
        }
    }
}

fn source() -> String {
    let tokenizer = o200k_base();
    let mut narrow = Tally::new(usize::from(ROWS) * Sign::NUMBERS);
    let mut wide = Tally::new(wide::CELLS);
    for kind in corpus::KINDS.into_iter().chain(["scrambled"]) {
        let weight = weight(kind);
        for message in corpus::messages("train", kind) {
            let mut walk = Walk::new();
            for (character, begun) in message.chars().zip(begun(tokenizer, &message)) {
                match walk.step(character) {
                    Cell::Narrow(cell) => narrow.add(cell, weight, begun),
                    Cell::Wide(cell) => wide.add(cell, weight, begun),
                }
            }
        }
    }
    settle_narrow(&mut narrow);
    settle_wide(&mut wide, tokenizer);
    let step = TOKEN as f64;
    format!(
        "//! What characters cost, as `calibrate` writes it: a cell a byte, from `#` for nothing.\n\n\
         pub(super) static NARROW: &[u8] = b\"\\\n{}\";\n\n\
         pub(super) static WIDE: &[u8] = b\"\\\n{}\";\n",
        literal(&narrow.cost, step),
        literal(&wide.cost, step / WIDE_STEP as f64),
    )
}

/// What a character of a kind counts. English is most of what is written in ASCII, and its words are
/// cheaper than others; what is scrambled is rare, but must not be free.
fn weight(kind: &str) -> f64 {
    match kind {
        "latin" => 0.25,
        "scrambled" => 0.15,
        _ => 1.0,
    }
}

/// How many tokens begin with each character. The last of several spaces belongs to the word behind
/// it: the walk does not know that it is the last until it sees that word.
fn begun(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut at = vec![0; text.len()];
    let mut start = 0;
    for token in tokenizer.encode(text) {
        at[start] += 1;
        start += tokenizer.bpe.token_len(token);
    }
    let mut begun: Vec<u32> = text
        .char_indices()
        .map(|(start, character)| at[start..start + character.len_utf8()].iter().sum())
        .collect();
    let characters: Vec<char> = text.chars().collect();
    for (index, window) in characters.windows(3).enumerate() {
        if window[0].is_whitespace() && window[1] == ' ' && window[2].is_ascii_graphic() {
            begun[index + 2] += std::mem::take(&mut begun[index + 1]);
        }
    }
    begun
}

fn settle_narrow(tally: &mut Tally) {
    let classes = [Class::Digit, Class::Lower, Class::Mark, Class::Space, Class::Upper];
    let groups: BTreeMap<u16, Rows> = RUNS
        .iter()
        .flat_map(|run| classes.map(|class| run.then(class).1))
        .map(|rows| (rows.first, rows))
        .collect();
    for rows in groups.into_values() {
        let cells =
            usize::from(rows.first) * Sign::NUMBERS..usize::from(rows.end()) * Sign::NUMBERS;
        let all = tally.mean(cells.clone(), 0.5, 2.0);
        for column in 0..Sign::NUMBERS {
            let column = || cells.clone().skip(column).step_by(Sign::NUMBERS);
            let mean = tally.mean(column(), all, PRIOR);
            column().for_each(|cell| tally.settle(cell, mean));
        }
        tally.scale(cells);
    }
}

fn settle_wide(tally: &mut Tally, tokenizer: &Tokenizer) {
    let alone = |character: char| tokenizer.count(character.to_string().as_str()) as f64;
    let mut rows: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut han: BTreeMap<u32, Vec<(usize, f64)>> = BTreeMap::new();
    for character in ('\0'..='\u{ffff}').chain('\u{1f000}'..='\u{203ff}') {
        let cell = wide::Before::SPACE.cell(character as usize);
        if wide::HAN.contains(&(character as usize)) {
            let rank = rank(tokenizer, character);
            han.entry(rank).or_default().push((cell, alone(character)));
        } else {
            rows.entry(cell).or_default().push(alone(character));
        }
    }
    for (first, costs) in rows {
        let cells = first..first + wide::PLACES;
        let alone = costs.iter().sum::<f64>() / costs.len() as f64;
        let mean = tally.mean(cells.clone(), alone, ALONE);
        cells.for_each(|cell| tally.settle(cell, mean));
    }
    for like in han.into_values() {
        let mean = tally.mean(like.iter().map(|(cell, _)| *cell), like[0].1, ALONE);
        like.iter().for_each(|(cell, _)| tally.settle(*cell, mean));
    }
    settle_pairs(tally);
}

/// Han characters are alike if they are as many tokens, and their token has as long a number: the
/// more common one is, the shorter is its own and the more words there are in which it costs less.
fn rank(tokenizer: &Tokenizer, character: char) -> u32 {
    match tokenizer.encode(character.to_string().as_str())[..] {
        [token] => token.ilog2(),
        ref tokens => 100 + tokens.len() as u32,
    }
}

fn settle_pairs(tally: &mut Tally) {
    for pairs in wide::Pairs::ALL {
        let cells = pairs.cells();
        for letter in 0..wide::LETTERS {
            let column = || cells.clone().skip(letter).step_by(wide::LETTERS);
            let alone = tally.cost[wide::Before::ASCII.cell(pairs.first + letter)];
            let mean = tally.mean(column(), alone, ALONE);
            column().for_each(|cell| tally.settle(cell, mean));
        }
        tally.scale(cells);
    }
}

/// The costs as a literal of bytes, which must not have a backslash in it.
fn literal(costs: &[f64], token: f64) -> String {
    let level = |cost: &f64| match FREE + (cost * token).round().clamp(0.0, 91.0) as u8 {
        b'\\' => ']',
        level => char::from(level),
    };
    let lines = costs.chunks(96).map(|line| line.iter().map(level).collect::<String>());
    lines.map(|line| format!("    {line}\\\n")).collect()
}
