//! The idempotency policies of a config, ready to be asked, and what a key is called under one.

use selvedge_conf::{HostPattern, Idempotency as Facts, Site};

use super::named::{Malformed, key_of};
use super::sha::Name;
use crate::key::KeyShape;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// A policy's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyId(pub usize);

/// One policy, compiled.
#[derive(Debug)]
pub struct Policy {
    facts: Facts,
    /// Sorted; empty means all.
    sites: Vec<usize>,
    when: Option<Program>,
    key: KeyShape,
}

/// A request that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    /// The policy.
    pub policy: IdempotencyId,
    /// What its key is called, if it names one.
    pub name: Result<Option<Name>, Malformed>,
}

impl Policy {
    fn new(facts: &Facts) -> Policy {
        let mut sites = facts.sites.clone();
        sites.sort_unstable();
        Policy {
            sites,
            when: facts.when.as_ref().map(Program::compile),
            key: KeyShape::new(&facts.key),
            facts: facts.clone(),
        }
    }

    /// As it is written.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    fn applies(&self, site: SiteId, context: &Context<'_>) -> bool {
        let here = self.sites.is_empty() || self.sites.binary_search(&site.0).is_ok();
        let method = context.head.method;
        here && !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "CONNECT")
            && self.when.as_ref().map_or(matches!(method, "POST" | "PATCH"), |when| when.holds(context))
    }

    /// What a client's key is called. Where the request lacks a part of what tells clients apart, its network stands in, so that a key is never
    /// everybody's.
    fn name(&self, key: &str, site: &str, context: &Context<'_>) -> Name {
        let net = context.head.client_net().to_string();
        let stands_in = if self.key.is_whole(context) { "" } else { net.as_str() };
        let ours = [
            self.facts.name.as_bytes(),
            site.as_bytes(),
            self.key.name().as_bytes(),
            key.as_bytes(),
            stands_in.as_bytes(),
        ];
        self.key.bytes(context, |whose| Name::of(ours.into_iter().chain(whose.iter().copied())))
    }
}

/// All policies of a config, in file order.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    all: Vec<Policy>,
    /// The patterns of the sites, where there is a policy.
    sites: Vec<HostPattern>,
}

impl Policies {
    pub(crate) fn new(facts: &[Facts], sites: &[Site]) -> Policies {
        let sites = if facts.is_empty() { &[] } else { sites };
        Policies {
            all: facts.iter().map(Policy::new).collect(),
            sites: sites.iter().map(|site| site.host.clone()).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn get(&self, id: IdempotencyId) -> Option<&Policy> {
        self.all.get(id.0)
    }

    /// The first one that is for a request, and what its key is called.
    pub(crate) fn find(&self, site: SiteId, context: &Context<'_>) -> Option<Keyed> {
        let (at, policy) = self.all.iter().enumerate().find(|(_, policy)| policy.applies(site, context))?;
        let host = self.sites.get(site.0).map(HostPattern::to_string).unwrap_or_default();
        let key = key_of(context.head.headers);
        let name = key.map(|key| key.map(|key| policy.name(&key, &host, context)));
        Some(Keyed { policy: IdempotencyId(at), name })
    }
}
