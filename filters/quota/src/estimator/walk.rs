//! One character after the other: which cell of the tables says what it costs.

#![expect(clippy::as_conversions, reason = "numbers of classes and runs: small")]

use super::class::{Class, Sign};
use super::rows::ROWS;
use super::run::{RUNS, Run};
use super::wide::Before;

/// Where it says what a character costs.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// In the table of ASCII.
    Narrow(usize),
    /// In that of all other characters.
    Wide(usize),
}

/// What is behind us in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// A run's number, times 8.
    run: u16,
    /// The number of the last character, times the columns of a row.
    last: u16,
    /// If the run is wide.
    wide: Before,
}

impl Walk {
    /// At the start of a text, which is as behind a space.
    pub(super) const fn new() -> Self {
        Self { run: 0, last: 0, wide: Before::SPACE }
    }

    /// Past one more character.
    #[cfg(test)]
    pub(super) fn step(&mut self, character: char) -> Cell {
        let byte = u8::try_from(character).ok().filter(u8::is_ascii);
        match byte.and_then(|byte| self.step_narrow(byte)) {
            Some(cell) => Cell::Narrow(cell),
            None => Cell::Wide(self.step_wide(character)),
        }
    }

    /// Past one more character, if it is printable ASCII or white space.
    #[inline]
    pub(super) fn step_narrow(&mut self, byte: u8) -> Option<usize> {
        let sign = *SIGNS.get(usize::from(byte))?;
        if sign == NO_SIGN {
            return None;
        }
        let (class, number) = (sign & 7, sign >> 3);
        let step = STEPS.get(usize::from(self.run | class) & STEPS_MASK)?;
        let row = step.cell.wrapping_add(self.last & step.paired);
        self.run = step.run;
        self.last = number << 5;
        Some(usize::from(row.wrapping_add(number)))
    }

    /// Past any other character.
    pub(super) fn step_wide(&mut self, character: char) -> usize {
        let code = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        let before = match self.run {
            SPACE | SPACES => Before::SPACE,
            WIDE => self.wide,
            _ => Before::ASCII,
        };
        self.run = WIDE;
        self.wide = before.then(code);
        before.cell(code)
    }
}

const SPACE: u16 = (Run::Space as u16) << 3;
const SPACES: u16 = (Run::Spaces as u16) << 3;
const WIDE: u16 = (Run::Wide as u16) << 3;

// Numbers of cells are of 16 bits here.
const _: () = assert!((ROWS as usize) * Sign::NUMBERS <= u16::MAX as usize);

/// What a character of a class does after a run.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))] // So that finding the next one, which all waits for, takes no multiplication.
struct Step {
    /// The next run's number, times 8.
    run: u16,
    /// The first cell of the rows.
    cell: u16,
    /// All ones if the last character chooses the row, else 0.
    paired: u16,
}

impl Step {
    const NONE: Self = Self { run: 0, cell: 0, paired: 0 };
}

/// The class of each byte and, times 8, its number. Tables have room for every index that can be
/// made, so that none is compared with a length: this is done for each character.
#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse a mistake")]
static SIGNS: [u16; 256] = {
    let mut signs = [NO_SIGN; 256];
    let mut byte = 0;
    while byte < 128 {
        if let Some(sign) = Sign::of(byte as u8) {
            signs[byte] = sign.class as u16 | (sign.number as u16) << 3;
        }
        byte += 1;
    }
    signs
};

/// What no class has.
const NO_SIGN: u16 = u16::MAX;

/// All bits of an index of `STEPS`.
const STEPS_MASK: usize = (RUNS.len() * 8).next_power_of_two() - 1;

#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse a mistake")]
static STEPS: [Step; STEPS_MASK + 1] = {
    let classes = [Class::Digit, Class::Lower, Class::Mark, Class::Space, Class::Upper];
    let mut steps = [Step::NONE; STEPS_MASK + 1];
    let mut run = 0;
    while run < RUNS.len() {
        let mut class = 0;
        while class < classes.len() {
            let (next, rows) = RUNS[run].then(classes[class]);
            steps[run * 8 + classes[class] as usize] = Step {
                run: (next as u16) << 3,
                cell: rows.first << 5,
                paired: if rows.number > 1 { u16::MAX } else { 0 },
            };
            class += 1;
        }
        run += 1;
    }
    steps
};
