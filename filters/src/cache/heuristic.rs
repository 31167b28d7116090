//! A lifetime that is guessed where the origin names none (RFC 9111 section 4.2.2).

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, LAST_MODIFIED, PRAGMA};

use super::date::date;
use super::directives::Directives;
use super::freshness::{Answer, is_cacheable_by_default};

/// The longest that is guessed.
const MOST: Duration = Duration::from_secs(3600);

/// A tenth of the time for which the response had not changed when it was made, as the section proposes; at most an hour. Only where
/// that is asked for, for statuses that are cacheable by default or with `public`, and never where something hints that it is meant
/// for one client: a cookie in the request, or HTTP/1.0's word for what is not to be kept.
pub(crate) fn guessed(answer: &Answer<'_>, directives: &Directives) -> Option<Duration> {
    let may_be_kept = is_cacheable_by_default(answer.status) || directives.public;
    if !answer.asked.heuristic || answer.asked.cookie || !may_be_kept || says_no_cache(answer.headers) {
        return None;
    }
    let changed = answer.headers.get(LAST_MODIFIED).and_then(date)?;
    let made = answer.headers.get(DATE).and_then(date).unwrap_or(answer.response_time);
    let guess = (made.duration_since(changed).ok()? / 10).min(MOST);
    Some(guess).filter(|guess| !guess.is_zero())
}

/// `Pragma: no-cache`: RFC 9111 section 5.4 gives it no meaning in a response, but whoever writes it means one.
fn says_no_cache(headers: &HeaderMap) -> bool {
    headers
        .get_all(PRAGMA)
        .iter()
        .any(|line| line.as_bytes().to_ascii_lowercase().windows(8).any(|word| word == b"no-cache"))
}
