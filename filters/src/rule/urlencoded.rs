//! `application/x-www-form-urlencoded` (WHATWG URL Standard, section 5.1): pairs, scanned in place. A malformed escape stands for
//! itself; bytes that are no UTF-8 become U+FFFD.

use std::borrow::Cow;

use super::scratch::Scratch;

/// The names and values of a query or a form, still encoded. Empty pieces are no pairs; without `=` the value is empty.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pieces = text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| match memchr::memchr(b'=', piece).and_then(|at| piece.split_at_checked(at)) {
        Some((name, value)) => (name, value.get(1..).unwrap_or(b"")),
        None => (piece, &b""[..]),
    })
}

/// Whether an encoded name is this one.
pub(super) fn is(encoded: &[u8], name: &str) -> bool {
    if plain(encoded) && !name.contains(char::REPLACEMENT_CHARACTER) {
        return encoded == name.as_bytes();
    }
    // No escape makes a name longer than it is written.
    if encoded.len() < name.len() && !name.contains(char::REPLACEMENT_CHARACTER) {
        return false;
    }
    let mut rest = name.as_bytes();
    let mut whole = true;
    lossy(encoded, &mut |piece| match rest.strip_prefix(piece.as_bytes()) {
        Some(after) => rest = after,
        None => whole = false,
    });
    whole && rest.is_empty()
}

/// The text that is encoded; absent when the scratch memory is used up.
pub(super) fn text<'v>(scratch: Scratch<'v>, encoded: &'v [u8]) -> Option<&'v str> {
    if plain(encoded)
        && let Ok(text) = std::str::from_utf8(encoded)
    {
        return Some(text);
    }
    let mut text = scratch.brought(encoded.len())?;
    lossy(encoded, &mut |piece| text.push_str(piece));
    Some(text.into_bump_str())
}

/// The same, in memory of its own.
pub(super) fn owned(encoded: &[u8]) -> Cow<'_, str> {
    if plain(encoded) {
        return String::from_utf8_lossy(encoded);
    }
    let mut text = String::with_capacity(encoded.len());
    lossy(encoded, &mut |piece| text.push_str(piece));
    Cow::Owned(text)
}

fn plain(encoded: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', encoded).is_none()
}

/// The decoded text in pieces. At most four bytes are held back at a time: an unfinished character.
fn lossy(encoded: &[u8], piece: &mut dyn FnMut(&str)) {
    let mut held = [0; 4];
    let mut len = 0;
    let mut bytes = Bytes(encoded);
    let mut next = bytes.next();
    while let Some(byte) = next {
        if let Some(slot) = held.get_mut(len) {
            *slot = byte;
            len += 1;
        }
        let so_far = held.get(..len).unwrap_or(&[]);
        match std::str::from_utf8(so_far) {
            Ok(character) => piece(character),
            // More bytes may finish it.
            Err(error) if error.error_len().is_none() => {
                next = bytes.next();
                continue;
            }
            // The bytes that began a character are replaced as one; the byte that broke it off begins anew.
            Err(error) => {
                piece("\u{fffd}");
                if error.error_len() < Some(len) {
                    len = 0;
                    continue;
                }
            }
        }
        len = 0;
        next = bytes.next();
    }
    if len > 0 {
        piece("\u{fffd}");
    }
}

/// The bytes of an encoded text.
struct Bytes<'a>(&'a [u8]);

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'%', high, low, rest @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => (b'%', self.0.get(1..)?),
            },
            [b'+', rest @ ..] => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(encoded: &[u8]) -> String {
        let mut text = String::new();
        lossy(encoded, &mut |piece| text.push_str(piece));
        text
    }

    #[test]
    fn escapes() {
        for (encoded, expected) in [
            ("a+b", "a b"),
            ("%41%c3%bc", "Aü"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%2541", "%41"),
            ("%e2%82", "\u{fffd}"),
            ("%e2%82a", "\u{fffd}a"),
            ("%ff%41", "\u{fffd}A"),
        ] {
            assert_eq!(decoded(encoded.as_bytes()), expected, "{encoded}");
            assert!(is(encoded.as_bytes(), expected), "{encoded}");
        }
    }

    #[test]
    fn pairs_as_browsers_see_them() {
        let found: Vec<_> = pairs(b"a=1&&b&=2&c=d=e").collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b""), (b"", b"2"), (b"c", b"d=e")];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn decoding_in_pieces_is_decoding_whole(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..24)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(decoded(encoded.as_bytes()), whole.clone());
            prop_assert!(is(encoded.as_bytes(), &whole));
        }
    }
}
