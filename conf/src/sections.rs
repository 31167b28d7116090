//! The sections of all files, each read on its own: a mistake in one does not hide a mistake in the next.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::admin::RawAdmin;
use crate::cache::RawCachePolicy;
use crate::challenge::RawChallenge;
use crate::cluster::RawCluster;
use crate::compression::RawCompression;
use crate::counter::RawCounter;
use crate::document::{Key, Value, in_order};
use crate::finding::Check;
use crate::geoip::RawGeoIp;
use crate::idempotency::RawIdempotency;
use crate::jwt::RawJwt;
use crate::keys::{self, Keys};
use crate::limit::RawLimit;
use crate::list::RawList;
use crate::listen::RawListen;
use crate::origin::RawOrigin;
use crate::pop::RawPop;
use crate::purge::RawPurge;
use crate::rule::{self, RawRule};
use crate::session::RawSession;
use crate::site::RawSite;
use crate::storage::RawStorage;
use crate::suggest;
use crate::test::RawTest;
use crate::unique::RawUnique;
use crate::value::{Wrong, shown};

/// One section as it was read: which file, which header, which name.
pub(crate) struct Section<T> {
    pub(crate) file: usize,
    pub(crate) head: Range<usize>,
    /// Where its name is written; `head` for sections without one.
    pub(crate) label: Range<usize>,
    /// Its name, empty for sections without one.
    pub(crate) name: String,
    /// `None` if the section was there and could not be read.
    pub(crate) raw: Option<T>,
}

/// The sections of all files, in the order they were written.
#[derive(Default)]
pub(crate) struct Sections {
    pub(crate) pop: Option<Section<RawPop>>,
    pub(crate) listen: Option<Section<RawListen>>,
    pub(crate) admin: Option<Section<RawAdmin>>,
    pub(crate) cluster: Option<Section<RawCluster>>,
    pub(crate) storage: Option<Section<RawStorage>>,
    pub(crate) purge: Option<Section<RawPurge>>,
    pub(crate) compression: Option<Section<RawCompression>>,
    pub(crate) challenge: Option<Section<RawChallenge>>,
    pub(crate) origins: Vec<Section<RawOrigin>>,
    pub(crate) sites: Vec<Section<RawSite>>,
    pub(crate) lists: Vec<Section<RawList>>,
    pub(crate) geoip: Option<Section<RawGeoIp>>,
    pub(crate) jwts: Vec<Section<RawJwt>>,
    pub(crate) sessions: Vec<Section<RawSession>>,
    pub(crate) counters: Vec<Section<RawCounter>>,
    pub(crate) uniques: Vec<Section<RawUnique>>,
    pub(crate) rules: Vec<Section<RawRule>>,
    pub(crate) limits: Vec<Section<RawLimit>>,
    pub(crate) caches: Vec<Section<RawCachePolicy>>,
    pub(crate) idempotencies: Vec<Section<RawIdempotency>>,
    pub(crate) tests: Vec<Section<RawTest>>,
}

const NAMES: [&str; 22] = [
    "include",
    "pop",
    "listen",
    "admin",
    "cluster",
    "storage",
    "purge",
    "compression",
    "challenge",
    "origin",
    "site",
    "list",
    "geoip",
    "jwt",
    "session",
    "counter",
    "unique",
    "rule",
    "limit",
    "cache",
    "idempotency",
    "test",
];

