//! The rows of the table of what characters of ASCII cost: the place of a character chooses its
//! rows, the character before it one of these, and the character itself the column.

/// Rows that lie together: one for each character that may come before, or one for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    /// The first of them.
    pub(super) first: u16,
    /// How many there are.
    pub(super) number: u16,
}

impl Rows {
    /// As many rows as there are letters, marks, kinds of white space; or one.
    const fn after(self, number: u16) -> Self {
        Self { first: self.first.wrapping_add(self.number), number }
    }

    /// The number of the row behind them.
    pub(super) const fn end(self) -> u16 {
        self.first.wrapping_add(self.number)
    }
}

const START: Rows = Rows { first: 0, number: 0 };

// Digits: the first of three after anything, and after several spaces; the others.
pub(super) const DIGIT: Rows = START.after(1);
pub(super) const DIGIT_SPACES: Rows = DIGIT.after(1);
pub(super) const DIGIT_MORE: Rows = DIGIT_SPACES.after(1);

// White space, by what is before it.
pub(super) const SPACE_DIGIT: Rows = DIGIT_MORE.after(1);
pub(super) const SPACE_LETTER: Rows = SPACE_DIGIT.after(1);
pub(super) const SPACE_MARK: Rows = SPACE_LETTER.after(32);
pub(super) const SPACE_WIDE: Rows = SPACE_MARK.after(1);
pub(super) const SPACE2: Rows = SPACE_WIDE.after(4);
pub(super) const SPACE3: Rows = SPACE2.after(4);

// Marks, by what is before them.
pub(super) const MARK_DIGIT: Rows = SPACE3.after(1);
pub(super) const MARK_LETTER: Rows = MARK_DIGIT.after(1);
pub(super) const MARK_SPACE: Rows = MARK_LETTER.after(4);
pub(super) const MARK_SPACES: Rows = MARK_SPACE.after(4);
pub(super) const MARK_WIDE: Rows = MARK_SPACES.after(1);
pub(super) const MARK2: Rows = MARK_WIDE.after(32);
pub(super) const MARK3: Rows = MARK2.after(32);
pub(super) const MARK4: Rows = MARK3.after(32);

// The first letter of a word, by what is before it.
pub(super) const LOWER_DIGIT: Rows = MARK4.after(1);
pub(super) const LOWER_MARK: Rows = LOWER_DIGIT.after(32);
pub(super) const LOWER_MARKS: Rows = LOWER_MARK.after(32);
pub(super) const LOWER_SPACE: Rows = LOWER_MARKS.after(4);
pub(super) const LOWER_SPACES: Rows = LOWER_SPACE.after(4);
pub(super) const LOWER_WIDE: Rows = LOWER_SPACES.after(1);
pub(super) const UPPER_DIGIT: Rows = LOWER_WIDE.after(1);
pub(super) const UPPER_LOWER: Rows = UPPER_DIGIT.after(26);
pub(super) const UPPER_MARK: Rows = UPPER_LOWER.after(32);
pub(super) const UPPER_MARKS: Rows = UPPER_MARK.after(32);
pub(super) const UPPER_SPACE: Rows = UPPER_MARKS.after(4);
pub(super) const UPPER_SPACES: Rows = UPPER_SPACE.after(4);
pub(super) const UPPER_WIDE: Rows = UPPER_SPACES.after(1);

// The further letters of a word, by how many are before them.
pub(super) const CAPS2: Rows = UPPER_WIDE.after(26);
pub(super) const CAPS3: Rows = CAPS2.after(26);
pub(super) const CAPS4: Rows = CAPS3.after(26);
pub(super) const CAPS_LOWER: Rows = CAPS4.after(26);
pub(super) const TITLE: Rows = CAPS_LOWER.after(26);
pub(super) const WORD2: Rows = TITLE.after(26);
pub(super) const WORD3: Rows = WORD2.after(26);
pub(super) const WORD4: Rows = WORD3.after(26);
pub(super) const WORD5: Rows = WORD4.after(26);
pub(super) const WORD6: Rows = WORD5.after(26);
pub(super) const WORD7: Rows = WORD6.after(26);

// The same, if the word follows another without a space or a single mark between.
pub(super) const PART_TITLE: Rows = WORD7.after(26);
pub(super) const PART2: Rows = PART_TITLE.after(26);
pub(super) const PART3: Rows = PART2.after(26);
pub(super) const PART4: Rows = PART3.after(26);
pub(super) const PART5: Rows = PART4.after(26);
pub(super) const PART6: Rows = PART5.after(26);
pub(super) const PART7: Rows = PART6.after(26);
pub(super) const LONG: Rows = PART7.after(26);

// The same among letters of both cases and digits that change all the time.
pub(super) const BLOB_LOWER: Rows = LONG.after(1);
pub(super) const BLOB_LOWER2: Rows = BLOB_LOWER.after(26);
pub(super) const BLOB_LOWER3: Rows = BLOB_LOWER2.after(26);
pub(super) const BLOB_LOWER4: Rows = BLOB_LOWER3.after(26);
pub(super) const BLOB_TITLE: Rows = BLOB_LOWER4.after(26);
pub(super) const BLOB_CAPS_LOWER: Rows = BLOB_TITLE.after(26);
pub(super) const BLOB_UPPER: Rows = BLOB_CAPS_LOWER.after(1);
pub(super) const BLOB_UPPER_LOWER: Rows = BLOB_UPPER.after(26);
pub(super) const BLOB_CAPS2: Rows = BLOB_UPPER_LOWER.after(26);
pub(super) const BLOB_CAPS3: Rows = BLOB_CAPS2.after(26);

/// How many rows there are.
pub(super) const ROWS: u16 = BLOB_CAPS3.end();
