//! The cache policies of a config, ready to be asked.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderName};
use selvedge_conf::{CachePolicy as Facts, CacheTimes, Caching, Encoding, Keying, Storing};

use super::key::KeyParts;
use super::keying;
use super::vary::{Varying, variance};
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// A policy's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub usize);

/// One policy, compiled.
#[derive(Debug)]
pub struct Policy {
    facts: Facts,
    /// Sorted; empty means all.
    sites: Vec<usize>,
    when: Option<Program>,
    name: Arc<str>,
    key: KeyShape,
    ignored: Vec<HeaderName>,
    tags: Vec<HeaderName>,
}

/// What a policy makes of names and variants.
#[derive(Debug, Clone, Default)]
pub struct KeyShape {
    keying: Keying,
    /// `None` for the key of no policy.
    spelled: Option<Box<[u8]>>,
}

impl Policy {
    fn new(facts: &Facts) -> Policy {
        let mut sites = facts.sites.clone();
        sites.sort_unstable();
        let fields = |names: &[String]| names.iter().filter_map(|name| name.parse().ok()).collect();
        let storing = storing(facts);
        Policy {
            sites,
            when: facts.when.as_ref().map(Program::compile),
            name: facts.name.as_str().into(),
            key: storing.map(|storing| KeyShape::new(&storing.key)).unwrap_or_default(),
            ignored: storing.map(|storing| fields(&storing.vary_ignore)).unwrap_or_default(),
            tags: storing.map(|storing| fields(&storing.tags)).unwrap_or_default(),
            facts: facts.clone(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// As it is written.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the cache is passed by.
    pub fn passes(&self) -> bool {
        self.facts.does == Caching::Pass
    }

    /// What it says of lifetimes.
    pub fn times(&self) -> CacheTimes {
        storing(&self.facts).map(|storing| storing.times).unwrap_or_default()
    }

    /// The largest body that is stored, in bytes; the storage's own when absent.
    pub fn object_max(&self) -> Option<u64> {
        storing(&self.facts).and_then(|storing| storing.object_max)
    }

    /// The size of the slices that responses are asked for and stored in, bytes; whole when absent.
    pub fn slice(&self) -> Option<u64> {
        storing(&self.facts).and_then(|storing| storing.slice)
    }

    /// Response fields that carry tags beside the usual ones.
    pub fn tags(&self) -> &[HeaderName] {
        &self.tags
    }

    /// The request fields that choose no response, and the fields and cookies that do beside those that `Vary` names.
    pub fn varies(&self) -> (Vec<String>, Vec<String>) {
        let Keying { headers, cookies, .. } = &self.key.keying;
        let cookies = cookies.iter().map(|name| format!("cookie:{name}"));
        (self.ignored.iter().map(ToString::to_string).collect(), headers.iter().cloned().chain(cookies).collect())
    }

    /// What responses are stored under.
    pub fn key(&self) -> &KeyShape {
        &self.key
    }

    fn applies(&self, site: SiteId, context: &Context<'_>) -> bool {
        let here = self.sites.is_empty() || self.sites.binary_search(&site.0).is_ok();
        here && self.when.as_ref().is_none_or(|when| when.holds(context))
    }
}

fn storing(facts: &Facts) -> Option<&Storing> {
    match &facts.does {
        Caching::Pass => None,
        Caching::Store(storing) => Some(storing),
    }
}

impl KeyShape {
    fn new(keying: &Keying) -> KeyShape {
        KeyShape { keying: keying.clone(), spelled: keying::spelled(keying) }
    }

    /// Whether it is the key of no policy.
    pub fn is_plain(&self) -> bool {
        self.spelled.is_none()
    }

    /// The part of a query that counts; see [`counted`](super::counted).
    pub fn counted<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, str>> {
        keying::counted(query, &self.keying)
    }

    /// The bytes of a name; equal only for equal parts that count, under an equal key.
    pub fn encode(&self, parts: &KeyParts<'_>) -> Vec<u8> {
        match &self.spelled {
            None => parts.encode(),
            Some(spelled) => KeyParts { query: self.counted(parts.query).as_deref(), ..*parts }.encode_under(spelled),
        }
    }
}

/// What tells variants of a response apart beside its `Vary`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Variation<'a> {
    /// The policy that is for the request.
    pub policy: Option<&'a Policy>,
    /// What responses are coded in on their way into the cache, the best first; absent where they are stored as they come.
    pub offered: Option<&'a [Encoding]>,
}

/// What tells this request's variant of a stored response from the others; `None` when there is one for all.
pub fn variant(of: Variation<'_>, stored: &HeaderMap, request: &HeaderMap) -> Option<Vec<Varying>> {
    let Some(policy) = of.policy else { return variance(stored, request, of.offered) };
    let mut varying = variance(stored, request, of.offered).unwrap_or_default();
    // What is coded here is read by those alone who take that coding.
    let is_needed = |name: &str| of.offered.is_some() && ACCEPT_ENCODING == *name;
    varying
        .retain(|Varying { name, .. }| is_needed(name) || policy.ignored.iter().all(|field| *field != name.as_str()));
    varying.extend(keying::varying(&policy.key.keying, request));
    (!varying.is_empty()).then_some(varying)
}

/// All policies of a config, in file order.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    all: Vec<Arc<Policy>>,
    /// Each key that one of them has, once, the plain one first.
    keys: Vec<KeyShape>,
}

impl Policies {
    pub(crate) fn new(facts: &[Facts]) -> Policies {
        let all: Vec<Arc<Policy>> = facts.iter().map(|facts| Arc::new(Policy::new(facts))).collect();
        let mut keys = vec![KeyShape::default()];
        for policy in &all {
            if keys.iter().all(|key| key.spelled != policy.key.spelled) {
                keys.push(policy.key.clone());
            }
        }
        Policies { all, keys }
    }

    pub(crate) fn get(&self, id: PolicyId) -> Option<&Arc<Policy>> {
        self.all.get(id.0)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Policy>> {
        self.all.iter().find(|policy| *policy.name == *name)
    }

    /// Whether one of them has slices.
    pub(crate) fn have_slices(&self) -> bool {
        self.all.iter().any(|policy| policy.slice().is_some())
    }

    pub(crate) fn keys(&self) -> &[KeyShape] {
        &self.keys
    }

    /// The first one that is for a request.
    pub(crate) fn find(&self, site: SiteId, context: &Context<'_>) -> Option<PolicyId> {
        self.all.iter().position(|policy| policy.applies(site, context)).map(PolicyId)
    }
}
