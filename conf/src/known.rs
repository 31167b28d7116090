//! What sections may name in one another. All names are known before the first expression is checked, so that a rule may
//! stand above the counter it reads.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::counter::COUNTERS_MAX;
use crate::directory::Directory;
use crate::expr::{CountedName, GeoNames, ListKind, Phase, SessionName, TokenName};
use crate::finding::Check;
use crate::geoip::GeoIp;
use crate::jwt::Jwt;
use crate::key::KeyPart;
use crate::limit::LIMITS_MAX;
use crate::list::List;
use crate::realm::{self, Realm};
use crate::sections::{Section, Sections};
use crate::session::{RawSession, Session};
use crate::site::RawSite;
use crate::unique::UNIQUES_MAX;
use crate::value::{Wrong, shown};

/// The names of a config, and what is known of the things they stand for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) sites: Directory,
    pub(crate) origins: Directory,
    pub(crate) counters: Directory,
    pub(crate) limits: Directory,
    pub(crate) uniques: Directory,
    pub(crate) lists: Directory,
    pub(crate) rules: Directory,
    /// The kinds of the lists, `None` where one is wrong.
    pub(crate) list_kinds: Vec<Option<ListKind>>,
    /// The keys of the counters, limits and uniques, `None` where one is wrong, which was noted.
    pub(crate) counter_keys: Vec<Option<Vec<KeyPart>>>,
    pub(crate) limit_keys: Vec<Option<Vec<KeyPart>>>,
    pub(crate) unique_keys: Vec<Option<Vec<KeyPart>>>,
    /// When the values are known that each unique tells apart; empty until [`crate::unique::lower`] has read them.
    pub(crate) of_phases: Vec<Phase>,
    /// The realms of sessions and tokens; `None` where one of those is wrong, which was noted.
    pub(crate) realms: Option<Vec<Realm>>,
    /// How hard puzzles are where a rule says nothing, in bits; `None` without challenges.
    pub(crate) challenge: Option<u8>,
}

impl Known {
    /// Finds all names, notes those that are there twice, and tells `check` what expressions may name.
    pub(crate) fn new(
        sections: &Sections,
        lists: &[Option<List>],
        (jwts, sessions): (&[Option<Jwt>], &[Option<Session>]),
        geoip: Option<&GeoIp>,
        check: &mut Check<'_>,
    ) -> Known {
        twice(sections, check);
        check.names.lists = lists_by_name(&sections.lists, lists, check);
        check.names.jwts = tokens_by_name(&sections.jwts, jwts, check);
        check.names.sessions = sessions_by_name(&sections.sessions, sessions, check);
        check.scope.begin(&sections.sites, sessions);
        check.names.geoip = match geoip {
            Some(geoip) => geoip.names(),
            // What is wrong with the section was noted; what needs it is not.
            None => GeoNames { country: true, city: true, asn: true },
        };
        let counter_keys = keys(&sections.counters, COUNTERS_MAX, check, |raw, check| raw.key(check));
        let limit_keys = keys(&sections.limits, LIMITS_MAX, check, |raw, check| raw.key(check));
        let unique_keys = keys(&sections.uniques, UNIQUES_MAX, check, |raw, check| raw.key(check));
        check.names.counters = counted(&sections.counters, &counter_keys, check, |raw| raw.retention());
        check.names.limits = counted(&sections.limits, &limit_keys, check, |raw| raw.retention());
        check.names.uniques = counted(&sections.uniques, &unique_keys, check, |raw| raw.retention());
        Known {
            sites: sites(&sections.sites),
            origins: directory("origin", str::to_owned, &sections.origins),
            counters: directory("counter", str::to_owned, &sections.counters),
            limits: directory("limit", str::to_owned, &sections.limits),
            uniques: directory("unique", str::to_owned, &sections.uniques),
            lists: directory("list", str::to_owned, &sections.lists),
            rules: directory("rule", str::to_owned, &sections.rules),
            list_kinds: lists.iter().map(|list| list.as_ref().map(|list| list.kind)).collect(),
            counter_keys,
            limit_keys,
            unique_keys,
            of_phases: Vec::new(),
            realms: realms(sessions, jwts),
            challenge: None,
        }
    }

    /// A counter by its name.
    pub(crate) fn counter(&self, name: &str) -> Result<usize, Wrong> {
        if self.counters.place(name).is_none() && self.limits.place(name).is_some() {
            let wrong = Wrong::new(format!("`{}` is a limit, which counts by itself", shown(name)));
            return Err(wrong.advice("a rule counts in a [[counter]]"));
        }
        self.counters.find(name)
    }
}

/// The names of all sites.
pub(crate) fn sites(sections: &[Section<RawSite>]) -> Directory {
    directory("site", str::to_ascii_lowercase, sections)
}

fn directory<T>(kind: &'static str, identity: fn(&str) -> String, sections: &[Section<T>]) -> Directory {
    Directory::new(kind, identity, sections.iter().map(|section| section.name.as_str()))
}

