//! Names of the config that are wrong: what it declares instead.

use std::time::Duration;

use super::Error;
use super::setting::{CountedName, Names};
use super::tree::{Span, Type};
use crate::suggest;
use crate::value::shown;

/// A name that the config does not declare. `section` declares such names, `root` is what they are written behind.
pub(super) fn undeclared<'n, I: IntoIterator<Item = &'n str>>(
    what: &str,
    section: &str,
    root: &str,
    name: &str,
    span: Span,
    known: impl Fn() -> I,
) -> Error {
    let error = Error::new(span, format!("there is no {what} `{}`", shown(name)));
    // `lists.bad-bots` is a subtraction to the parser, and the name it sees ends at the minus.
    let whole =
        known().into_iter().find(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.'])));
    if let Some(whole) = whole.filter(|_| root != "limit") {
        return error.help(format!("a name with `-` or `.` is written `{root}[\"{whole}\"]`"));
    }
    error.help(suggest::among(name, known).unwrap_or(format!("declare it as `{section}`")))
}

/// A name that nothing counted has.
pub(super) fn uncounted(names: &Names, uniques: bool, name: &str, span: Span) -> Error {
    let of = |entries: &'_ [CountedName]| entries.iter().any(|entry| entry.name == name);
    fn all(entries: &[CountedName]) -> impl Iterator<Item = &str> {
        entries.iter().map(|entry| entry.name.as_str())
    }
    if uniques {
        let error = Error::new(span, format!("there is no unique `{}`", shown(name)));
        if of(&names.counters) || of(&names.limits) {
            return error.advice("it is counted: read it with `count(...)` or `rate(...)`");
        }
        let near = suggest::among(name, || all(&names.uniques));
        return error.help(near.unwrap_or("declare it as `[[unique]]`".to_owned()));
    }
    let error = Error::new(span, format!("there is no counter or limit `{}`", shown(name)));
    if of(&names.uniques) {
        return error.advice("it is a unique: read it with `uniques(...)`");
    }
    let near = suggest::among(name, || all(&names.counters).chain(all(&names.limits)));
    error.help(near.unwrap_or("declare it as `[[counter]]`".to_owned()))
}

/// The types of a key, in words.
pub(super) fn of_types(types: &[Type]) -> String {
    match types {
        [] => "nothing".to_owned(),
        [one] => format!("one value ({one})"),
        types => {
            let written: Vec<String> = types.iter().map(Type::to_string).collect();
            format!("{} values ({})", types.len(), written.join(", "))
        }
    }
}

/// How many there are.
pub(super) fn is_or_are(count: usize) -> String {
    if count == 1 { "is 1".to_owned() } else { format!("are {count}") }
}

/// A time as a config writes it, such as `1h30m`.
pub(crate) fn span_of_time(time: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = time.as_millis();
    let mut out = String::new();
    for (unit, millis) in UNITS {
        let count = rest / millis;
        rest %= millis;
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}
