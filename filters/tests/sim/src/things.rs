//! What the origin has, and what of it a purge is about.

use http::HeaderMap;
use selvedge_filters::cache::{KeyParts, Scheme};
use selvedge_filters::purge::{Name, Tags, Wanted, names, tags};

/// How many things there are.
pub(crate) const THINGS: usize = 40;

const HOSTS: [&str; 2] = ["a.example", "b.example:8443"];
const FOLDERS: [&str; 3] = ["/news", "/news/today", "/img"];
const TAGS: usize = 5;

/// How long things are fresh, ms.
const FRESH: [u64; 4] = [800, 60_000, 2_000, 20_000];

/// One thing.
#[derive(Debug)]
pub(crate) struct Thing {
    host: &'static str,
    folder: &'static str,
    path: String,
    labels: Vec<String>,
    tags: Tags,
    /// The POP that others fill through; None where all ask the origin.
    pub(crate) parent: Option<usize>,
    /// How long it is fresh, ms.
    pub(crate) fresh: u64,
}

/// All of them. Two in three have a parent among so many POPs.
pub(crate) fn things(pops: usize) -> Vec<Thing> {
    (0..THINGS).map(|nth| Thing::new(nth, (nth % 3 > 0).then_some(nth % pops))).collect()
}

impl Thing {
    fn new(nth: usize, parent: Option<usize>) -> Thing {
        let (host, folder) = (HOSTS[nth % HOSTS.len()], FOLDERS[nth / 2 % FOLDERS.len()]);
        let labels = vec![format!("tag-{}", nth % TAGS), format!("half-{}", nth / (THINGS / 2))];
        let mut headers = HeaderMap::new();
        headers.insert("surrogate-key", labels.join(" ").parse().expect("a value"));
        let tags = tags(&headers, &[]).expect("few tags");
        Thing { host, folder, path: format!("{folder}/{nth}"), labels, tags, parent, fresh: FRESH[nth % FRESH.len()] }
    }

    /// All names that it is purged by, as what stores it makes them.
    pub(crate) fn names(&self) -> Vec<Name<'_>> {
        let parts =
            KeyParts { scheme: Scheme::Https, authority: self.host, path: &self.path, query: None, origin: None };
        names(&[parts], &self.tags)
    }
}

/// What a purge is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    All,
    Host(&'static str),
    Prefix(&'static str, &'static str),
    Tag(String),
    Url(usize),
}

impl Target {
    /// Small ones more often than great ones.
    pub(crate) fn draw(rng: &mut fastrand::Rng, things: &[Thing]) -> Target {
        let nth = rng.usize(..things.len());
        let thing = &things[nth];
        match rng.u8(..100) {
            0 => Target::All,
            1..4 => Target::Host(thing.host),
            4..14 => Target::Prefix(thing.host, thing.folder),
            14..30 => Target::Tag(thing.labels[rng.usize(..4) / 3].clone()),
            _ => Target::Url(nth),
        }
    }

    /// As somebody asks for it.
    pub(crate) fn wanted(&self, things: &[Thing]) -> Wanted {
        let wanted = match self {
            Target::All => Ok(Wanted::All),
            Target::Host(host) => Wanted::host(host),
            Target::Prefix(host, folder) => Wanted::prefix(&format!("{host}{folder}")),
            Target::Tag(tag) => Wanted::tag(tag),
            Target::Url(nth) => Wanted::url(&format!("HTTPS://{}{}", things[*nth].host, things[*nth].path)),
        };
        wanted.expect("it can be purged")
    }

    /// Whether it is about something, by slow and obvious means.
    pub(crate) fn is_about(&self, nth: usize, thing: &Thing) -> bool {
        match self {
            Target::All => true,
            Target::Host(host) => thing.host == *host,
            Target::Prefix(host, folder) => thing.host == *host && thing.path.starts_with(&format!("{folder}/")),
            Target::Tag(tag) => thing.labels.contains(tag),
            Target::Url(url) => *url == nth,
        }
    }
}
