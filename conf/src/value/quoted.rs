//! From an offset in a string's value back to an offset in the quoted text it was written as, so that an error inside an
//! expression is underlined where it stands in the file.

/// The offset in `raw`, the string as written with its quotes, of byte `decoded` of its value. Total: never beyond the
/// closing quotes for an offset within the value, and never beyond `raw` for any other.
pub(crate) fn offset(raw: &str, decoded: usize) -> usize {
    let quote = raw.chars().next().unwrap_or('"');
    let triple = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let opening = if triple { opening_with_newline(raw) } else { quote.len_utf8() };
    let body = raw.get(opening..).unwrap_or_default();
    let mut passed = 0;
    let mut at = opening;
    let mut rest = body;
    while passed < decoded && !rest.is_empty() {
        let (written, value) = if quote == '"' { unit(rest) } else { plain(rest) };
        passed += value;
        at += written;
        rest = rest.get(written..).unwrap_or_default();
    }
    // A line continuation writes nothing: what follows it starts behind it.
    while quote == '"' && !rest.is_empty() && passed == decoded && unit(rest).1 == 0 {
        let (written, _) = unit(rest);
        at += written;
        rest = rest.get(written..).unwrap_or_default();
    }
    at.min(raw.len())
}

/// TOML 1.1, "String": a newline right after the opening three quotes is trimmed.
fn opening_with_newline(raw: &str) -> usize {
    let body = raw.get(3..).unwrap_or_default();
    if body.starts_with("\r\n") {
        5
    } else if body.starts_with('\n') {
        4
    } else {
        3
    }
}

/// The bytes written and the bytes of value of the next character of a literal string.
fn plain(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(1, char::len_utf8);
    (length, length)
}

/// The bytes written and the bytes of value of the next character or escape of a basic string.
fn unit(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else { return plain(rest) };
    let hex = |digits: usize| {
        let value = escape.get(1..1 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        (2 + digits, value.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match escape.chars().next() {
        Some('x') => hex(2),
        Some('u') => hex(4),
        Some('U') => hex(8),
        Some(c) if c.is_whitespace() => {
            let kept = escape.trim_start();
            (rest.len() - kept.len(), 0)
        }
        Some(c) => (1 + c.len_utf8(), 1),
        None => (1, 1),
    }
}
