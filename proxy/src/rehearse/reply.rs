//! The response that a decision leads to, as far as it is known without an origin.

use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge_filters::challenge::Outcome;
use selvedge_filters::session::is_told;
use selvedge_filters::{Decision, Filters, From, HeaderChange, Quota, Reply, Verdict};

use crate::edge::{own_retry_after, own_status, told};

/// A response that nobody sent.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    from: From,
    cache: &'static str,
    challenge: Option<Outcome>,
}

impl Response {
    /// The edge's own answer, or else the origin's, with what rules about the request change in it; `cached` says whether the
    /// cache would be asked.
    pub(super) fn to(
        filters: &Filters,
        decision: &Decision,
        origin: Option<(u16, HeaderMap)>,
        cached: bool,
    ) -> Option<Response> {
        let mut response = match own_status(&decision.verdict) {
            Some(status) => Response {
                status,
                headers: own_fields(&decision.verdict),
                from: From::Edge,
                cache: "",
                challenge: matches!(decision.verdict, Verdict::Challenged { .. }).then_some(Outcome::Posed),
            },
            None => {
                let (status, headers) = origin?;
                let cache = if cached { "miss" } else { "bypass" };
                Response { status, headers, from: From::Origin, cache, challenge: None }
            }
        };
        let facts = |quota: &Quota| filters.limit(quota.limit).map(|limit| (limit.facts(), *quota));
        for (name, value) in told(decision.quotas.iter().filter_map(facts)) {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers.insert(name, value);
            }
        }
        response.change(&decision.changes.response);
        Some(response)
    }

    /// As filters see it.
    pub(super) fn head(&self) -> Reply<'_> {
        let Response { status, headers, from, cache, challenge } = self;
        Reply { status: *status, headers, from: *from, cache, challenge: *challenge }
    }

    /// Takes off what an origin says of a session, which nobody else hears.
    pub(super) fn drop_claims(&mut self) {
        let claims: Vec<_> = self.headers.keys().filter(|name| is_told(name)).cloned().collect();
        claims.iter().for_each(|claim| drop(self.headers.remove(claim)));
    }

    /// Makes the changes that rules want.
    pub(super) fn change<'c>(&mut self, changes: impl IntoIterator<Item = &'c HeaderChange>) {
        for change in changes {
            match change {
                HeaderChange::Set(name, value) => drop(self.headers.insert(name.clone(), value.clone())),
                HeaderChange::Remove(name) => drop(self.headers.remove(name)),
            }
        }
    }
}

/// The header of the edge's own answer, as far as rules and limits decide it.
fn own_fields(verdict: &Verdict) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(after) = own_retry_after(verdict) {
        headers.insert(http::header::RETRY_AFTER, after.into());
    }
    if let Verdict::Redirected { location, .. } = verdict
        && let Ok(location) = HeaderValue::from_str(location)
    {
        headers.insert(http::header::LOCATION, location);
    }
    headers
}

/// Header fields of words; what cannot be one is left out, which the configuration excludes.
pub(super) fn fields(words: &[(String, String)]) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in words.iter().filter_map(field) {
        headers.append(name, value);
    }
    headers
}
