//! Plain text where an expression is wanted: people write `https://example.com/` or `nosniff` and mean the text itself.

use super::tree::Span;
use super::{Error, names};
use crate::value::shown;

/// The errors of a text that is no expression; one that says how a text is written, if that is what it is.
pub(super) fn errors(text: &str, errors: Vec<Error>) -> Vec<Error> {
    if !is_plain(text) {
        return errors;
    }
    let whole = Span { start: 0, end: text.len() };
    let error = Error::new(whole, format!("`{}` is not an expression", shown(text)));
    let quote = if text.contains('"') { '\'' } else { '"' };
    vec![error.help(format!("a literal text needs quotes of its own: {}", inside(&shown(text), quote)))]
}

/// The text as a TOML string that holds a literal.
fn inside(text: &str, quote: char) -> String {
    match quote {
        '"' => format!("`'\"{text}\"'`"),
        _ => format!("`\"'{text}'\"`"),
    }
}

/// Whether this looks like text rather than like an expression with a mistake in it.
fn is_plain(text: &str) -> bool {
    /// No header and no address is meant to be longer.
    const LENGTH_MAX: usize = 4096;
    const OPERATORS: [&str; 11] = ["==", "!=", "&&", "||", "(", "[", "{", "\"", "'", "<", ">"];
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '*'));
    let operator = OPERATORS.iter().any(|operator| text.contains(operator));
    if !begins || operator || text.len() > LENGTH_MAX || matches!(first, "true" | "false" | "null") {
        return false;
    }
    // A name alone, and a name before a dot, may be a field with a mistake in it.
    let name = !first.is_empty() && (rest.is_empty() || rest.starts_with('.'));
    let meant = name && names::meant(first, &[]).is_some();
    !meant && !text.split_whitespace().any(|word| word == "in")
}
