//! One character after the other: which cell of the tables says what it costs.

#![expect(clippy::as_conversions, reason = "numbers of classes and runs: small")]

use super::class::{Class, Sign};
use super::rows::ROWS;
use super::run::{RUNS, Run};
use super::wide::Before;

/// Where it says what a character costs.
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
    #[inline]
    pub(super) fn step(&mut self, character: char) -> Cell {
        let code = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        match SIGNS.get(code) {
            Some(Some(sign)) => Cell::Narrow(self.step_narrow(*sign)),
            _ => Cell::Wide(self.step_wide(code)),
        }
    }

    #[inline]
    fn step_narrow(&mut self, sign: Sign) -> usize {
        let class = sign.class as u16;
        let step = STEPS.get(usize::from(self.run | class)).copied().unwrap_or(Step::NONE);
        let row = step.cell.wrapping_add(self.last & step.paired);
        self.run = step.run;
        self.last = u16::from(sign.number) << 5;
        usize::from(row.wrapping_add(u16::from(sign.number)))
    }

    fn step_wide(&mut self, code: usize) -> usize {
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

#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse a mistake")]
static SIGNS: [Option<Sign>; 128] = {
    let mut signs = [None; 128];
    let mut byte = 0;
    while byte < 128 {
        signs[byte] = Sign::of(byte as u8);
        byte += 1;
    }
    signs
};

#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse a mistake")]
static STEPS: [Step; RUNS.len() * 8] = {
    let classes = [Class::Digit, Class::Lower, Class::Mark, Class::Space, Class::Upper];
    let mut steps = [Step::NONE; RUNS.len() * 8];
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
