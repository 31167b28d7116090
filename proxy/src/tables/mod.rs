//! Tables from files: what rules look up that is neither the request nor the store.
//!
//! In go the config's lists, databases and token issuers; out come [`Tables`] for `selvedge-filters`. Secrets of those who purge, and of what is signed, are read here, too. Parsing happens here,
//! once for each content: what an earlier [`Shelf`] made of the same bytes is shared with the next one.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod geo;
mod lists;
mod secrets;
mod signing;
mod tickets;
mod tokens;

use std::sync::Arc;

use selvedge_conf::{Config, Session};
use selvedge_filters::challenge::{Challenge, PURPOSE};
use selvedge_filters::session::Keys;
use selvedge_filters::{Geo, Tables, Tokens};

use crate::edge::origin::Tickets;
use crate::plan::{Fault, Ledger};
use geo::Places;
use lists::Stocked;
use secrets::Secrets;
use tokens::Issuer;

/// The tables of one config, with what they were made of.
#[derive(Debug, Default)]
pub struct Shelf {
    lists: Vec<Stocked>,
    places: Option<Arc<Places>>,
    issuers: Vec<Arc<Issuer>>,
    secrets: Option<Secrets>,
    /// For each origin.
    tickets: Vec<Option<Arc<Tickets>>>,
    sessions: Vec<Arc<Keys>>,
    challenge: Option<Arc<Challenge>>,
}

impl Shelf {
    /// Makes the tables of a config; what `old` has of the same content is taken over. None when anything is wrong, which
    /// is in `faults` then.
    pub fn load(config: &Config, ledger: &Ledger, old: Option<&Shelf>, faults: &mut Vec<Fault>) -> Option<Shelf> {
        let nothing = Shelf::default();
        let old = old.unwrap_or(&nothing);
        // To the last one, whatever the first ones are: all that is wrong is told at once.
        let lists: Vec<_> = config.lists.iter().map(|list| lists::load(list, ledger, &old.lists)).collect();
        let places = Places::load(&config.geoip, ledger, old.places.as_ref());
        let issuers: Vec<_> = config.jwts.iter().map(|jwt| Issuer::load(jwt, ledger, &old.issuers)).collect();
        let purgers = config.purge.as_ref().map_or(&[][..], |purge| &purge.tokens);
        let secrets = Secrets::load(purgers, ledger);
        let tickets: Vec<_> = config.origins.iter().map(|origin| tickets::load(origin, ledger)).collect();
        let keys = |session: &Session| {
            let what = format!("session {}", session.name);
            signing::keys((&what, &session.place), &session.name, &session.keys, ledger).map(Arc::new)
        };
        let sessions: Vec<_> = config.sessions.iter().map(keys).collect();
        let challenge = config.challenge.as_ref().map(|facts| challenge(facts, ledger)).transpose();
        let lists: Vec<_> = lists.into_iter().map(|list| told(list, faults)).collect();
        let places = told(places, faults);
        let issuers: Vec<_> = issuers.into_iter().map(|issuer| told(issuer, faults)).collect();
        let secrets = told(secrets, faults);
        let tickets: Vec<_> = tickets.into_iter().map(|tickets| told(tickets, faults)).collect();
        let sessions: Vec<_> = sessions.into_iter().map(|keys| told(keys, faults)).collect();
        let challenge = told(challenge, faults);
        Some(Shelf {
            secrets: secrets?,
            tickets: tickets.into_iter().collect::<Option<_>>()?,
            sessions: sessions.into_iter().collect::<Option<_>>()?,
            challenge: challenge?,
            lists: lists.into_iter().collect::<Option<_>>()?,
            places: places?,
            issuers: issuers.into_iter().collect::<Option<_>>()?,
        })
    }

    /// The place in the config of the token that purges and has this secret.
    pub fn purger(&self, presented: &[u8]) -> Option<usize> {
        self.secrets.as_ref()?.find(presented)
    }

    /// What names the servers of the origin at this place in the config, if a cookie does.
    pub(crate) fn tickets(&self, origin: usize) -> Option<&Arc<Tickets>> {
        self.tickets.get(origin)?.as_ref()
    }

    /// The tables as filters take them, in the config's order.
    pub fn tables(&self) -> Tables {
        Tables {
            lists: self.lists.iter().map(|stocked| Arc::clone(&stocked.list)).collect(),
            geo: self.places.as_ref().map(|places| Arc::clone(places) as Arc<dyn Geo>),
            tokens: self.issuers.iter().map(|issuer| Arc::clone(issuer) as Arc<dyn Tokens>).collect(),
            session_keys: self.sessions.clone(),
            challenge: self.challenge.clone(),
        }
    }
}

/// How clients are challenged.
fn challenge(facts: &selvedge_conf::Challenge, ledger: &Ledger) -> Result<Arc<Challenge>, Vec<Fault>> {
    let keys = signing::keys(("challenge", &facts.place), PURPOSE, &facts.keys, ledger)?;
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Arc::new(Challenge::new(Arc::new(keys), &facts.cookie, ms(facts.solve), ms(facts.pass))))
}

fn told<T>(outcome: Result<T, Vec<Fault>>, faults: &mut Vec<Fault>) -> Option<T> {
    outcome.map_err(|wrong| faults.extend(wrong)).ok()
}