fn keys<T>(
    sections: &[Section<T>],
    max: usize,
    check: &mut Check<'_>,
    key: impl Fn(&T, &mut Check<'_>) -> Option<Vec<KeyPart>>,
) -> Vec<Option<Vec<KeyPart>>> {
    let sections = sections.iter().take(max);
    let keys = sections.map(|section| {
        check.file = section.file;
        key(section.raw.as_ref()?, check)
    });
    keys.collect()
}

/// What expressions know of something that is counted.
fn counted<T>(
    sections: &[Section<T>],
    keys: &[Option<Vec<KeyPart>>],
    check: &mut Check<'_>,
    retention: impl Fn(&T) -> Option<std::time::Duration>,
) -> Vec<CountedName> {
    let mut names = Vec::new();
    for (section, key) in sections.iter().zip(keys) {
        let retention = section.raw.as_ref().and_then(&retention);
        if key.is_none() || retention.is_none() {
            check.doubt(format!("\"{}\"", section.name));
            check.doubt(format!("'{}'", section.name));
        }
        names.push(CountedName {
            name: section.name.clone(),
            key: key.iter().flatten().map(|part| part.ty().clone()).collect(),
            phase: key.iter().flatten().map(KeyPart::phase).fold(Phase::Connection, Phase::max),
            retention: retention.unwrap_or_default(),
        });
    }
    names
}

fn lists_by_name<T>(sections: &[Section<T>], lists: &[Option<List>], check: &mut Check<'_>) -> Vec<(String, ListKind)> {
    let mut names = Vec::new();
    for (section, list) in sections.iter().zip(lists) {
        if list.is_none() {
            check.doubt(format!("lists.{}", section.name));
        }
        names.push((section.name.clone(), list.as_ref().map_or(ListKind::Strings, |list| list.kind)));
    }
    names
}

fn tokens_by_name<T>(sections: &[Section<T>], jwts: &[Option<Jwt>], check: &mut Check<'_>) -> Vec<TokenName> {
    let mut names = Vec::new();
    for (section, jwt) in sections.iter().zip(jwts) {
        if jwt.is_none() {
            check.doubt(format!("jwt.{}", section.name));
        }
        let claims = jwt.as_ref().map(|jwt| jwt.claims.clone()).unwrap_or_default();
        names.push(TokenName { name: section.name.clone(), claims });
    }
    names
}

/// What one that is wrong itself holds is not known, so that nothing is said of what expressions read of it.
fn sessions_by_name(
    sections: &[Section<RawSession>],
    sessions: &[Option<Session>],
    check: &mut Check<'_>,
) -> Vec<SessionName> {
    if sections.iter().zip(sessions).any(|(_, session)| session.is_none()) {
        check.doubt("session".to_owned());
    }
    let known = sessions.iter().flatten();
    known
        .map(|session| SessionName { attributes: session.attributes.clone(), counters: session.counters.clone() })
        .collect()
}

fn realms(sessions: &[Option<Session>], jwts: &[Option<Jwt>]) -> Option<Vec<Realm>> {
    let is_known = sessions.iter().all(Option::is_some) && jwts.iter().all(Option::is_some);
    is_known.then(|| realm::realms(sessions.iter().flatten(), jwts.iter().flatten()))
}

/// Notes names that are there twice. Counters and limits share theirs, because `count("x")` may mean either.
fn twice(sections: &Sections, check: &mut Check<'_>) {
    let exact: fn(&str) -> String = str::to_owned;
    unique(labels("origin", &sections.origins), exact, check);
    unique(labels("site", &sections.sites), str::to_ascii_lowercase, check);
    unique(labels("list", &sections.lists), exact, check);
    unique(labels("jwt", &sections.jwts), exact, check);
    unique(labels("session", &sections.sessions), exact, check);
    unique([labels("counter", &sections.counters), labels("limit", &sections.limits)].concat(), exact, check);
    unique(labels("unique", &sections.uniques), exact, check);
    unique(labels("rule", &sections.rules), exact, check);
    unique(labels("cache", &sections.caches), exact, check);
    unique(labels("idempotency", &sections.idempotencies), exact, check);
    unique(labels("test", &sections.tests), exact, check);
}

/// A name where it is written.
#[derive(Clone, Debug)]
struct Label<'s> {
    file: usize,
    span: Range<usize>,
    kind: &'static str,
    name: &'s str,
}

fn labels<'s, T>(kind: &'static str, sections: &'s [Section<T>]) -> Vec<Label<'s>> {
    let named = sections.iter().filter(|section| !section.name.is_empty());
    named.map(|section| Label { file: section.file, span: section.label.clone(), kind, name: &section.name }).collect()
}

/// Notes each repetition with the place of the first.
fn unique(mut labels: Vec<Label<'_>>, identity: fn(&str) -> String, check: &mut Check<'_>) {
    labels.sort_by_key(|label| (label.file, label.span.start));
    let mut first: BTreeMap<String, Label<'_>> = BTreeMap::new();
    for label in labels {
        let Some(earlier) = first.get(&identity(label.name)) else {
            first.insert(identity(label.name), label);
            continue;
        };
        let place = check.sources.get(earlier.file).map(|source| source.place(earlier.span.start));
        let (kind, name) = (label.kind, shown(label.name));
        let wrong = if kind == earlier.kind {
            let wrong = Wrong::new(format!("{kind} \"{name}\" is there twice"));
            wrong.help(place.map(|place| format!("the first one is at {place}")))
        } else {
            let wrong = Wrong::new(format!("{kind} \"{name}\" has the name of a {}", earlier.kind));
            let help = |place| format!("`count(\"{name}\")` could mean either; the {} is at {place}", earlier.kind);
            wrong.help(place.map(help))
        };
        check.file = label.file;
        check.note(label.span, wrong);
    }
}
