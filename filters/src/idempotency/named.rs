//! The field `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07, section 2.1): a string of RFC 9651 section 3.3.3. Most clients send a UUID
//! without quotes, which means the same here.

use http::HeaderMap;

/// The longest key, bytes.
pub const KEY_MAX: usize = 256;

/// The field.
const FIELD: &str = "idempotency-key";

/// A field that is no key: several lines, too long or empty, or neither a string nor a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The key that a request names; none where it names none.
///
/// # Errors
/// [`Malformed`].
pub fn key_of(headers: &HeaderMap) -> Result<Option<String>, Malformed> {
    let mut lines = headers.get_all(FIELD).iter();
    let (first, second) = (lines.next(), lines.next());
    let Some(first) = first else { return Ok(None) };
    if second.is_some() {
        return Err(Malformed);
    }
    let text = first.to_str().map_err(|_| Malformed)?.trim_matches(' ');
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None if text.bytes().all(is_plain) => text.to_owned(),
        None => return Err(Malformed),
    };
    if (1..=KEY_MAX).contains(&key.len()) { Ok(Some(key)) } else { Err(Malformed) }
}

/// A byte that can stand without quotes: nothing that separates members or parameters.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// What stands between quotes, the second one included; nothing behind that.
fn unquoted(text: &str) -> Result<String, Malformed> {
    let mut key = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(Malformed)? {
            '"' => return if chars.as_str().is_empty() { Ok(key) } else { Err(Malformed) },
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(Malformed),
            },
            plain @ ' '..='~' => key.push(plain),
            _ => return Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FIELD, http::HeaderValue::from_bytes(line).unwrap());
        }
        key_of(&headers)
    }

    #[test]
    fn a_string_and_a_word_are_keys() {
        for (line, key) in [
            (&b"\"8e03978e-40d5-43dd-bc93-6894a57f9324\""[..], "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (b"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (b" \"a b\" ", "a b"),
            (br#""a\"b\\c""#, r#"a"b\c"#),
            (b"KG5LxwFBepaKHyUD", "KG5LxwFBepaKHyUD"),
        ] {
            assert_eq!(read(&[line]), Ok(Some(key.to_owned())));
        }
        assert_eq!(read(&[]), Ok(None));
        let long = "k".repeat(KEY_MAX);
        assert_eq!(read(&[long.as_bytes()]), Ok(Some(long.clone())));
    }

    #[test]
    fn whatever_else_is_none() {
        let long = "k".repeat(KEY_MAX + 1);
        for line in [
            &b""[..],
            b"\"\"",
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\";p=1",
            b"a;p",
            b"a, b",
            b"a b",
            b"\"\\n\"",
            b"\"\xc3\xa4\"",
            b"a\\b",
            long.as_bytes(),
        ] {
            assert_eq!(read(&[line]), Err(Malformed), "{:?}", String::from_utf8_lossy(line));
        }
        assert_eq!(read(&[b"a", b"a"]), Err(Malformed), "an origin may read either");
    }
}
