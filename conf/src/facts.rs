//! From the sections of all files to a [`Config`]: each checked to its end before the next begins, names before what uses
//! them.

use std::hash::Hasher;
use std::ops::Range;

use siphasher::sip::SipHasher13;

use crate::admin::RawAdmin;
use crate::finding::Check;
use crate::known::{self, Known};
use crate::listen::{Listen, RawListen};
use crate::origin::Company;
use crate::pop::RawPop;
use crate::sections::{Section, Sections};
use crate::storage::{RawStorage, Storage};
use crate::value::Wrong;
use crate::{
    Config, cache, challenge, counter, idempotency, jwt, limit, list, origin, realm, rule, session, site, test, unique,
};

/// Checks everything; `None` if anything was noted on the way to a fact.
pub(crate) fn facts(mut sections: Sections, check: &mut Check<'_>) -> Option<Config> {
    let pop = section(sections.pop.take().unwrap_or_else(absent::<RawPop>), check, |raw, _, check| raw.lower(check));
    let listen = self::listen(sections.listen.take(), check);
    let admin =
        section(sections.admin.take().unwrap_or_else(absent::<RawAdmin>), check, |raw, _, check| raw.lower(check));
    let company = if sections.cluster.is_some() { Company::Cluster } else { Company::Alone };
    let cluster = optional(sections.cluster.take(), check, |raw, _, check| raw.lower(check));
    let storage =
        section(sections.storage.take().unwrap_or_else(absent::<RawStorage>), check, |raw, _, check| raw.lower(check));
    let purge = optional(sections.purge.take(), check, |raw, _, check| raw.lower(check));
    let compression = optional(sections.compression.take(), check, |raw, _, check| raw.lower(check));
    check.names.challenge = sections.challenge.is_some();
    let challenge = optional(sections.challenge.take(), check, |raw, head, check| raw.lower(&head, check));
    let geoip = optional(sections.geoip.take(), check, |raw, head, check| raw.lower(head, check));
    let geoip = geoip.map(Option::unwrap_or_default);
    let lists = list::lower(&sections.lists, check);
    let jwts = jwt::lower(&sections.jwts, check);
    let sites = known::sites(&sections.sites);
    let sessions = session::lower(&sections.sessions, &sites, check);
    let mut known = Known::new(
        &sections,
        lists.as_deref().unwrap_or_default(),
        (jwts.as_deref().unwrap_or_default(), sessions.as_deref().unwrap_or_default()),
        geoip.as_ref(),
        check,
    );
    known.challenge = match &challenge {
        Some(challenge) => challenge.as_ref().map(|challenge| challenge.difficulty),
        // What is wrong with the section was noted; what needs it is not.
        None => Some(challenge::BITS_DEFAULT),
    };
    let origins = origin::lower(&sections.origins, company, check);
    let sites = site::lower(&sections.sites, &known, check);
    let counters = counter::lower(&sections.counters, &known, check);
    let uniques = unique::lower(&sections.uniques, &mut known, check);
    let rules = rule::lower(&sections.rules, &known, check);
    let limits = limit::lower(&sections.limits, &known, check);
    let largest = storage.as_ref().map(Storage::largest);
    let caches = cache::lower(&sections.caches, largest, &known, check);
    let state = storage.as_ref().map(|storage| storage.state.is_some());
    let idempotencies = idempotency::lower(&sections.idempotencies, state, &known, check);
    let tests = test::lower(&sections.tests, &known, check);
    let jwts: Vec<_> = jwts?.into_iter().collect::<Option<_>>()?;
    let sessions: Vec<_> = sessions?.into_iter().collect::<Option<_>>()?;
    Some(Config {
        pop: pop?,
        listen: listen?,
        admin: admin?,
        cluster: cluster?,
        storage: storage?,
        purge: purge?,
        compression: compression?,
        challenge: challenge?,
        origins: origins?,
        sites: sites?,
        limits: limits?,
        lists: lists?.into_iter().collect::<Option<_>>()?,
        geoip: geoip?,
        realms: realm::realms(&sessions, &jwts),
        jwts,
        sessions,
        counters: counters?,
        uniques: uniques?,
        rules: rules?,
        caches: caches?,
        idempotencies: idempotencies?,
        tests: tests?,
        files: check.sources.iter().map(|source| source.path.clone()).collect(),
        revision: revision(check.sources.iter().map(|source| &*source.text)),
    })
}

fn listen(written: Option<Section<RawListen>>, check: &mut Check<'_>) -> Option<Listen> {
    if let Some(written) = written {
        return section(written, check, RawListen::lower);
    }
    check.file = 0;
    let wrong = Wrong::new("there is no [listen]");
    check.note(0..0, wrong.advice("say where clients connect:\n[listen]\nhttp = [\"0.0.0.0:8080\"]"));
    None
}

/// A section that was not written: all defaults.
fn absent<T: Default>() -> Section<T> {
    Section { file: 0, head: 0..0, label: 0..0, name: String::new(), raw: Some(T::default()) }
}

fn section<T, F>(
    section: Section<T>,
    check: &mut Check<'_>,
    lower: impl FnOnce(T, Range<usize>, &mut Check<'_>) -> Option<F>,
) -> Option<F> {
    check.file = section.file;
    lower(section.raw?, section.head, check)
}

/// A section that may be left out: `None` if it is wrong.
fn optional<T, F>(
    written: Option<Section<T>>,
    check: &mut Check<'_>,
    lower: impl FnOnce(T, Range<usize>, &mut Check<'_>) -> Option<F>,
) -> Option<Option<F>> {
    match written {
        None => Some(None),
        Some(written) => section(written, check, lower).map(Some),
    }
}

/// The first 8 hexadecimal digits of a hash of all texts. It tells configs apart for people; nothing rests on it.
fn revision<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut hasher = SipHasher13::new();
    for text in texts {
        hasher.write_u64(text.len() as u64);
        hasher.write(text.as_bytes());
    }
    format!("{:08x}", hasher.finish() >> 32)
}
