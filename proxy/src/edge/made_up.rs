//! A request that nobody sent: made of words, and read by the functions that read real ones, so that a test or an explanation
//! sees the host, the path and the answer that a client would get.

use std::net::IpAddr;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use selvedge_conf::Config;
use selvedge_filters::cache::{KeyParts, Scheme};
use selvedge_filters::challenge::{self, Challenge};
use selvedge_filters::session::{Record, Standing, Visitor};
use selvedge_filters::{Changes, Filters, Form, Head, Verdict};
use selvedge_state::{Store, Time};

use super::answer::{Answer, seconds};
use super::challenge::Said;
use super::forwarded::{Client, Trust};
use super::target::{self, Target};
use super::{declared, form, outbound, session, steer};

/// A request in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words<'a> {
    /// The method.
    pub method: &'a str,
    /// An absolute URL; what its path and query hold is sent as it is.
    pub url: &'a str,
    /// Header fields. A `host` among them is sent instead of the URL's.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a str,
    /// The client, whatever the headers say of it.
    pub client: IpAddr,
}

/// A request that nobody sent, understood.
#[derive(Debug, Clone)]
pub struct MadeUp {
    request: RequestHeader,
    original: HeaderMap,
    target: Target,
    client: Client,
    body: String,
    session: Option<Record>,
}

/// Why a request in words is none that is decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRequest {
    /// The words make no request: nobody could send it.
    Unsendable(String),
    /// The edge answers it before anything is decided.
    Refused {
        /// The status.
        status: u16,
        /// One word for why.
        name: &'static str,
        /// For people.
        detail: String,
    },
}

impl std::fmt::Display for NoRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoRequest::Unsendable(why) => f.write_str(why),
            NoRequest::Refused { status, detail, .. } => write!(f, "{status}: {detail}"),
        }
    }
}

impl std::error::Error for NoRequest {}

impl NoRequest {
    fn refused(answer: &Answer, detail: &str) -> NoRequest {
        NoRequest::Refused { status: answer.status().as_u16(), name: answer.name(), detail: detail.to_owned() }
    }
}

impl MadeUp {
    /// Makes a request of words, and reads it as an edge of this config would.
    ///
    /// # Errors
    /// [`NoRequest`].
    pub fn new(words: &Words<'_>, config: &Config) -> Result<MadeUp, NoRequest> {
        let (scheme, authority, rest) = split(words.url)?;
        let unsendable = |what: &str, text: &str| NoRequest::Unsendable(format!("{text:?} is no {what}"));
        let mut request = RequestHeader::build(words.method, rest.as_bytes(), Some(words.headers.len() + 2))
            .map_err(|_| unsendable("request", &format!("{} {rest}", words.method)))?;
        for (name, value) in words.headers {
            let field = HeaderName::try_from(name.as_str()).map_err(|_| unsendable("header field", name))?;
            request.append_header(field, value.as_str()).map_err(|_| unsendable("field value", value))?;
        }
        if !request.headers.contains_key("host") {
            request.append_header("host", authority).map_err(|_| unsendable("host", authority))?;
        }
        if !words.body.is_empty() && declared(&request).is_none() {
            let length = words.body.len();
            request.append_header("content-length", length).map_err(|_| unsendable("length", words.body))?;
        }
        session::drop_claims(&mut request);
        let target = target::target(&request, scheme)
            .map_err(|bad| NoRequest::refused(&Answer::BadRequest(bad), bad.as_str()))?;
        target::aim(&mut request, &target.path, target.query.as_deref())
            .map_err(|bad| NoRequest::refused(&Answer::BadRequest(bad), bad.as_str()))?;
        let max = config.listen.bounds.body_max;
        if declared(&request).is_some_and(|length| length > max) {
            return Err(NoRequest::refused(&Answer::BodyTooLarge { max }, "the body is too large"));
        }
        if outbound::been_here(&request, &config.pop.name) {
            return Err(NoRequest::refused(&Answer::Loop, "the request has been here before"));
        }
        let client = Client { address: words.client.to_canonical(), via: Trust::Client };
        Ok(MadeUp {
            original: request.headers.clone(),
            request,
            target,
            client,
            body: words.body.to_owned(),
            session: None,
        })
    }

    /// The same with the session that its cookie names, if that is valid.
    #[must_use]
    pub fn meeting(self, filters: &Filters, store: &Store, now: Time) -> MadeUp {
        let found = filters.site(&self.target.host).and_then(|site| filters.session(site));
        let visitor = found.map(|(shape, site)| Visitor::meet(shape, &self.original, site, store, now));
        let session = visitor.and_then(|visitor| visitor.record().cloned());
        MadeUp { session, ..self }
    }

    /// The same with a valid session that holds this, where its site has sessions.
    #[must_use]
    pub fn holding(self, held: &[(String, String)], filters: &Filters, now: Time) -> MadeUp {
        let found = filters.site(&self.target.host).and_then(|site| filters.session(site));
        MadeUp { session: found.map(|(shape, _)| shape.given(held, now)), ..self }
    }

    /// The same with this session, where its cookie names none.
    #[must_use]
    pub fn resuming(self, session: Option<Record>) -> MadeUp {
        MadeUp { session: self.session.or(session), ..self }
    }

