//! Who may purge by request: clients by their address, and whoever shows a token.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use selvedge_filters::purge::{Beyond, Pass, Reach, Wanted};

use super::context::Context;
use crate::node::Node;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purger<'a> {
    /// A client of `[purge] from`: for everything.
    Neighbour,
    /// Whoever knows the secret of a token.
    Holder(&'a Pass),
}

/// Why a client may not purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its address is none of those that may, and there are no tokens.
    Address,
    /// It shows no token.
    Unknown,
    /// What it shows is no token.
    Token,
    /// Its token is not for this.
    Beyond(Beyond),
    /// It has purged as often as its token may; until when, where that is known.
    Often(Option<Duration>),
}

impl<'a> Purger<'a> {
    /// Who sends a request. A token that is shown counts, and not the address.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn of(context: &'a Context, headers: &HeaderMap) -> Result<Purger<'a>, Refusal> {
        let Some(config) = &context.plan.config.purge else { return Err(Refusal::Address) };
        let has_tokens = !config.tokens.is_empty();
        if has_tokens && bearer(headers).is_some() {
            return Purger::holder(context, headers);
        }
        let is_near = context.client.is_some_and(|client| config.from.iter().any(|net| net.contains(&client.address)));
        match is_near {
            true => Ok(Purger::Neighbour),
            false if has_tokens => Err(Refusal::Unknown),
            false => Err(Refusal::Address),
        }
    }

    /// Who shows a token, where an address is not enough: a browser at one of those that may purge would `POST` whatever a page of
    /// somebody else has it post, and shows no token.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn holder(context: &'a Context, headers: &HeaderMap) -> Result<Purger<'a>, Refusal> {
        let shown = bearer(headers).ok_or(Refusal::Unknown)?;
        let place = context.plan.shelf.purger(shown);
        let pass = place.and_then(|place| context.plan.filters.passes().get(place));
        pass.map(Purger::Holder).ok_or(Refusal::Token)
    }

    /// Whether it may purge these now: they are counted then, all or none.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is counted.
    pub(super) fn may(&self, node: &Node, wanted: &[Wanted], reach: Reach) -> Result<(), Refusal> {
        let Purger::Holder(pass) = self else { return Ok(()) };
        wanted.iter().try_for_each(|wanted| pass.allows(wanted, reach)).map_err(Refusal::Beyond)?;
        let purges = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        pass.charge(purges, &node.store, node.clock.now()).map_err(Refusal::Often)
    }

    /// For the log.
    pub(super) fn name(&self) -> String {
        match self {
            Purger::Neighbour => "request".to_owned(),
            Purger::Holder(pass) => format!("token {}", pass.name()),
        }
    }
}

/// What a request shows as `Authorization: Bearer` (RFC 6750 section 2.1); nothing good where it has several such lines.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(AUTHORIZATION).iter().filter_map(|line| {
        let (scheme, shown) = line.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| shown.trim_ascii())
    });
    let first = lines.next()?;
    Some(if lines.next().is_none() { first } else { b"" })
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refusal::Address | Refusal::Beyond(_) => StatusCode::FORBIDDEN,
            Refusal::Unknown | Refusal::Token => StatusCode::UNAUTHORIZED,
            Refusal::Often(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// One word for metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Refusal::Address => "address",
            Refusal::Unknown | Refusal::Token => "token",
            Refusal::Beyond(_) => "scope",
            Refusal::Often(_) => "rate",
        }
    }

    /// For `WWW-Authenticate` (RFC 6750 section 3).
    pub(super) fn challenge(self) -> Option<&'static str> {
        match self {
            Refusal::Unknown => Some("Bearer realm=\"purge\""),
            Refusal::Token => Some("Bearer realm=\"purge\", error=\"invalid_token\""),
            Refusal::Beyond(_) => Some("Bearer realm=\"purge\", error=\"insufficient_scope\""),
            Refusal::Address | Refusal::Often(_) => None,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Address => formatter.write_str("this client may not purge"),
            Refusal::Unknown => formatter.write_str("who purges here shows a token"),
            Refusal::Token => formatter.write_str("this is no token that may purge"),
            Refusal::Beyond(beyond) => beyond.fmt(formatter),
            Refusal::Often(Some(after)) => {
                write!(
                    formatter,
                    "this token has purged as often as it may; once more in {} s",
                    super::answer::seconds(*after)
                )
            }
            Refusal::Often(None) => {
                formatter.write_str("so many purges are more than this token may ever make at once")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_is_what_is_shown() {
        for (lines, shown) in [
            (&[][..], None),
            (&["Basic YTpi"], None),
            (&["Bearer abc"], Some(&b"abc"[..])),
            (&["bEARER  abc "], Some(b"abc")),
            (&["Bearer "], Some(b"")),
            (&["Bearer"], None),
            (&["Basic YTpi", "Bearer abc"], Some(b"abc")),
            (&["Bearer abc", "Bearer def"], Some(b"")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, line.parse().unwrap());
            }
            assert_eq!(bearer(&headers), shown, "{lines:?}");
        }
    }
}
