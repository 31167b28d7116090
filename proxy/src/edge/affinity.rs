//! How a client keeps to one server of an origin: by a cookie of the edge, which goes no further than here, or by a key of its requests.
//!
//! The cookie names the server that answered. It is taken off before the cache and the origin see the request, so that it makes no response one
//! client's own; and it is set on the way out, behind the cache, where the client has none or another server answered.

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use selvedge_filters::cache::Scheme;

use super::context::Context;
use super::forwarded::{self, Client};
use super::origin::{Keeps, Tickets};
use super::set_cookie;

/// What is known of the server that a client keeps to by a cookie.
#[derive(Debug, Clone)]
pub(super) struct Ticketed {
    tickets: Arc<Tickets>,
    /// The server that its cookie names.
    named: Option<usize>,
}

/// Takes the cookie of an origin off a request that goes there. Gives `original`, unless it is there already, the fields as they were.
pub(super) fn take(
    tickets: &Arc<Tickets>,
    (request, original): (&mut RequestHeader, &mut Option<HeaderMap>),
    client: Client,
) -> Ticketed {
    let mut named = None;
    let mut rest = |line| without(line, tickets.cookie(), |value| named = named.or_else(|| tickets.server(value)));
    let lines: Vec<_> = request.headers.get_all(COOKIE).iter().map(|line| (line, rest(line))).collect();
    if lines.iter().any(|(_, rest)| rest.is_some()) {
        let kept = lines.into_iter().filter_map(|(line, rest)| rest.unwrap_or_else(|| Some(line.clone())));
        let kept: Vec<HeaderValue> = kept.collect();
        if original.is_none() {
            *original = Some(request.headers.clone());
            // As where rules change a request: whoever finds that it was changed takes them for gone.
            forwarded::drop_claims(request, client);
        }
        request.remove_header(&COOKIE);
        for line in kept {
            // Each was part of a value, so it is one.
            let _ = request.append_header(COOKIE, line);
        }
    }
    Ticketed { tickets: Arc::clone(tickets), named }
}

/// What is left of a line of cookies without those of a name, whose values `found` gets (RFC 6265 section 4.2.1). `None`: it has none of them.
fn without(line: &HeaderValue, name: &str, mut found: impl FnMut(&str)) -> Option<Option<HeaderValue>> {
    let text = line.to_str().ok()?;
    let mut value = |pair: &&str| match pair.trim().split_once('=') {
        Some((of, value)) if of == name => {
            found(value);
            false
        }
        _ => true,
    };
    let rest: Vec<&str> = text.split(';').filter(|pair| value(pair)).collect();
    if rest.len() == text.split(';').count() {
        return None;
    }
    Some(HeaderValue::from_str(rest.join(";").trim()).ok().filter(|line| !line.is_empty()))
}

/// What the next try of a request keeps to.
pub(super) fn keeps(context: &Context) -> Keeps {
    let named = context.ticketed.as_ref().and_then(|ticketed| ticketed.named).map(Keeps::Server);
    named.or(context.affinity.map(Keeps::Key)).unwrap_or_default()
}

/// Has a client keep to the server that answered, if it does not yet. For what is on its way out.
///
/// # Errors
/// When a value is no valid header value, which these are.
pub(super) fn tell(response: &mut ResponseHeader, context: &Context) -> pingora::Result<()> {
    let (Some(ticketed), Some(server)) = (&context.ticketed, context.server) else { return Ok(()) };
    let Some(ticket) = ticketed.tickets.of(server).filter(|_| ticketed.named != Some(server)) else { return Ok(()) };
    let secure = if context.target.scheme == Scheme::Https { "; Secure" } else { "" };
    let cookie = format!("{}={ticket}; Path=/; HttpOnly; SameSite=Lax{secure}", ticketed.tickets.cookie());
    set_cookie::set(response, cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_taken_off_and_the_others_stay() {
        for (line, values, rest) in [
            ("a=1; s=x; b=2", &["x"][..], Some("a=1; b=2")),
            ("s=x", &["x"], None),
            ("s=x; s=y", &["x", "y"], None),
            ("s=x; a=1", &["x"], Some("a=1")),
            ("a=1; s=", &[""], Some("a=1")),
        ] {
            let mut found = Vec::new();
            let left = without(&HeaderValue::from_static(line), "s", |value| found.push(value.to_owned()));
            let left = left.map(|left| left.map(|left| left.to_str().unwrap().to_owned()));
            assert_eq!(
                (left, found),
                (Some(rest.map(str::to_owned)), values.iter().map(|v| (*v).to_owned()).collect())
            );
        }
        for line in ["", "a=1", "S=x", "ss=x; a=s", "s", "\u{e4}=1"] {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            assert_eq!(without(&line, "s", |_| panic!("there is none")), None, "{line:?}");
        }
    }
}
