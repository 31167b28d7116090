//! The answer to "what about this request?": one verdict with its reason, and what was learnt on the way to it.

use std::time::Duration;

use selvedge_state::Ban;

use crate::limit::LimitId;
use crate::site::SiteId;

/// Everything that was decided about one request before cache and origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// The enforced limit that has the least left, if one applied.
    pub quota: Option<Quota>,
    /// The first limit in `monitor` mode that would have refused.
    pub would_refuse: Option<LimitId>,
    /// The first limit whose table had no room for the client's key: it did not count the request.
    pub uncounted: Option<LimitId>,
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
    /// A limit refused.
    Limited {
        /// The site whose request it was.
        site: SiteId,
        /// The limit and what is left of it.
        quota: Quota,
        /// The ban that this refusal led to, if it was one too many.
        penalty: Option<Ban>,
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
}

/// One limit's state as the client may know it (`RateLimit` header fields).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Which limit.
    pub limit: LimitId,
    /// Whole requests the client may send at once now.
    pub remaining: u32,
    /// Until the bucket has room for one more (when refused), or is empty again (when admitted).
    pub reset: Duration,
}
