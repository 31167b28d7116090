//! The state a test starts with.

use std::time::Duration;

use super::Given;
use super::raw::RawGiven;
use crate::finding::Check;
use crate::key::KeyPart;
use crate::known::Known;
use crate::list;
use crate::raw::{At, DurationText, Text};
use crate::suggest;
use crate::value::{Patterns, Wrong, duration, ip, network, shown, some_time};

/// The most that something has counted.
const N_MAX: u64 = 1_000_000;
/// The most POPs of a roster.
const POPS_MAX: u64 = 65_535;

/// The keys of an element, by what it is about: the first one says so, and others have no business there.
const KINDS: [(&str, &[&str]); 5] = [
    ("count", &["key", "n"]),
    ("unique", &["key", "n"]),
    ("ban", &["for"]),
    ("list", &["add", "for"]),
    ("peers", &["of", "lag"]),
];

/// Checks one element of `given`.
pub(super) fn lower(written: &At<RawGiven>, known: &Known, check: &mut Check<'_>) -> Option<Given> {
    let raw = &written.value;
    let kind = kind(written, check)?;
    match kind {
        "count" => counted(written, known, check),
        "unique" => {
            let unique = check.value(raw.unique.as_ref()?, |text| known.uniques.find(text));
            let key = key(written, unique.map(|unique| known.unique_keys.get(unique)?.as_deref()), check);
            let n = number(written, check);
            Some(Given::Unique(unique?, key?, n?))
        }
        "ban" => {
            let net = raw.ban.as_ref()?;
            let net = check
                .value(net, |text| ip(text).map(drop).or_else(|_| network(text).map(drop)).map(|()| text.to_owned()));
            let length = length(written, check);
            Some(Given::Ban(net?, length?))
        }
        "list" => listed(written, known, check),
        _ => {
            let heard: Option<u16> = check.number(raw.peers.as_ref(), 1..POPS_MAX + 1, 1);
            let of: Option<u16> =
                needed(written, raw.of.as_ref(), "of", check).and_then(|of| check.number(Some(of), 1..POPS_MAX + 1, 1));
            let lag = check.value_or(raw.lag.as_ref(), Duration::ZERO, duration);
            let (heard, of) = (heard?, of?);
            if heard > of {
                let wrong = format!("{heard} POPs are heard of {of}");
                check.note(raw.peers.as_ref()?.span(), Wrong::new(wrong));
                return None;
            }
            Some(Given::Peers(heard, of, lag?))
        }
    }
}

