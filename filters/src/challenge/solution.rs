//! A solution: a number that, behind its puzzle, hashes to something that begins with zeros.

use ring::digest::{Context, SHA256};

use super::refused::Refused;
use super::statement::{Kind, text_len};

/// The most digits of a number of 32 bits.
const DIGITS_MAX: usize = 10;

/// The puzzle and the number of `PUZZLE.NUMBER`.
///
/// # Errors
/// [`Refused::Overlong`] and [`Refused::Malformed`].
pub(super) fn split(text: &[u8]) -> Result<(&[u8], u32), Refused> {
    if text.len() > text_len(Kind::Puzzle) + 1 + DIGITS_MAX {
        return Err(Refused::Overlong);
    }
    let at = memchr::memchr(b'.', text).ok_or(Refused::Malformed)?;
    let (puzzle, rest) = text.split_at_checked(at).ok_or(Refused::Malformed)?;
    let digits = rest.strip_prefix(b".").and_then(|digits| std::str::from_utf8(digits).ok());
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).ok_or(Refused::Malformed)?;
    Ok((puzzle, number))
}

/// Whether the SHA-256 of a puzzle's text and the number behind it, as four bytes with the high one first, begins with so many zero bits, of
/// which the first 32 count.
pub(super) fn solves(puzzle: &[u8], number: u32, bits: u8) -> bool {
    let mut hash = Context::new(&SHA256);
    hash.update(puzzle);
    hash.update(&number.to_be_bytes());
    let hash = hash.finish();
    let first = hash.as_ref().first_chunk().map_or(u32::MAX, |first| u32::from_be_bytes(*first));
    first.leading_zeros() >= u32::from(bits)
}
