//! The cells of the table of what characters cost that are not of ASCII.
//!
//! Han characters have a cell each; letters of alphabets, kana and other characters (these by blocks
//! of 64) have one for each place in a word; and of the alphabets that are written most, so has
//! each pair of letters.

/// Places in a word: after a space, after ASCII, after so many other characters.
pub(super) const PLACES: usize = 8;
const AFTER_SPACE: usize = 0;
const AFTER_HAN: usize = 1;
const LAST_PLACE: usize = 6;
const AFTER_ASCII: usize = 7;

/// The Han characters in use.
pub(super) const HAN: std::ops::RangeInclusive<usize> = 0x4E00..=0x9FFF;

/// Each character below has a row of its own.
const ALPHABETS: usize = 0x800;
/// So has each of these.
const KANA: usize = 0x3000;
const KANA_END: usize = 0x3100;
/// The variation selector of emoji, which is common; the others are not.
const EMOJI_STYLE: usize = 0xFE0F;
const EMOJI: usize = 0x1_F000;
const EMOJI_END: usize = 0x1_FC00;
/// The first character that takes four bytes.
const SUPPLEMENTARY: usize = 0x1_0000;

const KANA_ROW: usize = ALPHABETS;
const BLOCK_ROW: usize = KANA_ROW + KANA_END - KANA;
const EMOJI_ROW: usize = BLOCK_ROW + (SUPPLEMENTARY >> 6);
const EMOJI_STYLE_ROW: usize = EMOJI_ROW + ((EMOJI_END - EMOJI) >> 6);
const OTHER_ROW: usize = EMOJI_STYLE_ROW + 1;
const HAN_CELL: usize = (OTHER_ROW + 1) * PLACES;
const PAIR_CELL: usize = HAN_CELL + 0x5200;

/// How many letters an alphabet has whose pairs have cells.
pub(super) const LETTERS: usize = 64;
const PAIRS: usize = LETTERS * LETTERS;

/// Pairs of letters of one alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pairs {
    /// The first letter of the alphabet.
    pub(super) first: usize,
    /// Where the cells begin of the second letter of a word, or of the letters behind it.
    cell: usize,
}

impl Pairs {
    const ARABIC2: Self = Self { first: 0x620, cell: PAIR_CELL };
    const ARABIC3: Self = Self { first: 0x620, cell: PAIR_CELL + PAIRS };
    const RUSSIAN2: Self = Self { first: 0x410, cell: PAIR_CELL + PAIRS * 2 };
    const RUSSIAN3: Self = Self { first: 0x410, cell: PAIR_CELL + PAIRS * 3 };
    #[cfg(test)]
    pub(super) const ALL: [Self; 4] =
        [Self::ARABIC2, Self::ARABIC3, Self::RUSSIAN2, Self::RUSSIAN3];

    /// Their cells: those of the last letter's followers lie together.
    #[cfg(test)]
    pub(super) const fn cells(self) -> std::ops::Range<usize> {
        self.cell..self.cell.wrapping_add(PAIRS)
    }

    fn cell(self, last: usize, code: usize) -> Option<usize> {
        let (row, column) = (last.wrapping_sub(self.first), code.wrapping_sub(self.first));
        (row < LETTERS && column < LETTERS)
            .then(|| self.cell.wrapping_add(row.wrapping_mul(LETTERS)).wrapping_add(column))
    }
}

/// How many cells there are.
#[cfg(test)]
pub(super) const CELLS: usize = PAIR_CELL + PAIRS * 4;

/// What a character may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    place: usize,
    /// Its code point; 0 for ASCII.
    code: usize,
}

impl Before {
    /// White space of ASCII.
    pub(super) const SPACE: Self = Self { place: AFTER_SPACE, code: 0 };
    /// Other ASCII.
    pub(super) const ASCII: Self = Self { place: AFTER_ASCII, code: 0 };

    /// After the character `code`, which follows this.
    pub(super) fn then(self, code: usize) -> Self {
        let place = match code {
            // There are no spaces to count from: what came before tells more than how many did.
            0x4E00..=0x9FFF => AFTER_HAN,
            0x3000..=0x303F => 2,
            0x3040..=0x305F => 3,
            0x3060..=0x307F => 4,
            0x3080..=0x309F => 5,
            0x30A0..=0x30FF => 6,
            _ if self.code == 0 => 1,
            _ => self.place.wrapping_add(1).min(LAST_PLACE),
        };
        Self { place, code }
    }

    /// Where it says what the character `code` costs after this.
    pub(super) fn cell(self, code: usize) -> usize {
        if HAN.contains(&code) {
            return HAN_CELL.wrapping_add(code.wrapping_sub(*HAN.start()));
        }
        let pair = match (code, self.place) {
            (0x620..=0x65F, ..=2) => Pairs::ARABIC2.cell(self.code, code),
            (0x620..=0x65F, _) => Pairs::ARABIC3.cell(self.code, code),
            (0x410..=0x44F, ..=2) => Pairs::RUSSIAN2.cell(self.code, code),
            (0x410..=0x44F, _) => Pairs::RUSSIAN3.cell(self.code, code),
            _ => None,
        };
        pair.unwrap_or_else(|| row(code).wrapping_mul(PLACES).wrapping_add(self.place))
    }
}

fn row(code: usize) -> usize {
    match code {
        0..ALPHABETS => code,
        KANA..KANA_END => KANA_ROW.wrapping_add(code.wrapping_sub(KANA)),
        EMOJI_STYLE => EMOJI_STYLE_ROW,
        EMOJI..EMOJI_END => EMOJI_ROW.wrapping_add(code.wrapping_sub(EMOJI) >> 6),
        _ if code < SUPPLEMENTARY => BLOCK_ROW.wrapping_add(code >> 6),
        _ => OTHER_ROW,
    }
}