impl Sections {
    /// Adds the sections of one file. `schema` is the schema of a whole file.
    pub(crate) fn add(&mut self, table: DeTable<'_>, schema: &Json, check: &mut Check<'_>) {
        for (key, value) in in_order(table) {
            let inner = schema.get("properties").and_then(|all| all.get(key.get_ref().as_ref())).unwrap_or(&Json::Null);
            match key.get_ref().as_ref() {
                "pop" => single(&mut self.pop, key, value, inner, check),
                "listen" => single(&mut self.listen, key, value, inner, check),
                "admin" => single(&mut self.admin, key, value, inner, check),
                "cluster" => single(&mut self.cluster, key, value, inner, check),
                "storage" => single(&mut self.storage, key, value, inner, check),
                "purge" => single(&mut self.purge, key, value, inner, check),
                "compression" => single(&mut self.compression, key, value, inner, check),
                "challenge" => single(&mut self.challenge, key, value, inner, check),
                "origin" => named(&mut self.origins, key, value, inner, check),
                "site" => named(&mut self.sites, key, value, inner, check),
                "list" => named(&mut self.lists, key, value, inner, check),
                "geoip" => single(&mut self.geoip, key, value, inner, check),
                "jwt" => named(&mut self.jwts, key, value, inner, check),
                "session" => named(&mut self.sessions, key, value, inner, check),
                "counter" => listed(&mut self.counters, key, value, inner, check),
                "unique" => listed(&mut self.uniques, key, value, inner, check),
                "rule" => listed(&mut self.rules, key, value, inner, check),
                "limit" => listed(&mut self.limits, key, value, inner, check),
                "cache" => listed(&mut self.caches, key, value, inner, check),
                "idempotency" => listed(&mut self.idempotencies, key, value, inner, check),
                "test" => listed(&mut self.tests, key, value, inner, check),
                "include" => {}
                unknown => {
                    let wrong = Wrong::new(format!("unknown section `{}`", shown(unknown)));
                    check.note(key.span(), wrong.help(suggest::among(unknown, || NAMES)));
                }
            }
        }
    }
}

/// `[pop]`: a section that is there once in all files.
fn single<T: DeserializeOwned>(
    slot: &mut Option<Section<T>>,
    key: Key<'_>,
    value: Value<'_>,
    schema: &Json,
    check: &mut Check<'_>,
) {
    let name = key.get_ref().clone();
    let schema = alternative(schema);
    let raw = if matches!(value.get_ref(), DeValue::Table(_)) {
        table(value, schema, &format_args!("[{name}]"), key.span(), check)
    } else {
        let wrong = Wrong::new(format!("`{name}` is a section"));
        check.note(key.span(), wrong.help(format!("write it once, as [{name}]")));
        None
    };
    if let Some(first) = slot {
        let place = check.sources.get(first.file).map(|source| source.place(first.head.start));
        let wrong = Wrong::new(format!("[{name}] is there twice"));
        check.note(key.span(), wrong.help(place.map(|place| format!("the first one is at {place}"))));
        return;
    }
    let head = key.span();
    *slot = Some(Section { file: check.file, label: head.clone(), head, name: String::new(), raw });
}

/// `[origin.NAME]`: a table of sections by name.
fn named<T: DeserializeOwned>(
    into: &mut Vec<Section<T>>,
    key: Key<'_>,
    value: Value<'_>,
    schema: &Json,
    check: &mut Check<'_>,
) {
    let kind = key.get_ref().clone();
    let schema = schema.get("additionalProperties").unwrap_or(&Json::Null);
    let DeValue::Table(sections) = value.into_inner() else {
        let wrong = Wrong::new(format!("`{kind}` holds sections by name"));
        check.note(key.span(), wrong.help(format!("write each as [{kind}.\"its name\"]")));
        return;
    };
    for (name, value) in in_order(sections) {
        let head = name.span();
        let name = name.into_inner().into_owned();
        let raw = match value.get_ref() {
            DeValue::Table(within) => match dotted(&name, within, schema) {
                None => table(value, schema, &format_args!("{kind} \"{}\"", shown(&name)), head.clone(), check),
                Some(whole) => {
                    let wrong = Wrong::new(format!("a name with dots needs quotes in [{kind}.{}]", shown(&whole)));
                    check.note(head.clone(), wrong.help(format!("write [{kind}.\"{}\"]", shown(&whole))));
                    None
                }
            },
            _ => {
                let wrong = Wrong::new(format!("`{}` is not a section", shown(&name)));
                check.note(head.clone(), wrong.help(format!("{kind}s have a name: write [{kind}.\"its name\"]")));
                None
            }
        };
        into.push(Section { file: check.file, label: head.clone(), head, name, raw });
    }
}

/// TOML reads `[site.www.example.com]` as tables within tables. This is the name that was meant, if it looks like that.
fn dotted(name: &str, table: &DeTable<'_>, schema: &Json) -> Option<String> {
    let known = |key: &str| schema.get("properties").is_some_and(|all| all.get(key).is_some());
    let mut whole = name.to_owned();
    let mut within = table;
    while let Some((key, value)) = within.iter().next().filter(|(key, _)| !known(key.get_ref())) {
        let DeValue::Table(next) = value.get_ref() else { return None };
        whole = format!("{whole}.{}", key.get_ref());
        within = next;
    }
    (whole != name).then_some(whole)
}

