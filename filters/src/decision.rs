//! The answer to "what about this?": one verdict with its reason, what is to be changed, and what was learnt on the way to it.

use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{Ban, Key64, Time};

use crate::cache::PolicyId;
use crate::changes::{Changes, HeaderChange};
use crate::limit::{Holds, LimitId};
use crate::ruleset::RuleId;
use crate::session::Orders;
use crate::site::SiteId;

/// Everything that was decided about one request before cache and origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// What is left of the enforced limits that the request is for, that with the least first; of the one that refused alone, if one did.
    pub quotas: Vec<Quota>,
    /// How long the request has to wait before it goes on.
    pub wait: Duration,
    /// The limit that has it wait so long.
    pub waits_by: Option<Quota>,
    /// What it holds of limits: to be [ended](crate::Filters::end) whatever way it ends.
    pub holds: Holds,
    /// The first limit that had no room, and lets such requests pass with a tag.
    pub tagged_by: Option<LimitId>,
    /// The limits in `monitor` mode that would have refused, in file order.
    pub would_refuse: Vec<LimitId>,
    /// The first limit whose table had no room for the client's key: it did not count the request.
    pub uncounted: Option<LimitId>,
    /// The first cache policy that is for it.
    pub policy: Option<PolicyId>,
    /// What it keeps to a server of its origin by.
    pub affinity: Option<Key64>,
    /// What rules want changed; those of the response also when the edge answers itself.
    pub changes: Changes,
    /// What rules tagged the request with, each tag once.
    pub tags: Vec<Arc<str>>,
    /// The enforced rules that matched, in file order.
    pub fired: Vec<RuleId>,
    /// The rules in `monitor` mode that matched, in file order.
    pub monitored: Vec<RuleId>,
    /// The rules that could not do all they say, once for each effect left undone: its value is absent or none that may be
    /// used, or the store has no room.
    pub undone: Vec<RuleId>,
}

impl Decision {
    /// A verdict, and nothing learnt so far.
    pub(crate) fn of(verdict: Verdict) -> Decision {
        Decision {
            verdict,
            quotas: Vec::new(),
            wait: Duration::ZERO,
            waits_by: None,
            holds: Holds::default(),
            tagged_by: None,
            would_refuse: Vec::new(),
            uncounted: None,
            policy: None,
            affinity: None,
            changes: Changes::default(),
            tags: Vec::new(),
            fired: Vec::new(),
            monitored: Vec::new(),
            undone: Vec::new(),
        }
    }

    /// A limit has no room.
    pub(crate) fn limited(&mut self, site: SiteId, (quota, status): (Quota, u16), penalty: Option<Penalised>) {
        self.refused(Verdict::Limited { site, quota, status, penalty });
        self.quotas.push(quota);
    }

    /// A limit refuses, whatever others said before it.
    pub(crate) fn refused(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.quotas.clear();
        (self.wait, self.waits_by) = (Duration::ZERO, None);
    }
}

/// What to do with a request, and why.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Go on to cache and origin.
    Pass(SiteId),
    /// No site serves this host.
    NoSite,
    /// The client is banned.
    Banned {
        /// The site that was asked for, if there is one.
        site: Option<SiteId>,
        /// The ban that holds.
        ban: Ban,
        /// Until the ban ends.
        remaining: Duration,
        /// Who made it.
        origin: BanOrigin,
    },
    /// It brings a form that somebody asks for: nothing is decided or charged before it was read.
    FormUnread {
        /// The site whose request it is.
        site: SiteId,
    },
    /// It brings a form that somebody has to see and that is longer than forms that are read.
    FormTooLong {
        /// The site whose request it was.
        site: SiteId,
    },
    /// A rule denied it.
    Denied {
        /// The site whose request it was.
        site: SiteId,
        /// The rule.
        rule: RuleId,
        /// The status to answer with.
        status: u16,
    },
    /// A rule sends the client elsewhere.
    Redirected {
        /// The site whose request it was.
        site: SiteId,
        /// The rule.
        rule: RuleId,
        /// The status to answer with.
        status: u16,
        /// Where to: a valid field value, not empty.
        location: String,
    },
    /// A rule has the client solve a puzzle first.
    Challenged {
        /// The site whose request it was.
        site: SiteId,
        /// The rule.
        rule: RuleId,
        /// With how many zero bits the hash of a solution begins.
        bits: u8,
    },
    /// A limit refused.
    Limited {
        /// The site whose request it was.
        site: SiteId,
        /// The limit and what is left of it.
        quota: Quota,
        /// The status to answer with.
        status: u16,
        /// The ban that this refusal led to, if it was one too many.
        penalty: Option<Penalised>,
    },
    /// A limit with `on_missing = "deny"` refused because a part of its key is missing.
    Unkeyed {
        /// The site whose request it was.
        site: SiteId,
        /// The limit that says so.
        limit: LimitId,
    },
    /// A limit with `on_partition = "deny"` refused because peers cannot be heard.
    Partitioned {
        /// The site whose request it was.
        site: SiteId,
        /// The limit that says so.
        limit: LimitId,
    },
}

