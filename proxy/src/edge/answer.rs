//! The one place that turns a decision into bytes: status, header fields and a problem document (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use selvedge_conf::Deny;
use selvedge_filters::{BanOrigin, idempotency};
use serde::Serialize;

use super::challenge::{Puzzle, Said};
use super::form::FORM_MAX;
use super::outbound::pseudonym;
use super::purger::Refusal;
use super::request_id::RequestId;
use super::target::BadTarget;

/// Everything the edge answers by itself.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// What a rule says.
    Denied {
        /// The status.
        status: StatusCode,
    },
    /// What a rule says.
    Redirected {
        /// The status.
        status: StatusCode,
        /// Where to.
        location: String,
    },
    /// 403, or 429 when a limit's penalty made the ban.
    Banned {
        /// Who made the ban.
        origin: BanOrigin,
        /// Until it ends.
        remaining: Duration,
    },
    /// As the limit says: 429 with `Retry-After` and the limit by name where it says nothing.
    Limited {
        /// The limit's name.
        limit: String,
        /// Until there is room for the request; `None` where no time helps, or none is known.
        retry_after: Option<Duration>,
        /// The status, and the body if it is not a problem document.
        deny: Deny,
    },
    /// 403: a limit with `on_missing = "deny"`, and a part of its key is missing.
    Unkeyed {
        /// The limit's name.
        limit: String,
    },
    /// 503: a limit with `on_partition = "deny"` while peers cannot be heard.
    Partitioned {
        /// The limit's name.
        limit: String,
    },
    /// 404: no site serves this host.
    NoSite,
    /// 400.
    BadRequest(BadTarget),
    /// 200: what was asked for is purged, as this says.
    Purged(Bytes),
    /// 401, 403 or 429: a client that may not purge, or not this, or not now.
    MayNotPurge(Refusal),
    /// What is asked to be purged is none, or cannot be.
    BadPurge {
        /// The status.
        status: StatusCode,
        /// What is wrong, in words.
        why: String,
    },
    /// A challenge, or what became of one.
    Challenge(Said),
    /// 400: Pingora could not make a request of it.
    Malformed,
    /// 413.
    BodyTooLarge {
        /// The most bytes a body may have.
        max: u64,
    },
    /// 413: a rule has to see a form that is longer than forms that are read.
    FormTooLarge,
    /// 408: the request's body stopped coming.
    RequestTimeout,
    /// 508: the request has been here before (RFC 8586).
    Loop,
    /// 204 or 501: nobody may pass it on any more (RFC 9110 section 7.6.2).
    LastHop {
        /// The status.
        status: StatusCode,
    },
    /// 502: no origin server could be reached, or none answered properly.
    BadGateway,
    /// 504: the origin did not answer in time.
    GatewayTimeout,
    /// 503: the one fetch that all waited for did not come back in time.
    Busy {
        /// Until the origin is asked again.
        retry_after: Duration,
    },
    /// A request that is run once, or would be.
    Unrepeatable(idempotency::Refusal),
    /// 421: another POP asks for what this one cannot fetch for it, in words (RFC 9110 section 15.5.20).
    Unshielded(&'static str),
    /// 500: our own fault.
    Internal,
}

/// A problem document (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a Puzzle>,
    request_id: String,
    pop: &'a str,
}