/// `[[limit]]`: a list of sections.
fn listed<T: DeserializeOwned>(
    into: &mut Vec<Section<T>>,
    key: Key<'_>,
    value: Value<'_>,
    schema: &Json,
    check: &mut Check<'_>,
) {
    let kind = key.get_ref().clone();
    let items = schema.get("items").unwrap_or(&Json::Null);
    let DeValue::Array(elements) = value.into_inner() else {
        check.note(
            key.span(),
            Wrong::new(format!("`{kind}` is a list of sections")).help(format!("write each as [[{kind}]]")),
        );
        return;
    };
    for element in elements {
        let head = element.span();
        let DeValue::Table(within) = element.get_ref() else {
            let wrong = Wrong::new(format!("`{kind}` is a list of sections"));
            check.note(head, wrong.help(format!("write each as [[{kind}]]")));
            continue;
        };
        let written = within.get("name");
        let label = written.map_or(head.clone(), |name| name.span());
        let name = written.and_then(|name| name.get_ref().as_str()).unwrap_or_default().to_owned();
        let what = fmt::from_fn(|f| match name.as_str() {
            "" => write!(f, "this {kind}"),
            name => write!(f, "{kind} \"{}\"", shown(name)),
        });
        let raw = table(element, items, &what, head.clone(), check);
        into.push(Section { file: check.file, head, label, name, raw });
    }
}

/// Reads one table: its keys, all of them; then its types, up to the first wrong one.
fn table<T: DeserializeOwned>(
    mut value: Value<'_>,
    schema: &Json,
    what: &dyn fmt::Display,
    head: Range<usize>,
    check: &mut Check<'_>,
) -> Option<T> {
    let DeValue::Table(within) = value.get_mut() else { return None };
    if keys::check(within, schema, what, head.clone(), check) == Keys::Incomplete {
        return None;
    }
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(raw) => Some(raw),
        Err(error) => {
            let span = error.span().unwrap_or(head);
            let text = check.sources.get(check.file).and_then(|source| source.text.get(..span.start));
            // Others have keys of these names, too.
            let what = what.to_string();
            let of_rule = what.starts_with("rule ") || what == "this rule";
            let help = text.filter(|_| of_rule).and_then(key_before).and_then(rule::written);
            check.note(span, Wrong::new(type_error(error.message())).help(help.map(str::to_owned)));
            None
        }
    }
}

/// The key whose value starts where this text ends.
fn key_before(text: &str) -> Option<&str> {
    let key = text.trim_end().strip_suffix('=')?.trim_end();
    let start = key.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |before| before + 1);
    key.get(start..)
}

/// Serde says "invalid type: found, expected wanted"; people ask what was wanted first.
fn type_error(message: &str) -> String {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match rest.and_then(|rest| rest.split_once(", expected ")) {
        Some((found, wanted)) => format!("expected {}, found {}", plain(wanted), shown(found)),
        None => message.to_owned(),
    }
}

/// Serde names what it wants in terms of Rust.
fn plain(wanted: &str) -> &str {
    match wanted {
        "a sequence" => "a list in brackets",
        "a boolean" => "true or false",
        _ if wanted.starts_with("struct ") => "a table, such as { key = \"value\" }",
        _ => wanted,
    }
}

/// The table an optional section may be.
fn alternative(schema: &Json) -> &Json {
    let alternatives = schema.get("anyOf").and_then(Json::as_array);
    alternatives.and_then(|all| all.iter().find(|one| one.get("properties").is_some())).unwrap_or(schema)
}

/// Notes more than `max` sections, at the first one too many.
pub(crate) fn at_most<T>(sections: &[Section<T>], max: usize, kind: &str, check: &mut Check<'_>) -> Option<()> {
    let Some(excess) = sections.get(max) else { return Some(()) };
    check.file = excess.file;
    check.note(excess.head.clone(), Wrong::new(format!("{} {kind}; at most {max} fit in one config", sections.len())));
    None
}