/// Who made a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanOrigin {
    /// An operator, through the admin socket.
    Operator,
    /// The penalty of a limit.
    Penalty,
    /// A rule.
    Rule,
}

/// A ban that a limit's penalty led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalised {
    /// Until when.
    pub until: Time,
    /// How many bans led to it.
    pub level: u8,
}

/// One limit's state as the client may know it (`RateLimit` header fields).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Which limit.
    pub limit: LimitId,
    /// What it allows this client.
    pub allowed: Allowed,
    /// What is left of that now.
    pub remaining: u64,
    /// Until there is room for this request (when refused), or what was used is back (when admitted); `None` where no time helps, or none is
    /// known.
    pub reset: Option<Duration>,
    /// Whose it is: a keyed hash, the same at all POPs.
    pub key: [u8; 8],
}

/// The size of a common response, bytes: by it quotas of bytes are compared with those of requests.
const COMMON: u64 = 64 * 1024;

/// What a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// So much.
    pub amount: u64,
    /// In this time; at once where there is none.
    pub within: Option<Duration>,
    /// Of these.
    pub counted: Counted,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Requests, or what they cost.
    Requests,
    /// Bytes of responses' bodies.
    Bytes,
    /// Requests at one time.
    InFlight,
}

impl Quota {
    /// How many requests are left; bytes are taken for so many of a common size.
    pub(crate) fn requests_left(&self) -> u64 {
        match self.allowed.counted {
            Counted::Requests | Counted::InFlight => self.remaining,
            Counted::Bytes => self.remaining / COMMON,
        }
    }

    /// The one of which less is left; this one where they are alike.
    pub(crate) fn tighter(self, other: Quota) -> Quota {
        if other.requests_left() < self.requests_left() { other } else { self }
    }
}

/// What was decided about a response on its way to the client.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseDecision {
    /// What rules want changed in its header, in this order.
    pub headers: Vec<HeaderChange>,
    /// Tags beside those that the request had.
    pub tags: Vec<Arc<str>>,
    /// The enforced rules that matched, in file order.
    pub fired: Vec<RuleId>,
    /// The rules in `monitor` mode that matched, in file order.
    pub monitored: Vec<RuleId>,
    /// The rules that could not do all they say, once for each effect left undone: its value is absent or none that may be
    /// used, or the store has no room.
    pub undone: Vec<RuleId>,
    /// What becomes of the request's session.
    pub session: Orders,
    /// The rules that the access log names.
    pub logged: Vec<RuleId>,
}

impl ResponseDecision {
    /// Whether no rule matched.
    pub(crate) fn is_nothing(&self) -> bool {
        self.fired.is_empty() && self.monitored.is_empty()
    }
}

/// What was decided about a client's connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectionDecision {
    /// The rule that closes it; it is accepted when there is none.
    pub closed_by: Option<RuleId>,
    /// The enforced rules that matched, in file order.
    pub fired: Vec<RuleId>,
    /// The rules in `monitor` mode that matched, in file order.
    pub monitored: Vec<RuleId>,
    /// The rules that could not do all they say, once for each effect left undone: its value is absent or none that may be
    /// used, or the store has no room.
    pub undone: Vec<RuleId>,
    /// The rules that a log names.
    pub logged: Vec<RuleId>,
}