    /// The same with a pass for a puzzle of so many bits, where clients are challenged.
    #[must_use]
    pub fn passing(mut self, bits: u8, filters: &Filters, now: Time) -> MadeUp {
        let client = challenge::Client { address: self.client.address, host: &self.target.host };
        let pass = |held: &Challenge| format!("{}={}", held.cookie(), held.pass(client, bits, now).text);
        let cookie = filters.challenge().and_then(|held| HeaderValue::try_from(pass(held)).ok());
        if let Some(cookie) = cookie {
            self.original.append(COOKIE, cookie);
        }
        self
    }

    /// The session that it comes with.
    pub fn session(&self) -> Option<&Record> {
        self.session.as_ref()
    }

    /// What its cookie comes to, and how long it would wait for what is missing; nothing where its site has no sessions.
    pub fn standing(&self, filters: &Filters, store: &Store, now: Time) -> Option<(Standing, Duration)> {
        let (shape, site) = filters.session(filters.site(&self.target.host)?)?;
        let visitor = Visitor::meet(shape, &self.original, site, store, now);
        let waits = visitor.missing().iter().any(|author| store.hears_pop(author.actor.pop));
        let wait = if waits { shape.facts().wait + shape.facts().fetch } else { Duration::ZERO };
        Some((visitor.standing(), wait))
    }

    /// The request as filters see it.
    pub fn head(&self) -> Head<'_> {
        self.with(&self.original)
    }

    /// The request as the cache sees it.
    pub fn cached(&self) -> Head<'_> {
        self.with(&self.request.headers)
    }

    fn with<'a>(&'a self, headers: &'a HeaderMap) -> Head<'a> {
        Head {
            method: self.request.method.as_str(),
            host: &self.target.host,
            path: &self.target.path,
            raw_path: &self.target.raw_path,
            query: self.target.query.as_deref(),
            scheme: self.target.scheme,
            protocol: "HTTP/1.1",
            headers,
            client: self.client.address,
            form: self.form(),
            session: self.session.as_ref(),
            may_wait: true,
        }
    }

    fn form(&self) -> Form<'_> {
        match form::claimed(&self.request) {
            form::Form::None => Form::None,
            form::Form::TooLong { .. } => Form::TooLong,
            _ if self.body.len() > form::FORM_MAX => Form::TooLong,
            _ => Form::Read(self.body.as_bytes()),
        }
    }

    /// The request with what rules change before cache and origin.
    ///
    /// # Errors
    /// [`NoRequest::Unsendable`] when a change cannot be made, which rules exclude.
    pub fn changed(&self, changes: &Changes) -> Result<MadeUp, NoRequest> {
        let mut changed = self.clone();
        steer::request(&mut changed.request, &self.target, self.client, changes)
            .map_err(|_| NoRequest::Unsendable("a change cannot be made".to_owned()))?;
        Ok(changed)
    }

    /// What its response would be stored under; `origin` is the one that a rule chose.
    pub fn key<'a>(&'a self, origin: Option<&'a str>) -> KeyParts<'a> {
        let Target { authority, scheme, .. } = &self.target;
        let uri = &self.request.uri;
        KeyParts { scheme: *scheme, authority, path: uri.path(), query: uri.query(), origin }
    }
}

/// The status that the edge itself answers with; none when the request goes on to cache and origin.
pub fn own_status(verdict: &Verdict) -> Option<u16> {
    let answer = match verdict {
        // Of words the body is known from the beginning.
        Verdict::Pass(_) | Verdict::FormUnread { .. } => return None,
        Verdict::Denied { status, .. } | Verdict::Redirected { status, .. } | Verdict::Limited { status, .. } => {
            return Some(*status);
        }
        Verdict::Challenged { .. } => return Some(Said::POSED.as_u16()),
        Verdict::NoSite => Answer::NoSite,
        Verdict::FormTooLong { .. } => Answer::FormTooLarge,
        Verdict::Banned { origin, remaining, .. } => Answer::Banned { origin: *origin, remaining: *remaining },
        Verdict::Unkeyed { .. } => Answer::Unkeyed { limit: String::new() },
        Verdict::Partitioned { .. } => Answer::Partitioned { limit: String::new() },
    };
    Some(answer.status().as_u16())
}

/// After how many seconds the edge's own answer says that there is room; none where no time helps, or none is known.
pub fn own_retry_after(verdict: &Verdict) -> Option<u64> {
    let after = match verdict {
        Verdict::Limited { quota, .. } => quota.reset,
        Verdict::Banned { remaining, .. } => Some(*remaining),
        Verdict::Partitioned { .. } => Answer::Partitioned { limit: String::new() }.retry_after(),
        _ => None,
    };
    after.map(seconds)
}

/// Scheme, authority, and path with query of a URL.
fn split(url: &str) -> Result<(Scheme, &str, String), NoRequest> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => {
            let why = format!("{url:?} is no URL: write it as \"https://www.example.com/path\"");
            return Err(NoRequest::Unsendable(why));
        }
    };
    let (authority, rest) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    Ok((scheme, authority, if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }))
}
