//! For how long a policy has responses stored, and what they stand in for after that.

use std::time::Duration;

use super::RawCachePolicy;
use crate::finding::Check;
use crate::raw::{At, Choice, DurationText};
use crate::value::{Wrong, duration};

/// What a policy says of lifetimes. Where it says nothing, the response decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTimes {
    /// Fresh for so long, whatever the response says of its lifetime.
    pub ttl: Option<Duration>,
    /// Fresh for so long where it says nothing; never beside `ttl`.
    pub ttl_default: Option<Duration>,
    /// The longest lifetime of its own that is believed; never beside `ttl`.
    pub ttl_max: Option<Duration>,
    /// Fresh for so long where a 404, 405, 410, 414 or 501 says nothing.
    pub negative_ttl: Option<Duration>,
    /// Then served stale for so long while it is fetched anew (RFC 5861 section 3).
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may stand in for an error (RFC 5861 section 4); never beside [`OnError::Error`].
    pub stale_if_error: Option<Duration>,
    /// What is served when the origin fails. Default [`OnError::Said`].
    pub on_error: OnError,
}

/// What is served when the origin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// What windows say: those of the policy, else those of the response.
    #[default]
    Said,
    /// What is stored, for an hour where no window is named.
    Stale,
    /// The error.
    Error,
}

impl Choice for OnError {
    const WORDS: &'static [(&'static str, OnError)] =
        &[("said", OnError::Said), ("stale", OnError::Stale), ("error", OnError::Error)];
}

impl RawCachePolicy {
    pub(super) fn times(&self, check: &mut Check<'_>) -> Option<CacheTimes> {
        let written = [
            &self.ttl,
            &self.ttl_default,
            &self.ttl_max,
            &self.negative_ttl,
            &self.stale_while_revalidate,
            &self.stale_if_error,
        ];
        let times = written.map(|written| match written {
            None => Some(None),
            Some(written) => check.value(written, duration).map(Some),
        });
        let on_error = check.word(self.on_error.as_ref(), OnError::Said);
        self.agree(on_error, check)?;
        let [ttl, ttl_default, ttl_max, negative_ttl, stale_while_revalidate, stale_if_error] = times;
        Some(CacheTimes {
            ttl: ttl?,
            ttl_default: ttl_default?,
            ttl_max: ttl_max?,
            negative_ttl: negative_ttl?,
            stale_while_revalidate: stale_while_revalidate?,
            stale_if_error: stale_if_error?,
            on_error: on_error?,
        })
    }

    /// Notes what leaves something else without a meaning.
    fn agree(&self, on_error: Option<OnError>, check: &mut Check<'_>) -> Option<()> {
        let mut idle = |written: &Option<At<DurationText>>, is_idle: bool, message: &str| match written {
            Some(written) if is_idle => {
                check.note(written.span(), Wrong::new(message));
                None
            }
            _ => Some(()),
        };
        let ttl = self.ttl.is_some();
        let default = idle(&self.ttl_default, ttl, "`ttl_default` beside `ttl`: that one holds whatever responses say");
        let most = idle(&self.ttl_max, ttl, "`ttl_max` beside `ttl`: that one holds whatever responses say");
        let never = on_error == Some(OnError::Error);
        let error = idle(&self.stale_if_error, never, "`stale_if_error` beside `on_error = \"error\"`");
        default.and(most).and(error)
    }
}
