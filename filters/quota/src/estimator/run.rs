//! What a tokenizer sees in ASCII: it applies its vocabulary to pieces of a text, which are a word
//! with the space or the mark before it, up to three digits, a run of marks, white space. A word
//! ends where an upper case letter follows a lower case one.

use super::class::Class;
use super::rows::{self, Rows};

macro_rules! runs {
    ($($name:ident: $doc:literal,)*) => {
        /// What came before a character, as far back as that matters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Run { $(#[doc = $doc] $name,)* }

        /// All runs, each at its own number.
        pub(super) const RUNS: &[Run] = &[$(Run::$name,)*];
    };
}

runs! {
    Space: "One character of white space; or nothing, as spaces are often part of the next piece.",
    Spaces: "Several.",
    Mark: "A mark that the next word may begin with.",
    SpacedMark: "A mark after white space.",
    Marks2: "Two marks.",
    Marks3: "More.",
    Digit1: "The first of three digits.",
    Digit2: "The second.",
    Digit3: "The third.",
    Title: "The upper case letter that a word begins with.",
    Caps2: "Two upper case letters.",
    Caps3: "More.",
    Word1: "The first letter of a word.",
    Word2: "The second.",
    Word3: "The third.",
    Word4: "The fourth.",
    Word5: "The fifth.",
    Word6: "The sixth.",
    Word7: "The seventh.",
    Word8: "The eighth.",
    Word9: "The ninth.",
    Word10: "The tenth.",
    Word11: "The eleventh.",
    Word12: "The twelfth.",
    PartTitle: "As `Title`, in the middle of letters and digits.",
    Part1: "As `Word1`, in the middle of letters and digits.",
    Part2: "As `Word2`.",
    Part3: "As `Word3`.",
    Part4: "As `Word4`.",
    Part5: "As `Word5`.",
    Part6: "As `Word6`.",
    Part7: "As `Word7`.",
    Part8: "As `Word8`.",
    Part9: "As `Word9`.",
    Part10: "As `Word10`.",
    Part11: "As `Word11`.",
    Part12: "As `Word12`.",
    Long: "A later letter of a word.",
    BlobDigit1: "As `Digit1`, where cases and digits change all the time, as in base64.",
    BlobDigit2: "As `Digit2`.",
    BlobDigit3: "As `Digit3`.",
    BlobTitle: "As `Title`.",
    BlobCaps: "As `Caps2` and `Caps3`.",
    BlobLower1: "As `Word1`.",
    BlobLower2: "As `Word2`.",
    BlobLower3: "As `Word3`.",
    Wide: "A character that is not of ASCII, or a control character.",
}

impl Run {
    /// After one more character: what has come by then, and the rows of what that one costs.
    pub(super) const fn then(self, class: Class) -> (Self, Rows) {
        match class {
            Class::Digit => self.then_digit(),
            Class::Lower => self.then_lower(),
            Class::Mark => self.then_mark(),
            Class::Space => self.then_space(),
            Class::Upper => self.then_upper(),
        }
    }

    const fn then_digit(self) -> (Self, Rows) {
        match self {
            Self::Digit1 => (Self::Digit2, rows::DIGIT_MORE),
            Self::Digit2 => (Self::Digit3, rows::DIGIT_MORE),
            Self::BlobDigit1 => (Self::BlobDigit2, rows::DIGIT_MORE),
            Self::BlobDigit2 => (Self::BlobDigit3, rows::DIGIT_MORE),
            Self::Spaces => (Self::Digit1, rows::DIGIT_SPACES),
            Self::Part1
            | Self::Part2
            | Self::PartTitle
            | Self::BlobDigit3
            | Self::BlobTitle
            | Self::BlobCaps
            | Self::BlobLower1
            | Self::BlobLower2
            | Self::BlobLower3 => (Self::BlobDigit1, rows::DIGIT),
            _ => (Self::Digit1, rows::DIGIT),
        }
    }

    const fn then_space(self) -> (Self, Rows) {
        match self {
            Self::Space => (Self::Spaces, rows::SPACE2),
            Self::Spaces => (Self::Spaces, rows::SPACE3),
            Self::Mark | Self::SpacedMark | Self::Marks2 | Self::Marks3 => {
                (Self::Space, rows::SPACE_MARK)
            }
            Self::Digit1
            | Self::Digit2
            | Self::Digit3
            | Self::BlobDigit1
            | Self::BlobDigit2
            | Self::BlobDigit3 => (Self::Space, rows::SPACE_DIGIT),
            Self::Wide => (Self::Space, rows::SPACE_WIDE),
            _ => (Self::Space, rows::SPACE_LETTER),
        }
    }

    const fn then_mark(self) -> (Self, Rows) {
        match self {
            Self::Space => (Self::SpacedMark, rows::MARK_SPACE),
            Self::Spaces => (Self::SpacedMark, rows::MARK_SPACES),
            Self::Mark | Self::SpacedMark => (Self::Marks2, rows::MARK2),
            Self::Marks2 => (Self::Marks3, rows::MARK3),
            Self::Marks3 => (Self::Marks3, rows::MARK4),
            Self::Digit1
            | Self::Digit2
            | Self::Digit3
            | Self::BlobDigit1
            | Self::BlobDigit2
            | Self::BlobDigit3 => (Self::Mark, rows::MARK_DIGIT),
            Self::Wide => (Self::Mark, rows::MARK_WIDE),
            _ => (Self::Mark, rows::MARK_LETTER),
        }
    }

