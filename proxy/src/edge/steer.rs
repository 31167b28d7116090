//! What rules change about a request before cache and origin, and about the header of a response on its way to the client.
//!
//! The request itself is changed, so that cache key, `Vary`, conditions and ranges are those of the request that the origin
//! would see. What rules and limits know of it stays what the client sent: the context keeps it.

use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use selvedge_filters::{Changes, HeaderChange};

use super::forwarded::{self, Client};
use super::target::{BadTarget, Target, aim};

/// Changes a request. Gives back its header fields as they were, if they are changed.
///
/// # Errors
/// [`BadTarget`] when there is no URI for a rewritten target.
pub(super) fn request(
    request: &mut RequestHeader,
    target: &Target,
    client: Client,
    changes: &Changes,
) -> Result<Option<HeaderMap>, BadTarget> {
    if changes.path.is_some() || changes.query.is_some() {
        let path = changes.path.as_deref().unwrap_or(&target.path);
        let query = match changes.query.as_deref() {
            Some("") => None,
            Some(query) => Some(query),
            None => target.query.as_deref(),
        };
        aim(request, path, query)?;
    }
    if changes.request.is_empty() {
        return Ok(None);
    }
    let original = request.headers.clone();
    // What a client claims goes before rules say it: else theirs would go as well, on the way to the origin.
    forwarded::drop_claims(request, client);
    for change in &changes.request {
        match change {
            // A value that was made to be one, and a name from the config: it cannot fail.
            HeaderChange::Set(name, value) => drop(request.insert_header(name.clone(), value.clone())),
            HeaderChange::Remove(name) => drop(request.remove_header(name)),
        }
    }
    Ok(Some(original))
}

/// Changes the header of a response.
///
/// # Errors
/// When a value is no valid header value, which it was made to be.
pub(super) fn response(response: &mut ResponseHeader, changes: &[HeaderChange]) -> pingora::Result<()> {
    for change in changes {
        match change {
            HeaderChange::Set(name, value) => {
                response.insert_header(name.clone(), value.clone())?;
            }
            HeaderChange::Remove(name) => drop(response.remove_header(name)),
        }
    }
    Ok(())
}
