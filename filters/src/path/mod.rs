//! The one spelling of a path that rules, cache key and origin share (RFC 3986 section 6.2.2), so that no second spelling gets
//! past a rule or fills the cache beside the first.
//!
//! Escapes of unreserved characters are undone, the others are in upper case; bytes that no path may hold are escaped; runs of
//! `/` are one; dot segments are gone, also those that were escaped. Escapes of reserved characters stay, since `%2F` is not
//! `/` to every origin; and nothing is decoded twice: `%252e` means the text `%2e`, not a dot. A path in which such an escape,
//! a `\` or a `;` would make dots a segment has no normal form: origins that take them for separators would leave the path that
//! the rules saw.

use std::borrow::Cow;

/// Why a path has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPath {
    /// It begins with something else than `/`.
    Relative,
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// A zero byte, escaped or not.
    Nul,
    /// A segment such as `..%2F` or `..;`: dots beside what only some origins take for the end of a segment.
    Dots,
}

impl BadPath {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            BadPath::Relative => "the path does not start with /",
            BadPath::Escape => "the path has a % without two hexadecimal digits",
            BadPath::Nul => "the path has a zero byte",
            BadPath::Dots => "the path has . or .. beside an escaped separator or a ;",
        }
    }
}

/// The normal form of a path. Borrowed when `raw` is in it already; idempotent. `*` (RFC 9112 section 3.2.4) stays as it is.
///
/// # Errors
/// [`BadPath`]; the origin could only guess then.
pub fn normal(raw: &str) -> Result<Cow<'_, str>, BadPath> {
    if raw == "*" {
        return Ok(Cow::Borrowed(raw));
    }
    if is_normal(raw.as_bytes()) {
        return if raw.split('/').any(hides_dots) { Err(BadPath::Dots) } else { Ok(Cow::Borrowed(raw)) };
    }
    if !raw.starts_with('/') {
        return Err(BadPath::Relative);
    }
    let mut built = Built { text: String::with_capacity(raw.len() + 16) };
    let mut rest = raw.as_bytes();
    while let Some((byte, after)) = next(rest)? {
        match byte {
            Byte::Plain(b'/') => built.slash()?,
            Byte::Plain(byte) => built.text.push(char::from(byte)),
            Byte::Escaped(byte) => built.escape(byte),
        }
        rest = after;
    }
    built.close()?;
    Ok(Cow::Owned(built.text))
}

/// One byte of a path, as it is written in the normal form.
enum Byte {
    Plain(u8),
    Escaped(u8),
}

/// The next byte and what follows it.
fn next(rest: &[u8]) -> Result<Option<(Byte, &[u8])>, BadPath> {
    let (byte, after) = match rest {
        [] => return Ok(None),
        [b'%', high, low, after @ ..] => {
            let (high, low) = (digit(*high).ok_or(BadPath::Escape)?, digit(*low).ok_or(BadPath::Escape)?);
            match high << 4 | low {
                byte if is_unreserved(byte) => (Byte::Plain(byte), after),
                byte => (Byte::Escaped(byte), after),
            }
        }
        [b'%', ..] => return Err(BadPath::Escape),
        [byte, after @ ..] if is_path(*byte) => (Byte::Plain(*byte), after),
        [byte, after @ ..] => (Byte::Escaped(*byte), after),
    };
    match byte {
        Byte::Escaped(0) => Err(BadPath::Nul),
        byte => Ok(Some((byte, after))),
    }
}

/// A path as far as it was built: segments are closed, and dots resolved, when the next `/` comes.
struct Built {
    text: String,
}

impl Built {
    fn slash(&mut self) -> Result<(), BadPath> {
        self.close()?;
        if !self.text.ends_with('/') {
            self.text.push('/');
        }
        Ok(())
    }

    fn escape(&mut self, byte: u8) {
        self.text.push('%');
        for digit in [byte >> 4, byte & 15] {
            self.text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
        }
    }

    /// Resolves the last segment if it is dots (RFC 3986 section 5.2.4). What it leaves ends with `/`. A segment is judged before
    /// a later `..` takes it away, since an origin that cuts it would take another.
    fn close(&mut self) -> Result<(), BadPath> {
        if self.text.rsplit('/').next().is_some_and(hides_dots) {
            return Err(BadPath::Dots);
        }
        if self.text.ends_with("/..") {
            self.text.truncate(self.text.len() - 3);
            self.text.truncate(self.text.rfind('/').unwrap_or(0) + 1);
            if self.text.is_empty() {
                self.text.push('/');
            }
        } else if self.text.ends_with("/.") {
            self.text.truncate(self.text.len() - 1);
        }
        Ok(())
    }
}

/// Whether a segment in normal spelling has a part `.` or `..` once it is cut where some origins cut: at an escaped `/` (nginx),
/// an escaped `\` (IIS), a `;` (path parameters in Java servers), and an escaped `;`, which a server before those may undo.
fn hides_dots(segment: &str) -> bool {
    if memchr::memchr2(b'%', b';', segment.as_bytes()).is_none() {
        return false;
    }
    let parts = segment.split(';').flat_map(|part| part.split("%2F")).flat_map(|part| part.split("%5C"));
    parts.flat_map(|part| part.split("%3B")).any(|part| matches!(part, "." | ".."))
}

/// Whether a path is in normal form: one pass, nothing built.
fn is_normal(raw: &[u8]) -> bool {
    if raw.first() != Some(&b'/') {
        return false;
    }
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => return true,
            [b'/', b'/', ..] | [b'/', b'.'] | [b'/', b'.', b'.'] => return false,
            [b'/', b'.', b'/', ..] | [b'/', b'.', b'.', b'/', ..] => return false,
            [b'%', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(tens), Some(ones)) => {
                    let byte = tens << 4 | ones;
                    if byte == 0 || is_unreserved(byte) || high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                        return false;
                    }
                    after
                }
                _ => return false,
            },
            [byte, after @ ..] if is_path(*byte) => after,
            _ => return false,
        };
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What a path may hold as it is: `pchar` (RFC 3986 section 3.3) without escapes, and `/`.
fn is_path(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'/' | b':' | b'@')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