/// What an element is about; notes keys that do not belong to that.
fn kind(written: &At<RawGiven>, check: &mut Check<'_>) -> Option<&'static str> {
    let raw = &written.value;
    let keys = [
        ("count", raw.count.as_ref().map(At::span)),
        ("unique", raw.unique.as_ref().map(At::span)),
        ("ban", raw.ban.as_ref().map(At::span)),
        ("list", raw.list.as_ref().map(At::span)),
        ("peers", raw.peers.as_ref().map(At::span)),
        ("key", raw.key.as_ref().map(At::span)),
        ("n", raw.n.as_ref().map(At::span)),
        ("add", raw.add.as_ref().map(At::span)),
        ("for", raw.length.as_ref().map(At::span)),
        ("of", raw.of.as_ref().map(At::span)),
        ("lag", raw.lag.as_ref().map(At::span)),
    ];
    let there: Vec<_> = keys.into_iter().filter_map(|(key, span)| Some((key, span?))).collect();
    let kind = KINDS.iter().find(|(kind, _)| there.iter().any(|(key, _)| key == kind));
    let Some((kind, others)) = kind else {
        let wrong = Wrong::new("this says nothing of the state");
        check.note(
            written.span(),
            wrong.advice("one of `count`, `unique`, `ban`, `list` and `peers` says what is given"),
        );
        return None;
    };
    let strange: Vec<_> = there.into_iter().filter(|(key, _)| key != kind && !others.contains(key)).collect();
    for (key, span) in &strange {
        let wrong = Wrong::new(format!("`{key}` does not belong to `{kind}`"));
        check.note(span.clone(), wrong.advice("each element of `given` is one thing"));
    }
    strange.is_empty().then_some(*kind)
}

/// A counter's or a limit's count.
fn counted(written: &At<RawGiven>, known: &Known, check: &mut Check<'_>) -> Option<Given> {
    let given: fn(usize, Vec<String>, u32) -> Given;
    let (place, parts) = match check.value(written.value.count.as_ref()?, |text| {
        match (known.counters.place(text), known.limits.place(text)) {
            (Some(counter), _) => Ok((Some(counter), None)),
            (None, Some(limit)) => Ok((None, Some(limit))),
            (None, None) => {
                let names = || known.counters.names().chain(known.limits.names());
                let wrong = Wrong::new(format!("there is no counter or limit `{}`", shown(text)));
                Err(wrong.help(suggest::among(text, names)))
            }
        }
    }) {
        Some((Some(counter), _)) => {
            given = Given::Counter;
            (Some(counter), Some(known.counter_keys.get(counter)?.as_deref()))
        }
        Some((None, Some(limit))) => {
            given = Given::Limit;
            (Some(limit), Some(known.limit_keys.get(limit)?.as_deref()))
        }
        _ => {
            given = Given::Counter;
            (None, None)
        }
    };
    let key = key(written, parts, check);
    let n = number(written, check);
    Some(given(place?, key?, n?))
}

fn listed(written: &At<RawGiven>, known: &Known, check: &mut Check<'_>) -> Option<Given> {
    let raw = &written.value;
    let name = raw.list.as_ref()?;
    let list = check.value(name, |text| known.lists.find(text));
    let kind = list.and_then(|list| *known.list_kinds.get(list)?);
    let add = needed(written, raw.add.as_ref(), "add", check);
    let length = length(written, check);
    let kind = kind?;
    if !list::grows(kind) {
        let wrong = Wrong::new(format!("the list `{}` is fixed", shown(name.value.as_ref())));
        let help = "only lists of kind \"addresses\" and \"strings\" can change while the node runs";
        check.note(name.span(), wrong.advice(help));
        return None;
    }
    let element = check.value(add?, |text| list::element(kind, text, &Patterns::default()));
    Some(Given::Listed(list?, element?, length?))
}

/// The values of a key; `parts` are those of the thing that counts, as far as they are known.
fn key(written: &At<RawGiven>, parts: Option<Option<&[KeyPart]>>, check: &mut Check<'_>) -> Option<Vec<String>> {
    let parts = parts??;
    let values: &[At<Text>] = written.value.key.as_ref().map_or(&[], |key| &key.value);
    if values.len() != parts.len() {
        let span = written.value.key.as_ref().map_or(written.span(), At::span);
        let message = format!("the key has {} parts, and here are {} values", parts.len(), values.len());
        check.note(span, Wrong::new(message).advice("write one value for each part, in their order"));
        return None;
    }
    let values: Vec<_> = values
        .iter()
        .zip(parts)
        .map(|(value, part)| check.value(value, |text| part.accepts(text).map(|()| text.to_owned())))
        .collect();
    values.into_iter().collect()
}

fn number(written: &At<RawGiven>, check: &mut Check<'_>) -> Option<u32> {
    let n = needed(written, written.value.n.as_ref(), "n", check)?;
    check.number(Some(n), 1..N_MAX + 1, 1)
}

fn length(written: &At<RawGiven>, check: &mut Check<'_>) -> Option<Duration> {
    let length: &At<DurationText> = needed(written, written.value.length.as_ref(), "for", check)?;
    check.value(length, some_time)
}

/// A key without which an element says nothing.
fn needed<'w, T>(
    written: &At<RawGiven>,
    value: Option<&'w At<T>>,
    key: &str,
    check: &mut Check<'_>,
) -> Option<&'w At<T>> {
    if value.is_none() {
        check.note(written.span(), Wrong::new(format!("this has no `{key}`")));
    }
    value
}
