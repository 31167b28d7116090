//! What sessions hold: typed attributes and counters.

use super::Session;
use crate::expr::Type;
use crate::finding::Check;
use crate::raw::{At, Entries, Text};
use crate::suggest;
use crate::value::{Wrong, shown};

/// The most attributes of one session.
pub const ATTRIBUTES_MAX: usize = 16;
/// The most counters of one session.
pub const COUNTERS_OF_SESSION_MAX: usize = 8;
/// The longest name of either.
const NAME_LONGEST: usize = 32;
/// What the edge itself tells origins of a session.
const TAKEN: [&str; 3] = ["id", "valid", "fresh"];

/// The attributes and their types.
pub(super) fn attributes(written: &Entries<Text>, check: &mut Check<'_>) -> Option<Vec<(String, Type)>> {
    if let Some((excess, _)) = written.0.get(ATTRIBUTES_MAX) {
        let message = format!("{} attributes; at most {ATTRIBUTES_MAX} are possible", written.0.len());
        check.note(excess.span(), Wrong::new(message));
        return None;
    }
    let mut attributes = Vec::new();
    for (name, ty) in &written.0 {
        let named = self::name(&name.value).map_err(|wrong| check.note(name.span(), wrong));
        attributes.push(named.ok().zip(check.value(ty, of_type)));
    }
    attributes.into_iter().collect()
}

/// The counters.
pub(super) fn counters(written: &[At<Text>], check: &mut Check<'_>) -> Option<Vec<String>> {
    let counters = check.list(written, COUNTERS_OF_SESSION_MAX, name)?;
    let twice = counters.iter().enumerate().find(|(nth, name)| counters.iter().take(*nth).any(|known| known == *name));
    match twice.and_then(|(nth, _)| written.get(nth)) {
        Some(twice) => {
            check.note(twice.span(), Wrong::new("this counter is there already"));
            None
        }
        None => Some(counters),
    }
}

/// The places of the attributes that origins are told.
pub(super) fn told(
    written: &[At<Text>],
    attributes: Option<&[(String, Type)]>,
    check: &mut Check<'_>,
) -> Option<Vec<usize>> {
    let attributes = attributes?;
    check.list(written, ATTRIBUTES_MAX, |text| {
        if TAKEN.contains(&text) {
            let wrong = Wrong::new(format!("origins are told something else as `selvedge-session-{text}`"));
            return Err(wrong.advice("give the attribute another name"));
        }
        find(text, attributes)
    })
}

/// The places of the attributes that say whose a session is, each by a name that can be written down.
pub(super) fn owners<const N: usize>(
    written: [Option<&At<Text>>; N],
    attributes: Option<&[(String, Type)]>,
    check: &mut Check<'_>,
) -> Option<[Option<usize>; N]> {
    let attributes = attributes?;
    let owners = written.map(|written| check.value_or(written, None, |text| owner_of(text, attributes).map(Some)));
    if owners.contains(&None) { None } else { Some(owners.map(Option::flatten)) }
}

fn owner_of(text: &str, attributes: &[(String, Type)]) -> Result<usize, Wrong> {
    let place = find(text, attributes)?;
    match attributes.get(place) {
        Some((name, Type::Bool)) => {
            let wrong = Wrong::new(format!("`{name}` is a bool, which is the name of nobody"));
            Err(wrong.advice("name an attribute that is a string or an int"))
        }
        _ => Ok(place),
    }
}

/// The place of an attribute.
fn find(text: &str, attributes: &[(String, Type)]) -> Result<usize, Wrong> {
    let names = || attributes.iter().map(|(name, _)| name.as_str());
    names()
        .position(|name| name == text)
        .ok_or_else(|| Wrong::new(format!("there is no attribute `{}`", shown(text))).help(suggest::among(text, names)))
}

/// An attribute that an earlier session has with another type: expressions name it without the session.
pub(super) fn differs(session: &Session, earlier: &[&Session]) -> Option<Wrong> {
    for (name, ty) in &session.attributes {
        let others = earlier.iter().flat_map(|other| other.attributes.iter().map(move |held| (&other.name, held)));
        let differing = others.into_iter().find(|(_, (held, as_type))| held == name && as_type != ty);
        if let Some((other, (_, as_type))) = differing {
            let message = format!("`{name}` is of type {ty} here, and of type {as_type} in the session `{other}`");
            return Some(Wrong::new(message).advice("an attribute of one name has one type"));
        }
    }
    None
}

/// A name that is a word in expressions, in header fields and in lists of them.
fn name(text: &str) -> Result<String, Wrong> {
    let starts = text.starts_with(|first: char| first.is_ascii_lowercase());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if starts && text.len() <= NAME_LONGEST && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("`{}` cannot be the name of an attribute or a counter", shown(text)));
    Err(wrong.advice("it has 1 to 32 lower-case letters, digits and `_`, a letter first"))
}

fn of_type(text: &str) -> Result<Type, Wrong> {
    Ok(match text {
        "string" => Type::String,
        "int" => Type::Int,
        "bool" => Type::Bool,
        _ => {
            let wrong = Wrong::new(format!("`{}` is not the type of an attribute", shown(text)));
            return Err(wrong.help(suggest::among(text, || ["string", "int", "bool"])));
        }
    })
}