    const fn then_lower(self) -> (Self, Rows) {
        match self {
            Self::Space => (Self::Word1, rows::LOWER_SPACE),
            Self::Spaces => (Self::Word1, rows::LOWER_SPACES),
            Self::Mark => (Self::Word1, rows::LOWER_MARK),
            Self::SpacedMark | Self::Marks2 | Self::Marks3 => (Self::Part1, rows::LOWER_MARKS),
            Self::Digit1 | Self::Digit2 | Self::Digit3 => (Self::Part1, rows::LOWER_DIGIT),
            Self::Wide => (Self::Part1, rows::LOWER_WIDE),
            Self::Title => (Self::Word2, rows::TITLE),
            Self::Caps2 | Self::Caps3 => (Self::Part3, rows::CAPS_LOWER),
            Self::Word1 => (Self::Word2, rows::WORD2),
            Self::Word2 => (Self::Word3, rows::WORD3),
            Self::Word3 => (Self::Word4, rows::WORD4),
            Self::Word4 => (Self::Word5, rows::WORD5),
            Self::Word5 => (Self::Word6, rows::WORD6),
            Self::Word6 => (Self::Word7, rows::WORD7),
            Self::Word7 => (Self::Word8, rows::WORD7),
            Self::Word8 => (Self::Word9, rows::WORD7),
            Self::Word9 => (Self::Word10, rows::WORD7),
            Self::Word10 => (Self::Word11, rows::WORD7),
            Self::Word11 => (Self::Word12, rows::WORD7),
            Self::Word12 => (Self::Long, rows::WORD7),
            Self::Long => (Self::Long, rows::LONG),
            Self::PartTitle => (Self::Part2, rows::PART_TITLE),
            Self::Part1 => (Self::Part2, rows::PART2),
            Self::Part2 => (Self::Part3, rows::PART3),
            Self::Part3 => (Self::Part4, rows::PART4),
            Self::Part4 => (Self::Part5, rows::PART5),
            Self::Part5 => (Self::Part6, rows::PART6),
            Self::Part6 => (Self::Part7, rows::PART7),
            Self::Part7 => (Self::Part8, rows::PART7),
            Self::Part8 => (Self::Part9, rows::PART7),
            Self::Part9 => (Self::Part10, rows::PART7),
            Self::Part10 => (Self::Part11, rows::PART7),
            Self::Part11 => (Self::Part12, rows::PART7),
            Self::Part12 => (Self::Long, rows::PART7),
            Self::BlobDigit1 | Self::BlobDigit2 | Self::BlobDigit3 => {
                (Self::BlobLower1, rows::BLOB_LOWER)
            }
            Self::BlobTitle => (Self::BlobLower2, rows::BLOB_TITLE),
            Self::BlobCaps => (Self::BlobLower3, rows::BLOB_CAPS_LOWER),
            Self::BlobLower1 => (Self::BlobLower2, rows::BLOB_LOWER2),
            Self::BlobLower2 => (Self::BlobLower3, rows::BLOB_LOWER3),
            // Four in a row: a word after all.
            Self::BlobLower3 => (Self::Part4, rows::BLOB_LOWER4),
        }
    }

    const fn then_upper(self) -> (Self, Rows) {
        match self {
            Self::Space => (Self::Title, rows::UPPER_SPACE),
            Self::Spaces => (Self::Title, rows::UPPER_SPACES),
            Self::Mark => (Self::Title, rows::UPPER_MARK),
            Self::SpacedMark | Self::Marks2 | Self::Marks3 => (Self::PartTitle, rows::UPPER_MARKS),
            Self::Digit1 | Self::Digit2 | Self::Digit3 => (Self::PartTitle, rows::UPPER_DIGIT),
            Self::Wide => (Self::PartTitle, rows::UPPER_WIDE),
            Self::Title | Self::PartTitle => (Self::Caps2, rows::CAPS2),
            Self::Caps2 => (Self::Caps3, rows::CAPS3),
            Self::Caps3 => (Self::Caps3, rows::CAPS4),
            Self::BlobDigit1 | Self::BlobDigit2 | Self::BlobDigit3 => {
                (Self::BlobTitle, rows::BLOB_UPPER)
            }
            // So soon after the word began: no word.
            Self::Part1 | Self::Part2 | Self::BlobLower1 | Self::BlobLower2 | Self::BlobLower3 => {
                (Self::BlobTitle, rows::BLOB_UPPER_LOWER)
            }
            Self::BlobTitle => (Self::BlobCaps, rows::BLOB_CAPS2),
            Self::BlobCaps => (Self::BlobCaps, rows::BLOB_CAPS3),
            _ => (Self::PartTitle, rows::UPPER_LOWER),
        }
    }
}