impl Answer {
    /// The status it is sent with.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Answer::Denied { status } | Answer::Redirected { status, .. } | Answer::LastHop { status } => *status,
            Answer::Banned { origin: BanOrigin::Operator | BanOrigin::Rule, .. } | Answer::Unkeyed { .. } => {
                StatusCode::FORBIDDEN
            }
            Answer::Banned { origin: BanOrigin::Penalty, .. } => StatusCode::TOO_MANY_REQUESTS,
            // The config holds only statuses there are.
            Answer::Limited { deny, .. } => StatusCode::from_u16(deny.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS),
            Answer::Purged(_) => StatusCode::OK,
            Answer::MayNotPurge(refusal) => refusal.status(),
            Answer::BadPurge { status, .. } => *status,
            Answer::Challenge(said) => said.status(),
            Answer::Partitioned { .. } | Answer::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Answer::NoSite => StatusCode::NOT_FOUND,
            Answer::BadRequest(_) | Answer::Malformed => StatusCode::BAD_REQUEST,
            Answer::BodyTooLarge { .. } | Answer::FormTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Answer::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Answer::Loop => StatusCode::LOOP_DETECTED,
            Answer::BadGateway => StatusCode::BAD_GATEWAY,
            Answer::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Answer::Unrepeatable(refusal) => {
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            Answer::Unshielded(_) => StatusCode::MISDIRECTED_REQUEST,
            Answer::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Answer::Denied { .. } => "denied",
            Answer::Redirected { .. } => "redirected",
            Answer::Banned { .. } => "banned",
            Answer::Limited { .. } => "limited",
            Answer::Unkeyed { .. } => "unkeyed",
            Answer::Partitioned { .. } => "partitioned",
            Answer::NoSite => "no-site",
            Answer::Purged(_) => "purged",
            Answer::MayNotPurge(_) => "may-not-purge",
            Answer::BadPurge { .. } => "bad-purge",
            Answer::Challenge(said) => said.name(),
            Answer::BadRequest(_) | Answer::Malformed => "bad-request",
            Answer::BodyTooLarge { .. } => "body-too-large",
            Answer::FormTooLarge => "form-too-large",
            Answer::RequestTimeout => "request-timeout",
            Answer::Loop => "loop",
            Answer::LastHop { .. } => "last-hop",
            Answer::BadGateway => "bad-gateway",
            Answer::GatewayTimeout => "gateway-timeout",
            Answer::Busy { .. } => "busy",
            Answer::Unrepeatable(_) => "idempotency",
            Answer::Unshielded(_) => "unshielded",
            Answer::Internal => "internal",
        }
    }

    /// For the client: no word of the config but the names of limits, which their header fields have anyway. The request's id,
    /// which stands beside it, tells an operator the rest.
    fn detail(&self) -> String {
        match self {
            Answer::Denied { .. } => "This request is not served here.".to_owned(),
            Answer::Redirected { location, .. } => format!("What was asked for is at {location}"),
            Answer::Banned { remaining, .. } => format!("This client is banned for another {} s.", seconds(*remaining)),
            Answer::Limited { limit, retry_after: Some(after), .. } => {
                format!("Limit \"{limit}\" is reached; there is room again in {} s.", seconds(*after))
            }
            Answer::Limited { limit, retry_after: None, .. } => format!("Limit \"{limit}\" is reached."),
            Answer::Unkeyed { limit } => format!("This request lacks what limit \"{limit}\" counts it by."),
            Answer::Partitioned { limit } => {
                format!("Limit \"{limit}\" admits nothing while other points of presence cannot be heard.")
            }
            Answer::NoSite => "No site is configured for this host.".to_owned(),
            Answer::Purged(_) => "What was asked for is purged.".to_owned(),
            Answer::MayNotPurge(refusal) => format!("{}.", capitalised(&refusal.to_string())),
            Answer::BadPurge { why, .. } => format!("{}.", capitalised(why)),
            Answer::Challenge(said) => said.detail().to_owned(),
            Answer::BadRequest(reason) => format!("{}.", capitalised(reason.as_str())),
            Answer::Malformed => "The request is malformed.".to_owned(),
            Answer::BodyTooLarge { max } => format!("A request body may have {max} bytes at most."),
            Answer::FormTooLarge => format!("A form that is sent here may have {FORM_MAX} bytes at most."),
            Answer::RequestTimeout => "The request did not arrive in time.".to_owned(),
            Answer::Loop => "This request has passed through this point of presence before.".to_owned(),
            Answer::LastHop { .. } => "This request may go no further, and requests are not reflected here.".to_owned(),
            Answer::BadGateway => "The origin could not be reached or gave no valid answer.".to_owned(),
            Answer::GatewayTimeout => "The origin did not answer in time.".to_owned(),
            Answer::Busy { .. } => "The origin is still answering an earlier request for the same resource.".to_owned(),
            Answer::Unrepeatable(refusal) => refusal.detail(),
            Answer::Unshielded(why) => format!("{}.", capitalised(why)),
            Answer::Internal => "An internal error occurred.".to_owned(),
        }
    }

    /// Until it may be asked again; none where no time helps, or none is known.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Answer::Banned { remaining, .. } => Some(*remaining),
            Answer::Limited { retry_after, .. } => *retry_after,
            Answer::Busy { retry_after } => Some(*retry_after),
            Answer::MayNotPurge(Refusal::Often(retry_after)) => *retry_after,
            Answer::Unrepeatable(refusal) => refusal.retry_after(),
            Answer::Partitioned { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The limit that refused, by its name.
    pub(super) fn limit(&self) -> Option<&str> {
        match self {
            Answer::Limited { limit, .. } | Answer::Partitioned { limit } | Answer::Unkeyed { limit } => Some(limit),
            _ => None,
        }
    }

    /// The header, before what every response gets is added, and the body.
    ///
    /// # Errors
    /// When a value is no valid header value.
    pub(super) fn render(&self, pop: &str, id: RequestId) -> pingora::Result<(ResponseHeader, Bytes)> {
        let status = self.status();
        if let Answer::Redirected { location, .. } = self {
            return redirect(status, location, self.detail());
        }
        if let Answer::Challenge(said) = self
            && let Some(own) = said.render(id)?
        {
            return Ok(own);
        }
        if status == StatusCode::NO_CONTENT {
            let mut header = ResponseHeader::build(status, Some(8))?;
            header.insert_header("cache-control", "no-store")?;
            return Ok((header, Bytes::new()));
        }
        let (content_type, body) = match self {
            Answer::Limited { deny: Deny { body: Some(own), .. }, .. } => {
                (own.content_type.as_str(), own.text.clone().into_bytes())
            }
            Answer::Purged(which) => ("application/json", which.to_vec()),
            _ => ("application/problem+json", self.problem(pop, id)),
        };
        let mut header = ResponseHeader::build(status, Some(8))?;
        header.insert_header("content-type", content_type)?;
        header.insert_header("content-length", body.len())?;
        header.insert_header("cache-control", "no-store")?;
        if let Answer::MayNotPurge(refusal) = self
            && let Some(challenge) = refusal.challenge()
        {
            header.insert_header("www-authenticate", challenge)?;
        }
        if let Answer::Challenge(Said::NotAllowed) = self {
            header.insert_header("allow", "GET, HEAD, POST")?;
        }
        if let Some(after) = self.retry_after() {
            header.insert_header("retry-after", seconds(after))?;
        }
        Ok((header, body.into()))
    }

    fn problem(&self, pop: &str, id: RequestId) -> Vec<u8> {
        let status = self.status();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail(),
            limit: self.limit(),
            challenge: match self {
                Answer::Challenge(said) => said.puzzle(),
                _ => None,
            },
            request_id: id.to_string(),
            pop,
        };
        let mut body = serde_json::to_vec(&problem).unwrap_or_default();
        body.push(b'\n');
        body
    }
}

