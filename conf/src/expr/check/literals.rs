//! Literals that a field never holds: the path has one normal form, the host is in lower case, methods in upper case, the scheme is
//! one of two. A rule that compares with anything else would load and never hold. Only what is surely wrong is refused.

use super::Checker;
use crate::expr::Error;
use crate::expr::tree::{Expr, Field, Function, Kind};
use crate::value::shown;

/// Where in the field's text a literal is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Whole,
    Start,
    End,
    Anywhere,
}

impl Checker<'_> {
    /// Of a comparison, and of `in`, for each element of the list.
    pub(super) fn possible(&mut self, field: &Expr, literal: &Expr) -> Option<()> {
        match &literal.kind {
            Kind::List(elements) => {
                elements.iter().map(|element| self.possible_at(field, element, At::Whole)).fold(Some(()), Option::and)
            }
            _ => self.possible_at(field, literal, At::Whole),
        }
    }

    /// Of the methods that look for a part of a text.
    pub(super) fn possible_part(&mut self, function: Function, arguments: &[Expr]) -> Option<()> {
        let at = match function {
            Function::StartsWith => At::Start,
            Function::EndsWith => At::End,
            Function::Contains => At::Anywhere,
            _ => return Some(()),
        };
        let [field, literal] = arguments else { return Some(()) };
        self.possible_at(field, literal, at)
    }

    fn possible_at(&mut self, field: &Expr, literal: &Expr, at: At) -> Option<()> {
        let (Kind::Field(field), Kind::String(text)) = (&field.kind, &literal.kind) else { return Some(()) };
        let wrong = match field {
            Field::Path => path(text, at),
            Field::Host => host(text, at),
            Field::Method => method(text),
            Field::Scheme => one_of("request.scheme", text, at, &["http", "https"]),
            Field::Protocol => one_of("request.protocol", text, at, &["HTTP/1.0", "HTTP/1.1", "HTTP/2"]),
            Field::From => one_of("response.from", text, at, &["origin", "cache", "edge", ""]),
            Field::CacheStatus => {
                one_of("cache.status", text, at, &["hit", "miss", "collapsed", "revalidated", "bypass", ""])
            }
            Field::ChallengeResult => one_of("challenge.result", text, at, &["posed", "solved", "failed", ""]),
            Field::Country | Field::Continent => code(text, at),
            _ => None,
        };
        let Some((message, help)) = wrong else { return Some(()) };
        self.fail(Error::new(literal.span, message).help(help))
    }
}

/// What is wrong, and what to write instead.
type Found = Option<(String, String)>;

fn host(text: &str, at: At) -> Found {
    let written = shown(text);
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let help = format!("write \"{}\"", written.to_ascii_lowercase());
        return Some((format!("`request.host` is in lower case, and never \"{written}\""), help));
    }
    let (name, port) = text.rsplit_once(':')?;
    // Within brackets it is a part of an address.
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let ends = matches!(at, At::Whole | At::End);
    if is_port && ends && !name.is_empty() && (name.ends_with(']') || !name.contains([':', '['])) {
        let help = format!("write \"{}\"", shown(name));
        return Some((format!("`request.host` has no port, and is never \"{written}\""), help));
    }
    None
}

/// RFC 9110 section 9.1: methods are case-sensitive, and those that it knows are in upper case.
fn method(text: &str) -> Found {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let meant = METHODS.iter().find(|method| method.eq_ignore_ascii_case(text) && **method != text)?;
    let message = format!("methods are in upper case, and never \"{}\"", shown(text));
    Some((message, format!("write \"{meant}\"")))
}

/// Of a field that has few values.
fn one_of(field: &str, text: &str, at: At, values: &[&str]) -> Found {
    if at != At::Whole || values.contains(&text) {
        return None;
    }
    let listed: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    let message = format!("`{field}` is never \"{}\"", shown(text));
    Some((message, format!("it is one of {}", listed.join(", "))))
}

/// ISO 3166-1 alpha-2 and the codes of continents: two capital letters.
fn code(text: &str, at: At) -> Found {
    if at != At::Whole || text.is_empty() || text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let message = format!("codes of places are two capital letters, and never \"{}\"", shown(text));
    let upper = text.to_ascii_uppercase();
    let meant = upper.len() == 2 && upper.bytes().all(|byte| byte.is_ascii_alphabetic());
    Some((message, if meant { format!("write \"{upper}\"") } else { "such as \"DE\" or \"EU\"".to_owned() }))
}

fn path(text: &str, at: At) -> Found {
    let written = shown(text);
    let never = |why: &str| format!("`request.path` {why}, and so never \"{written}\"");
    if text.contains('?') {
        return Some((never("ends before the `?`"), "what follows it is `request.raw_query`".to_owned()));
    }
    let from_start = matches!(at, At::Whole | At::Start);
    let to_end = matches!(at, At::Whole | At::End);
    if text.is_empty() && at != At::Whole || from_start && text == "*" {
        return None;
    }
    if from_start && !text.starts_with('/') {
        return Some((never("starts with `/`"), format!("write \"/{}\"", written.trim_start_matches(['.', '/']))));
    }
    let dots =
        text.contains("/./") || text.contains("/../") || to_end && (text.ends_with("/.") || text.ends_with("/.."));
    // `../` could end a name such as `a..`, which nobody looks for.
    if dots || at == At::Anywhere && text.starts_with("../") {
        return Some((never("has no dot segments"), "the path as it came is `request.raw_path`".to_owned()));
    }
    let normal = normal(text, to_end);
    if normal.contains("%00") {
        return Some((never("has no zero byte"), "a request with one is refused before any rule is asked".to_owned()));
    }
    if normal == text {
        return None;
    }
    let help = format!("write \"{}\"; the path as it came is `request.raw_path`", shown(&normal));
    Some((never("is in normal form"), help))
}

/// The bytes of a path in normal form: one `/` for several, escapes for what needs them and for nothing else, in upper case.
/// A `%` that is cut off stays as it is, unless the path ends there.
fn normal(text: &str, to_end: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'/', _) if out.ends_with('/') => {}
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                push(&mut out, hex(*high) << 4 | hex(*low), is_unreserved);
            }
            (b'%', [] | [_]) if !to_end => out.push('%'),
            (b'%', _) => out.push_str("%25"),
            (byte, _) => push(&mut out, byte, is_plain),
        }
    }
    out
}

fn push(out: &mut String, byte: u8, plain: fn(u8) -> bool) {
    if plain(byte) {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("%{byte:02X}"));
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0)
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 section 3.3, `pchar` without escapes, and `/`.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}
