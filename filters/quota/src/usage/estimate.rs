//! The estimate of a text that comes in pieces.
//!
//! A provider may cut its text anywhere, also within a word, and an estimator rounds what it gets.
//! So the pieces are put together again into blocks whose ends depend on the text alone: the same
//! text costs the same however it was cut. A block ends before white space, where tokens end too.

use crate::estimator;

/// An estimate in the making.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// Tokens of the blocks that ended.
    ended: u64,
    /// The block that is being put together: [`LONGEST`] bytes and a character at most.
    block: String,
}

/// Bytes from which on a block ends before the next white space.
const SHORTEST: usize = 256;

/// Bytes from which on it ends anywhere.
const LONGEST: usize = 512;

impl Estimate {
    /// Takes in the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let mut rest = piece;
        while let Some((end, tail)) = self.cut(rest) {
            self.block.push_str(end);
            self.ended = self.ended.saturating_add(estimator::tokens(&self.block));
            self.block.clear();
            rest = tail;
        }
        self.block.push_str(rest);
    }

    /// How many tokens the pieces are together. Whoever asks after each piece pays for a block each
    /// time.
    pub(super) fn tokens(&self) -> u64 {
        self.ended.saturating_add(estimator::tokens(&self.block))
    }

    /// Whether nothing was taken in.
    pub(super) const fn is_empty(&self) -> bool {
        self.ended == 0 && self.block.is_empty()
    }

    /// Starts anew.
    pub(super) fn clear(&mut self) {
        self.block.clear();
        self.ended = 0;
    }

    /// What of `piece` still belongs to the block, and what follows; `None` if the block goes on.
    fn cut<'p>(&self, piece: &'p str) -> Option<(&'p str, &'p str)> {
        let held = self.block.len();
        let ends = |(at, next): &(usize, char)| {
            let length = held.saturating_add(*at);
            length >= LONGEST || (length >= SHORTEST && next.is_whitespace())
        };
        let (end, _) = piece.char_indices().find(ends)?;
        piece.split_at_checked(end)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "small numbers, and places that were asked for"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn estimate<'p>(pieces: impl IntoIterator<Item = &'p str>) -> u64 {
        let mut estimate = Estimate::default();
        for piece in pieces {
            estimate.push(piece);
            assert!(estimate.block.len() < LONGEST + 4);
        }
        estimate.tokens()
    }

    #[test]
    fn blocks_cost_little_more_than_the_whole() {
        let text =
            "The counter of a window forgets what it held when the window ends. ".repeat(200);
        let (blocks, whole) = (estimate([&*text]), estimator::tokens(&text));
        assert!(blocks.abs_diff(whole) * 50 <= whole, "{blocks} in blocks, {whole} as a whole");
    }

    #[test]
    fn a_block_ends_before_a_word() {
        let mut estimate = Estimate::default();
        estimate.push(&"counters forget ".repeat(20));
        assert!(estimate.block.starts_with(' '), "{}", estimate.block);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            words in prop::collection::vec("[a-z]{1,9} |[一-龥]{1,40}|\\PC{0,20}|x{300}", 0..120),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let text = words.concat();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            ends.retain(|end| text.is_char_boundary(*end));
            ends.sort_unstable();
            ends.push(text.len());
            let mut start = 0;
            let pieces = ends.iter().map(|end| {
                let piece = &text[start..*end];
                start = *end;
                piece
            });
            let characters = text.char_indices().map(|(at, next)| &text[at..at + next.len_utf8()]);
            let expect = estimate([&*text]);
            prop_assert_eq!(estimate(pieces), expect);
            prop_assert_eq!(estimate(characters), expect);
        }
    }
}