/// A redirect is no problem: plain text, for clients that do not follow (RFC 9110 section 15.4).
fn redirect(status: StatusCode, location: &str, text: String) -> pingora::Result<(ResponseHeader, Bytes)> {
    let body = format!("{text}\n");
    let mut header = ResponseHeader::build(status, Some(8))?;
    header.insert_header("location", location)?;
    header.insert_header("content-type", "text/plain; charset=utf-8")?;
    header.insert_header("content-length", body.len())?;
    header.insert_header("cache-control", "no-store")?;
    Ok((header, body.into()))
}

/// Sends an answer's header and body.
///
/// # Errors
/// When the client cannot be written to.
pub(super) async fn send(session: &mut Session, header: ResponseHeader, body: Bytes) -> pingora::Result<()> {
    let head = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(header), head).await?;
    if !head {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// What every response carries, whoever made it, beside what it tells of limits.
pub(super) struct EdgeFields<'a> {
    pub(super) pop: &'a str,
    pub(super) id: RequestId,
    pub(super) cache_status: Option<String>,
}

impl EdgeFields<'_> {
    /// Adds the edge's own header fields to a response.
    ///
    /// # Errors
    /// When a value is no valid header value.
    pub(super) fn add_to(&self, header: &mut ResponseHeader) -> pingora::Result<()> {
        header.insert_header("x-request-id", self.id.to_string())?;
        header.append_header("via", format!("1.1 {}", pseudonym(self.pop)))?;
        if let Some(cache_status) = &self.cache_status {
            // The list member nearest to the client comes last (RFC 9211 section 2).
            header.append_header("cache-status", cache_status.as_str())?;
        }
        Ok(())
    }
}

/// Whole seconds, rounded up: to come back earlier would be too early.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use selvedge_conf::DenyBody;

    use super::*;

    #[test]
    fn a_limited_client_reads_which_limit_and_for_how_long() {
        let answer = Answer::Limited {
            limit: "api".to_owned(),
            retry_after: Some(Duration::from_millis(2100)),
            deny: Deny::default(),
        };
        let id = RequestId::new();
        let (header, body) = answer.render("fra", id).unwrap();
        assert_eq!(header.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header.headers["retry-after"], "3");
        assert_eq!(header.headers["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["limit"], "api");
        assert_eq!(problem["request_id"], id.to_string());
        assert_eq!(problem["status"], 429);
        assert_eq!(problem["pop"], "fra");
    }

    #[test]
    fn a_limit_has_its_own_answer() {
        let body = DenyBody { text: "<p>Later.".to_owned(), content_type: "text/html".to_owned() };
        let deny = Deny { status: 503, body: Some(body) };
        let answer = Answer::Limited { limit: "api".to_owned(), retry_after: None, deny };
        let (header, body) = answer.render("fra", RequestId::new()).unwrap();
        assert_eq!(header.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((header.headers["content-type"].as_bytes(), &body[..]), (&b"text/html"[..], &b"<p>Later."[..]));
        assert!(!header.headers.contains_key("retry-after"));
    }

    #[test]
    fn an_operators_ban_is_forbidden_and_a_penalty_is_too_many_requests() {
        let remaining = Duration::from_secs(5);
        assert_eq!(Answer::Banned { origin: BanOrigin::Operator, remaining }.status(), StatusCode::FORBIDDEN);
        assert_eq!(Answer::Banned { origin: BanOrigin::Penalty, remaining }.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(Answer::Banned { origin: BanOrigin::Rule, remaining }.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn a_redirect_says_where_to() {
        let answer = Answer::Redirected { status: StatusCode::FOUND, location: "https://a.example/<b>".to_owned() };
        let (header, body) = answer.render("fra", RequestId::new()).unwrap();
        assert_eq!(header.status, StatusCode::FOUND);
        assert_eq!(header.headers["location"], "https://a.example/<b>");
        assert_eq!(header.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(body, "What was asked for is at https://a.example/<b>\n");
    }
}
