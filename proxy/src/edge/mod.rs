//! Requests: from Pingora's hooks to the decisions of `selvedge-filters` and back.
//!
//! In goes a session of Pingora's; out come answers ([`answer`]), or a request to an origin ([`origin`]). [`adapter`] is the
//! only place that knows the order of Pingora's hooks, and it decides nothing.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapter;
mod answer;
mod caching;
mod context;
mod finish;
mod forwarded;
pub mod origin;
mod outbound;
mod request_id;
mod target;
mod tries;

use std::net::IpAddr;
use std::sync::Arc;

use pingora::apps::HttpServerOptions;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use selvedge_conf::ClientBounds;
use selvedge_filters::cache::Scheme;
use selvedge_filters::{Decision, Head, SiteId, Verdict};

use crate::front::ClientStream;
use crate::node::Node;
use crate::observe::metrics::LimitOutcome;
use answer::{Answer, EdgeFields};
pub use context::Context;
pub(crate) use tries::TRIES;

/// Requests one HTTP/1.1 connection may carry before it is closed, so that per-connection memory is given back at times.
const KEEPALIVE_REQUESTS: u32 = 10_000;

/// The proxy that Pingora runs.
pub struct Edge {
    node: Arc<Node>,
}

/// Pingora's options for client connections. Its defaults know no idle timeout for HTTP/2.
pub fn server_options(bounds: &ClientBounds) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(bounds.idle_timeout);
    options.keepalive_request_limit = Some(KEEPALIVE_REQUESTS);
    options
}

impl Edge {
    /// The proxy of a node.
    pub fn new(node: Arc<Node>) -> Edge {
        Edge { node }
    }

    /// Finds out who asks for what, and decides. `Some` is the edge's own answer.
    fn decide(&self, session: &Session, context: &mut Context) -> Option<Answer> {
        if let Err(answer) = self.identify(session, context) {
            return Some(answer);
        }
        if outbound::been_here(session.req_header(), &self.node.config.pop.name) {
            return Some(Answer::Loop);
        }
        let Some(head) = head(session, context) else { return Some(Answer::Internal) };
        let decision = self.node.filters.decide(&head, &self.node.store, self.node.clock.now());
        self.follow(decision, context)
    }

    /// What a background revalidation needs of all that: where it goes. Nothing is charged for it.
    fn revalidate(&self, session: &Session, context: &mut Context) -> Option<Answer> {
        if let Err(answer) = self.identify(session, context) {
            return Some(answer);
        }
        match self.node.filters.site(&context.target.host) {
            Some(site) => self.go_to(site, context),
            None => return Some(Answer::NoSite),
        }
        None
    }

    /// Finds out who asks for what.
    fn identify(&self, session: &Session, context: &mut Context) -> Result<(), Answer> {
        let request = session.req_header();
        // Clients come over TCP, so there is an address; without one nobody could be counted.
        let peer = context.peer.ok_or(Answer::Internal)?;
        let client = forwarded::client(peer, &request.headers, &self.node.config.listen.trusted_proxies);
        context.client = Some(client);
        let scheme = forwarded::scheme(client, scheme(session), &request.headers);
        context.target = target::target(request, scheme).map_err(Answer::BadRequest)?;
        let max = self.node.config.listen.bounds.body_max;
        match declared(request) {
            Some(length) if length > max => Err(Answer::BodyTooLarge { max }),
            _ => Ok(()),
        }
    }

    fn go_to(&self, site: SiteId, context: &mut Context) {
        context.site = Some(site);
        let origin = self.node.config.sites.get(site.0).and_then(|site| self.node.origins.get(site.origin));
        context.origin = origin.cloned();
    }

    fn follow(&self, decision: Decision, context: &mut Context) -> Option<Answer> {
        let Decision { verdict, quota, would_refuse, uncounted } = decision;
        context.quota = quota;
        context.would_refuse = would_refuse;
        if let Some(limit) = would_refuse {
            self.node.metrics.limit(limit, LimitOutcome::WouldRefuse);
        }
        if let Some(limit) = uncounted {
            self.node.metrics.limit(limit, LimitOutcome::Uncounted);
        }
        let name = |id| self.node.filters.limit(id).map_or(String::new(), |limit| limit.facts().name.clone());
        match verdict {
            Verdict::Pass(site) => {
                self.go_to(site, context);
                None
            }
            Verdict::NoSite => Some(Answer::NoSite),
            Verdict::Banned { site, remaining, origin, .. } => {
                context.site = site;
                Some(Answer::Banned { origin, remaining })
            }
            Verdict::Limited { site, quota, .. } => {
                context.site = Some(site);
                self.node.metrics.limit(quota.limit, LimitOutcome::Refused);
                Some(Answer::Limited { limit: name(quota.limit), retry_after: quota.reset })
            }
            Verdict::Partitioned { site, limit } => {
                context.site = Some(site);
                self.node.metrics.limit(limit, LimitOutcome::Refused);
                Some(Answer::Partitioned { limit: name(limit) })
            }
        }
    }

    /// Sends the edge's own answer and remembers that it did. What is left of the request's body is taken in, within bounds, so
    /// that the answer is not lost in a reset connection and the next request begins where it should.
    async fn answer(&self, session: &mut Session, context: &mut Context, answer: Answer) -> pingora::Result<()> {
        session.set_close_on_response_before_downstream_finish(false);
        // Such a client waits for leave to send its body, and will not get it: there is nothing to take in.
        let expects = session.req_header().headers.contains_key("expect");
        if expects {
            session.set_keepalive(None);
        }
        let sent = answer.send(session, &self.fields(context, None)).await;
        context.answer = Some(answer);
        sent?;
        if !expects && session.drain_request_body().await.is_err() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn fields(&self, context: &Context, cache_status: Option<String>) -> EdgeFields<'_> {
        let quota = context.limit(self.node.filters.limits());
        EdgeFields { pop: &self.node.config.pop.name, id: context.id, quota, cache_status }
    }
}

/// The request as filters see it. None before it is known who asks.
fn head<'a>(session: &'a Session, context: &'a Context) -> Option<Head<'a>> {
    let request = session.req_header();
    Some(Head {
        method: request.method.as_str(),
        host: &context.target.host,
        path: request.uri.path(),
        query: request.uri.query(),
        headers: &request.headers,
        client: context.client?.address,
    })
}

/// Our own stream under an HTTP/1.1 session; HTTP/2 has none to show.
fn stream(session: &Session) -> Option<&ClientStream> {
    session.as_downstream().stream()?.as_any().downcast_ref()
}

/// The other end of the client's connection.
fn peer(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip())
}

/// The scheme of the client's connection.
fn scheme(session: &Session) -> Scheme {
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    if tls { Scheme::Https } else { Scheme::Http }
}

/// The length of the body as the client declares it.
fn declared(request: &RequestHeader) -> Option<u64> {
    request.headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.1): the only upgrade that is passed on.
fn wants_web_socket(request: &RequestHeader) -> bool {
    let upgrade = request.headers.get("upgrade").and_then(|value| value.to_str().ok());
    request.method == http::Method::GET && upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}
