//! The sections of all files, each read on its own: a mistake in one does not hide a mistake in the next.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::admin::RawAdmin;
use crate::cluster::RawCluster;
use crate::document::{Key, Value, in_order};
use crate::finding::Check;
use crate::keys::{self, Keys};
use crate::limit::RawLimit;
use crate::listen::RawListen;
use crate::origin::RawOrigin;
use crate::pop::RawPop;
use crate::site::RawSite;
use crate::storage::RawStorage;
use crate::suggest;
use crate::value::{Wrong, shown};

/// One section as it was read: which file, which header, which name.
pub(crate) struct Section<T> {
    pub(crate) file: usize,
    pub(crate) head: Range<usize>,
    /// The name in the header; empty for sections without one.
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
    pub(crate) origins: Vec<Section<RawOrigin>>,
    pub(crate) sites: Vec<Section<RawSite>>,
    pub(crate) limits: Vec<Section<RawLimit>>,
}

const NAMES: [&str; 9] = ["include", "pop", "listen", "admin", "cluster", "storage", "origin", "site", "limit"];

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
                "origin" => named(&mut self.origins, key, value, inner, check),
                "site" => named(&mut self.sites, key, value, inner, check),
                "limit" => listed(&mut self.limits, key, value, inner, check),
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
        table(value, schema, &format!("[{name}]"), key.span(), check)
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
    *slot = Some(Section { file: check.file, head: key.span(), name: String::new(), raw });
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
                None => table(value, schema, &format!("{kind} \"{}\"", shown(&name)), head.clone(), check),
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
        into.push(Section { file: check.file, head, name, raw });
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
        let name = within.get("name").and_then(|name| name.get_ref().as_str()).map(str::to_owned).unwrap_or_default();
        let what = if name.is_empty() { format!("this {kind}") } else { format!("{kind} \"{}\"", shown(&name)) };
        let raw = table(element, items, &what, head.clone(), check);
        into.push(Section { file: check.file, head, name, raw });
    }
}

/// Reads one table: its keys, all of them; then its types, up to the first wrong one.
fn table<T: DeserializeOwned>(
    mut value: Value<'_>,
    schema: &Json,
    what: &str,
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
            check.note(error.span().unwrap_or(head), Wrong::new(type_error(error.message())));
            None
        }
    }
}

/// Serde says "invalid type: found, expected wanted"; people ask what was wanted first.
fn type_error(message: &str) -> String {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match rest.and_then(|rest| rest.split_once(", expected ")) {
        Some((found, wanted)) => format!("expected {wanted}, found {}", shown(found)),
        None => message.to_owned(),
    }
}

/// The table an optional section may be.
fn alternative(schema: &Json) -> &Json {
    let alternatives = schema.get("anyOf").and_then(Json::as_array);
    alternatives.and_then(|all| all.iter().find(|one| one.get("properties").is_some())).unwrap_or(schema)
}

/// Finds names that are there twice, and notes each repetition with the place of the first.
pub(crate) fn unique<T>(
    sections: &[Section<T>],
    kind: &str,
    identity: impl Fn(&str) -> String,
    head: impl Fn(&Section<T>) -> Range<usize>,
    check: &mut Check<'_>,
) {
    let mut first: BTreeMap<String, &Section<T>> = BTreeMap::new();
    for section in sections.iter().filter(|section| !section.name.is_empty()) {
        let Some(earlier) = first.get(&identity(&section.name)) else {
            first.insert(identity(&section.name), section);
            continue;
        };
        let place = check.sources.get(earlier.file).map(|source| source.place(head(earlier).start));
        let wrong = Wrong::new(format!("{kind} \"{}\" is there twice", shown(&section.name)));
        check.file = section.file;
        check.note(head(section), wrong.help(place.map(|place| format!("the first one is at {place}"))));
    }
}

/// Notes more than `max` sections, at the first one too many.
pub(crate) fn at_most<T>(sections: &[Section<T>], max: usize, kind: &str, check: &mut Check<'_>) -> Option<()> {
    let Some(excess) = sections.get(max) else { return Some(()) };
    check.file = excess.file;
    check.note(excess.head.clone(), Wrong::new(format!("{} {kind}; at most {max} fit in one config", sections.len())));
    None
}
