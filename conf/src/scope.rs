//! Which sites something is for, and what the sessions of those hold: what reads a session is only good where all of them have one.

use crate::expr::{Expr, Kind};
use crate::sections::Section;
use crate::session::Session;
use crate::site::RawSite;
use crate::suggest;
use crate::value::{Wrong, shown};

/// The sites of what is being read.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Those it is for: all when empty. `None` where that is not known.
    sites: Option<Vec<usize>>,
    /// The names of all sites.
    names: Vec<String>,
    /// The session of each site.
    of_site: Vec<Option<usize>>,
    /// One site of each session, and one of none: what these have, all have.
    telling: Vec<usize>,
    sessions: Vec<Held>,
    /// A session is wrong itself, so nothing is judged by what sessions there are.
    is_doubtful: bool,
}

/// What a session holds.
#[derive(Debug)]
struct Held {
    name: String,
    attributes: Vec<String>,
    counters: Vec<String>,
}

/// What is asked of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'n> {
    /// That there is one.
    Any,
    /// An attribute.
    Attribute(&'n str),
    /// A counter.
    Counter(&'n str),
}

impl Scope {
    /// All names are known.
    pub(crate) fn begin(&mut self, sites: &[Section<RawSite>], sessions: &[Option<Session>]) {
        self.is_doubtful = sessions.iter().any(Option::is_none);
        self.names = sites.iter().map(|site| site.name.clone()).collect();
        let known: Vec<&Session> = sessions.iter().flatten().collect();
        let of = |site| known.iter().position(|session| session.is_for(site));
        self.of_site = (0..sites.len()).map(of).collect();
        let of_site = &self.of_site;
        let every = of_site.iter().enumerate();
        let mut telling: Vec<(&Option<usize>, usize)> = every.map(|(site, session)| (session, site)).collect();
        telling.sort_unstable();
        telling.dedup_by_key(|(session, _)| *session);
        self.telling = telling.into_iter().map(|(_, site)| site).collect();
        let held = |session: &Session| Held {
            name: session.name.clone(),
            attributes: session.attributes.iter().map(|(name, _)| name.clone()).collect(),
            counters: session.counters.clone(),
        };
        self.sessions = known.into_iter().map(held).collect();
    }

    /// What follows is for these sites.
    pub(crate) fn are(&mut self, sites: Option<&[usize]>) {
        self.sites = sites.map(<[usize]>::to_vec);
    }

    /// Whether each site has what a part of an expression reads.
    pub(crate) fn has(&self, part: &Expr) -> Result<(), Wrong> {
        self.holds(match &part.kind {
            Kind::Attribute(name) => Part::Attribute(name),
            Kind::SessionCount(name) => Part::Counter(name),
            _ => Part::Any,
        })
    }

    /// Whether the session of each site has this.
    pub(crate) fn holds(&self, part: Part<'_>) -> Result<(), Wrong> {
        let Some(sites) = self.sites.as_ref().filter(|_| !self.is_doubtful) else { return Ok(()) };
        let asked = if sites.is_empty() { &self.telling } else { sites };
        asked.iter().try_for_each(|site| self.at(*site, part))
    }

    fn at(&self, site: usize, part: Part<'_>) -> Result<(), Wrong> {
        match self.of_site.get(site) {
            Some(Some(session)) => self.sessions.get(*session).map_or(Ok(()), |held| held.has(part)),
            Some(None) => {
                let wrong = Wrong::new(format!("the site `{}` has no session", self.name(site)));
                Err(wrong
                    .advice("say by `sites` which ones this is for, or let a `[session.NAME]` be for that one, too"))
            }
            None => Ok(()),
        }
    }

    fn name(&self, site: usize) -> String {
        self.names.get(site).map_or(String::new(), |name| shown(name))
    }
}

impl Held {
    fn has(&self, part: Part<'_>) -> Result<(), Wrong> {
        let (what, name, names) = match part {
            Part::Any => return Ok(()),
            Part::Attribute(name) => ("attribute", name, &self.attributes),
            Part::Counter(name) => ("counter", name, &self.counters),
        };
        if names.iter().any(|held| held == name) {
            return Ok(());
        }
        let wrong = Wrong::new(format!("the session `{}` has no {what} `{}`", self.name, shown(name)));
        Err(wrong.help(suggest::among(name, || names.iter().map(String::as_str))))
    }
}
