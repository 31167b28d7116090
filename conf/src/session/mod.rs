//! Sessions: which cookie names them, how long they last, and what they hold.

mod attribute;
mod cookie;
mod raw;

use std::path::PathBuf;
use std::time::Duration;

use crate::directory::Directory;
use crate::expr::Type;
use crate::finding::Check;
use crate::place::Place;
use crate::sections::{Section, at_most};
use crate::value::Wrong;
pub use attribute::{ATTRIBUTES_MAX, COUNTERS_OF_SESSION_MAX};
pub(crate) use raw::RawSession;

/// `[session.NAME]`: one kind of session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its name, which is a part of what its cookies are signed by.
    pub name: String,
    /// Files of secrets, 1 to [`SESSION_KEYS_MAX`]: the first signs, and all are believed.
    pub keys: Vec<PathBuf>,
    /// The cookie.
    pub cookie: Cookie,
    /// Whether a cookie is good at the site alone that gave it.
    pub per_site: bool,
    /// After how long without a request a session is over. At most `absolute`.
    pub idle: Duration,
    /// After how long a session is over, whatever happens.
    pub absolute: Duration,
    /// How often it is written that a session was seen. Shorter than `idle`.
    pub seen_every: Duration,
    /// What it holds, each a bool, an int or a string; at most [`ATTRIBUTES_MAX`].
    pub attributes: Vec<(String, Type)>,
    /// What it counts; at most [`COUNTERS_OF_SESSION_MAX`].
    pub counters: Vec<String>,
    /// The longest string of an attribute, bytes.
    pub value_max: usize,
    /// The attributes that origins are told, by their places.
    pub headers: Vec<usize>,
    /// Within what its users and tenants have their names.
    pub realm: String,
    /// The attribute that says whose it is, by its place: a string or an int.
    pub user: Option<usize>,
    /// The attribute that says of which tenant it is, by its place: a string or an int.
    pub tenant: Option<usize>,
    /// Indexes into [`crate::Config::sites`]; empty means all sites. No site has two.
    pub sites: Vec<usize>,
    /// How long a request waits for what its client knows of and this node does not.
    pub wait: Duration,
    /// How long it waits for it to be fetched from who wrote it; not at all when zero.
    pub fetch: Duration,
    /// Where it is written.
    pub place: Place,
}

/// The cookie of a session (RFC 6265, and 6265bis for `SameSite` and what names begin with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// The domain whose hosts all get it; the host alone when absent.
    pub domain: Option<String>,
    /// Which requests of other sites it comes with.
    pub same_site: SameSite,
    /// Whether it is sent over TLS alone.
    pub secure: bool,
}

/// With which requests that another site causes a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Those that go to a page.
    Lax,
    /// All.
    None,
}

/// The most kinds of sessions of one config.
pub const SESSIONS_MAX: usize = 16;
/// The most secrets of one of them.
pub const SESSION_KEYS_MAX: usize = 4;

impl Session {
    /// What is worth a word though nothing is wrong with it.
    pub fn note(&self) -> Option<String> {
        let why =
            "`secure = false`: its cookie goes over plain HTTP, too, where others may read it and be whom it names";
        (!self.cookie.secure).then(|| format!("session {}: {why}", self.name))
    }

    /// Whether it is for a site.
    pub fn is_for(&self, site: usize) -> bool {
        self.sites.is_empty() || self.sites.binary_search(&site).is_ok()
    }
}

/// Checks all of them, each by itself: expressions refer to what they hold, so the wrong ones are marked, not left out.
pub(crate) fn lower(
    sections: &[Section<RawSession>],
    sites: &Directory,
    check: &mut Check<'_>,
) -> Option<Vec<Option<Session>>> {
    let within = at_most(sections, SESSIONS_MAX, "kinds of sessions", check);
    let mut sessions: Vec<Option<Session>> = Vec::new();
    for section in sections.iter().take(SESSIONS_MAX) {
        check.file = section.file;
        let head = section.head.clone();
        let name = raw::name(&section.name).map_err(|wrong| check.note(head.clone(), wrong));
        let place = check.place(head.start);
        let session = section.raw.as_ref().and_then(|raw| raw.lower(&head, name.ok(), place?, sites, check));
        let session = session.filter(|session| {
            let earlier: Vec<&Session> = sessions.iter().flatten().collect();
            let wrongs = [overlap(session, &earlier, sites), attribute::differs(session, &earlier)];
            let wrongs: Vec<Wrong> = wrongs.into_iter().flatten().collect();
            let is_alright = wrongs.is_empty();
            wrongs.into_iter().for_each(|wrong| check.note(head.clone(), wrong));
            is_alright
        });
        sessions.push(session);
    }
    within?;
    Some(sessions)
}

/// A site that has a session already.
fn overlap(session: &Session, earlier: &[&Session], sites: &Directory) -> Option<Wrong> {
    let other = earlier.iter().find(|other| {
        session.sites.is_empty() || other.sites.is_empty() || session.sites.iter().any(|site| other.is_for(*site))
    })?;
    let mut both = session.sites.iter().filter(|site| other.is_for(**site));
    let site = both.next().or(other.sites.first()).and_then(|site| sites.names().nth(*site)).unwrap_or("*");
    let message = format!("the site `{site}` has the session `{}` already", other.name);
    Some(Wrong::new(message).advice("a site has one session; say by `sites` which ones each is for"))
}
