//! For how long a response may be served once it is no longer fresh (RFC 9111 section 4.2.4, RFC 5861).

use std::time::Duration;

use super::directives::{Directives, Seconds};
use super::lifetime::Lifetime;

use selvedge_conf::{CacheTimes, OnError};

/// How long an answer may stand in for an origin that cannot be reached, where nothing says otherwise: one hour. Section 4.2.4 lets a
/// cache do so that is disconnected; what is older is more likely to do harm than good.
const UNREACHABLE: Duration = Duration::from_secs(3600);

/// The windows after the end of freshness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// While one request revalidates it.
    pub(crate) while_revalidating: Duration,
    /// When the origin fails, with an answer of its own or without.
    pub(crate) if_error: Duration,
    /// When no answer can be had from the origin.
    pub(crate) if_unreachable: Duration,
}

/// What a rule or a policy says of the windows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    updating: Option<Duration>,
    failing: Option<Duration>,
    on_error: OnError,
}

impl Granted {
    /// What a rule says, and else a policy.
    pub(crate) fn of(ruled: Option<Lifetime>, times: CacheTimes) -> Granted {
        let failing = ruled.and_then(|ruled| ruled.stale_if_error);
        Granted {
            updating: ruled.and_then(|ruled| ruled.stale_while_revalidate).or(times.stale_while_revalidate),
            failing: failing.or(times.stale_if_error),
            on_error: if failing.is_some() { OnError::Said } else { times.on_error },
        }
    }
}

impl Windows {
    /// What the response grants and, where a rule or a policy speaks of it, those; nothing against `must-revalidate`, `proxy-revalidate` and
    /// `no-cache`. `s-maxage` forbids stale answers only by implying `proxy-revalidate` (section 5.2.2.10); an explicit grant beside
    /// it says otherwise, and is kept.
    pub(crate) fn of(directives: &Directives, granted: Granted) -> Windows {
        if directives.must_revalidate || directives.proxy_revalidate || directives.no_cache {
            return Windows::default();
        }
        let said = |seconds: Seconds| Duration::from_secs(seconds.or_zero());
        let Granted { updating, failing, on_error } = granted;
        // Whoever names a window means that one and no longer one.
        let is_named = failing.is_some() || directives.stale_if_error != Seconds::Absent;
        let (failing, is_named) = match on_error {
            OnError::Said => (failing, is_named),
            OnError::Stale if is_named => (failing, is_named),
            OnError::Stale => (Some(UNREACHABLE), true),
            OnError::Error => (Some(Duration::ZERO), true),
        };
        let if_error = failing.unwrap_or_else(|| said(directives.stale_if_error));
        Windows {
            while_revalidating: updating.unwrap_or_else(|| said(directives.stale_while_revalidate)),
            if_error,
            if_unreachable: match directives.s_maxage {
                _ if is_named => if_error,
                Seconds::Absent => UNREACHABLE,
                Seconds::Valid(_) | Seconds::Invalid => Duration::ZERO,
            },
        }
    }

    /// What is left of them when freshness ended so long ago.
    pub(crate) fn overdue(self, by: Duration) -> Windows {
        Windows {
            while_revalidating: self.while_revalidating.saturating_sub(by),
            if_error: self.if_error.saturating_sub(by),
            if_unreachable: self.if_unreachable.saturating_sub(by),
        }
    }
}
