//! What one request remembers on its way through the hooks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use pingora::http::RequestHeader;
use selvedge_conf::{CacheAction, Limit};
use selvedge_filters::cache::{Bypass, Outcome, Policy, PolicyId, Slice};
use selvedge_filters::challenge;
use selvedge_filters::limit::LimitId;
use selvedge_filters::{Head, HeaderChange, Quota, RuleId, SiteId};
use selvedge_state::{Fill, Key64};

use super::affinity::Ticketed;
use super::answer::Answer;
use super::form::Form;
use super::forwarded::Client;
use super::held::Held;
use super::idempotency::Role;
use super::origin::Origin;
use super::request_id::RequestId;
use super::session::Met;
use super::target::Target;
use crate::cache::{Deposit, Exchange, Next};
use crate::plan::Plan;
use crate::shield::Parent;

/// One request's memory.
#[derive(Debug)]
pub struct Context {
    /// What it is served by, to its end.
    pub(super) plan: Arc<Plan>,
    pub(super) id: RequestId,
    pub(super) start: Instant,
    pub(super) peer: Option<IpAddr>,
    pub(super) client: Option<Client>,
    /// The protocol of the client's connection.
    pub(super) protocol: &'static str,
    /// What was asked for, in one spelling.
    pub(super) target: Target,
    pub(super) site: Option<SiteId>,
    pub(super) origin: Option<Arc<Origin>>,
    /// Whether a rule chose another origin than the site's.
    pub(super) rerouted: bool,
    /// What a rule says of the cache.
    pub(super) cache: Option<CacheAction>,
    /// The cache policy that is for it.
    pub(super) policy: Option<PolicyId>,
    /// The header as the client sent it, if rules changed it.
    pub(super) original: Option<HeaderMap>,
    /// The form that the request brings.
    pub(super) form: Form,
    /// What rules said, for later phases and the log.
    pub(super) said: Said,
    /// What is left of the limits that applied, the tightest first.
    pub(super) quotas: Vec<Quota>,
    /// What it holds of limits.
    pub(super) held: Option<Held>,
    pub(super) would_refuse: Vec<LimitId>,
    /// What the edge answered by itself.
    pub(super) answer: Option<Answer>,
    /// What it keeps to a server by.
    pub(super) affinity: Option<Key64>,
    /// The same by a cookie.
    pub(super) ticketed: Option<Ticketed>,
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
    /// By which way.
    pub(super) way: Way,
    /// What is known of the POP that sends it on, if one does.
    pub(super) child: Option<Child>,
    /// The response that is stored beside the cache's own way.
    pub(super) deposit: Option<Deposit>,
    /// What its answer has to do with challenges.
    pub(super) challenge: Option<challenge::Outcome>,
    /// What the cache did.
    pub(super) outcome: Option<Outcome>,
    /// What is known of its session, where its site has sessions.
    pub(super) session: Option<Met>,
    /// How many revocations there were here when it had made its own: its client is not told before those are on the disk.
    pub(super) revoked: Option<u64>,
    /// The origin says something of its session: such a response is not stored.
    pub(super) says_of_session: bool,
    /// The slice that is asked for, where a request is for one.
    pub(super) slice: Option<Slice>,
    /// What it has to do with requests that are run once.
    pub(super) role: Option<Role>,
}

/// How what is fetched comes here.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// From a server of the origin.
    Origin,
    /// Through this POP.
    Parent(Arc<Parent>),
    /// Through this POP once more: a kept connection to it was closed meanwhile, which says nothing of it.
    Again(Arc<Parent>),
    /// From a server of the origin, since the POP that shields it did not answer.
    Fallback,
}

impl Way {
    /// The POP that it goes through.
    pub(super) fn parent(&self) -> Option<&Arc<Parent>> {
        match self {
            Way::Parent(parent) | Way::Again(parent) => Some(parent),
            Way::Origin | Way::Fallback => None,
        }
    }
}

/// The POP that sends a request on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child {
    /// Up to where its purges are known here.
    pub(super) have: u64,
    /// What was asked for before this is not for it.
    pub(super) since: Fill,
}

/// What rules said about one request so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The rule that answered.
    pub(super) answered: Option<RuleId>,
    /// Rules in monitor mode that matched.
    pub(super) monitored: Vec<RuleId>,
    /// Rules that the log names.
    pub(super) logged: Vec<RuleId>,
    /// Tags, each once.
    pub(super) tags: Vec<Arc<str>>,
    /// What the request phase changes in the response.
    pub(super) changes: Vec<HeaderChange>,
    /// What the response phase changes in it, once it was asked.
    pub(super) response: Option<Vec<HeaderChange>>,
}

impl Context {
    pub(super) fn new(plan: Arc<Plan>) -> Context {
        Context {
            plan,
            id: RequestId::new(),
            start: Instant::now(),
            peer: None,
            client: None,
            protocol: "HTTP/1.1",
            target: Target::default(),
            site: None,
            origin: None,
            rerouted: false,
            cache: None,
            policy: None,
            original: None,
            form: Form::None,
            said: Said::default(),
            quotas: Vec::new(),
            held: None,
            would_refuse: Vec::new(),
            answer: None,
            affinity: None,
            ticketed: None,
            server: None,
            origin_address: None,
            tries: 0,
            body: 0,
            exchange: None,
            bypass: None,
            next: Next::Origin,
            way: Way::Origin,
            child: None,
            deposit: None,
            challenge: None,
            outcome: None,
            session: None,
            revoked: None,
            says_of_session: false,
            slice: None,
            role: None,
        }
    }

    /// The facts of the limits that applied, and what is left of them.
    pub(super) fn limits(&self) -> impl Iterator<Item = (&Limit, Quota)> + Clone {
        let limit = |quota: &Quota| self.plan.filters.limit(quota.limit).map(|limit| (limit.facts(), *quota));
        self.quotas.iter().filter_map(limit)
    }

    /// The cache policy that is for it.
    pub(super) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.and_then(|policy| self.plan.filters.policy(policy))
    }

    /// The request as filters see it: as the client sent it, in the one spelling. None before it is known who asks.
    pub(super) fn head<'a>(&'a self, request: &'a RequestHeader) -> Option<Head<'a>> {
        Some(Head {
            method: request.method.as_str(),
            host: &self.target.host,
            path: &self.target.path,
            raw_path: &self.target.raw_path,
            query: self.target.query.as_deref(),
            scheme: self.target.scheme,
            protocol: self.protocol,
            headers: self.original.as_ref().unwrap_or(&request.headers),
            client: self.client?.address,
            form: self.form.known(),
            session: self.session.as_ref().and_then(|met| met.visitor.record()),
            may_wait: true,
        })
    }
}
