//! What a character of ASCII is.

/// The classes that the pieces of a text are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `0` to `9`.
    Digit,
    /// `a` to `z`.
    Lower,
    /// Printable, and neither letter nor digit.
    Mark,
    /// Space, tab, line feed, carriage return.
    Space,
    /// `A` to `Z`.
    Upper,
}

/// A character of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign {
    /// What it is.
    pub(super) class: Class,
    /// Which of them: below [`Sign::NUMBERS`]. Digits are all alike.
    pub(super) number: u8,
}

impl Sign {
    /// No class has more characters.
    pub(super) const NUMBERS: usize = 32;

    /// `None` for what is no ASCII, and for control characters.
    pub(super) const fn of(byte: u8) -> Option<Self> {
        let (class, number) = match byte {
            b'0'..=b'9' => (Class::Digit, 0),
            b'a'..=b'z' => (Class::Lower, byte.wrapping_sub(b'a')),
            b'A'..=b'Z' => (Class::Upper, byte.wrapping_sub(b'A')),
            b' ' => (Class::Space, 0),
            b'\t' => (Class::Space, 1),
            b'\n' => (Class::Space, 2),
            b'\r' => (Class::Space, 3),
            b'!'..=b'/' => (Class::Mark, byte.wrapping_sub(b'!')),
            b':'..=b'@' => (Class::Mark, byte.wrapping_sub(b':').wrapping_add(15)),
            b'['..=b'`' => (Class::Mark, byte.wrapping_sub(b'[').wrapping_add(22)),
            b'{'..=b'~' => (Class::Mark, byte.wrapping_sub(b'{').wrapping_add(28)),
            _ => return None,
        };
        Some(Self { class, number })
    }
}
