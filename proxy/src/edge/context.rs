//! What one request remembers on its way through the hooks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use selvedge_conf::Limit;
use selvedge_filters::cache::{Bypass, Outcome};
use selvedge_filters::limit::LimitId;
use selvedge_filters::{Quota, SiteId};

use super::answer::Answer;
use super::forwarded::Client;
use super::origin::Origin;
use super::request_id::RequestId;
use super::target::Target;
use crate::cache::{Exchange, Next};

/// One request's memory.
#[derive(Debug)]
pub struct Context {
    pub(super) id: RequestId,
    pub(super) start: Instant,
    pub(super) peer: Option<IpAddr>,
    pub(super) client: Option<Client>,
    /// What was asked for, in one spelling.
    pub(super) target: Target,
    pub(super) site: Option<SiteId>,
    pub(super) origin: Option<Arc<Origin>>,
    /// The tightest limit that applied.
    pub(super) quota: Option<Quota>,
    pub(super) would_refuse: Option<LimitId>,
    /// What the edge answered by itself.
    pub(super) answer: Option<Answer>,
    /// Server of the newest try.
    pub(super) server: Option<usize>,
    pub(super) origin_address: Option<std::net::SocketAddr>,
    pub(super) tries: u8,
    /// Bytes of the request's body so far.
    pub(super) body: u64,
    /// What the response's decision must know, when the cache is asked.
    pub(super) exchange: Option<Exchange>,
    /// Why the cache is not asked.
    pub(super) bypass: Option<Bypass>,
    /// Where the request goes when the cache has no answer.
    pub(super) next: Next,
    /// What the cache did.
    pub(super) outcome: Option<Outcome>,
}

impl Context {
    pub(super) fn new() -> Context {
        Context {
            id: RequestId::new(),
            start: Instant::now(),
            peer: None,
            client: None,
            target: Target::default(),
            site: None,
            origin: None,
            quota: None,
            would_refuse: None,
            answer: None,
            server: None,
            origin_address: None,
            tries: 0,
            body: 0,
            exchange: None,
            bypass: None,
            next: Next::Origin,
            outcome: None,
        }
    }

    /// The tightest limit's facts and state.
    pub(super) fn limit<'a>(&self, limits: &'a [selvedge_filters::limit::Limit]) -> Option<(&'a Limit, Quota)> {
        let quota = self.quota?;
        limits.get(quota.limit.0).map(|limit| (limit.facts(), quota))
    }
}
