//! Requests: from Pingora's hooks to the decisions of `selvedge-filters` and back.
//!
//! In goes a session of Pingora's; out come answers ([`answer`]), or a request to an origin ([`origin`]). [`adapter`] is the
//! only place that knows the order of Pingora's hooks, and it decides nothing.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapter;
mod affinity;
mod answer;
mod caching;
mod challenge;
mod child;
mod coding;
mod context;
mod door;
mod errand;
mod finish;
mod form;
mod forwarded;
mod held;
mod idempotency;
mod interim;
mod leaving;
mod made_up;
mod max_forwards;
pub mod origin;
mod outbound;
mod parent;
mod purge_request;
mod purger;
mod purging;
mod request_id;
mod roaming;
mod session;
mod set_cookie;
mod slices;
mod steer;
mod target;
mod told;
mod tries;
mod verdict;
mod waiting;
mod witnessed;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::CONTENT_SECURITY_POLICY;
use pingora::apps::HttpServerOptions;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use selvedge_conf::ClientBounds;
use selvedge_filters::cache::Scheme;
use selvedge_filters::limit::Holds;
use selvedge_filters::{Decision, From, Head, HeaderChange, Reply, ResponseDecision, Verdict};

use crate::front::ClientStream;
use crate::node::Node;
use crate::observe::LimitOutcome;
use answer::{Answer, EdgeFields};
pub(crate) use coding::offered;
pub use context::Context;
pub use door::admit;
use errand::{Errands, Found};
use form::Form;
use held::Held;
pub use made_up::{MadeUp, NoRequest, Words, own_retry_after, own_status};
use target::Target;
pub(crate) use told::told;
pub(crate) use tries::TRIES;
pub use waiting::Waiting;

/// Requests one HTTP/1.1 connection may carry before it is closed, so that per-connection memory is given back at times.
const KEEPALIVE_REQUESTS: u32 = 10_000;

/// The proxy that Pingora runs.
pub struct Edge {
    node: Arc<Node>,
    errands: Errands,
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
        Edge { node, errands: Errands::default() }
    }

    /// Finds out who asks for what, and decides. `Some` is the edge's own answer.
    ///
    /// # Errors
    /// When the client's connection fails before all is here that the decision needs.
    async fn decide(&self, session: &mut Session, context: &mut Context) -> pingora::Result<Option<Answer>> {
        if let Err(answer) = self.identify(session, context) {
            return Ok(Some(answer));
        }
        if outbound::been_here(session.req_header(), &context.plan.config.pop.name) {
            return Ok(Some(Answer::Loop));
        }
        session::meet(&self.node, session, context).await;
        if let Some(answer) = challenge::asked(&self.node, session, context) {
            return Ok(Some(answer));
        }
        if context.plan.filters.reads_form() {
            context.form = form::claimed(session.req_header());
        }
        loop {
            let Some(head) = context.head(session.req_header()) else { return Ok(Some(Answer::Internal)) };
            let head = Head { may_wait: self.node.waiting.has_room(), ..head };
            let mut decision = context.plan.filters.decide(&head, &self.node.store, self.node.clock.now());
            if !matches!(decision.verdict, Verdict::FormUnread { .. }) {
                let holds = std::mem::take(&mut decision.holds);
                context.held = Held::keep((&self.node.store, &self.node.clock), &context.plan, holds);
                self.wait(&decision, session, context).await?;
                session::before_origin(&self.node, context, &mut decision.changes);
                let answer = verdict::follow(decision, self.node.clock.now(), session, context);
                return match answer.or_else(|| max_forwards::ended(session.req_header())) {
                    Some(answer) => Ok(Some(answer)),
                    None => purge_request::asked(&self.node, session, context).await,
                };
            }
            match form::read(session, context.plan.config.listen.bounds.read_timeout).await? {
                // Its beginning was taken out of the stream and is not kept, so it cannot go on, whoever asked.
                Some(Form::TooLong { .. }) => return Ok(Some(Answer::FormTooLarge)),
                Some(form) => context.form = form,
                None => {
                    session.set_keepalive(None);
                    return Ok(Some(Answer::RequestTimeout));
                }
            }
        }
    }

    /// Waits for the request's place under a limit, if it has to.
    ///
    /// # Errors
    /// When the client leaves meanwhile.
    async fn wait(&self, decision: &Decision, session: &mut Session, context: &Context) -> pingora::Result<()> {
        let Some(by) = decision.waits_by else { return Ok(()) };
        context.plan.meters.limit(by.limit, LimitOutcome::Delayed);
        self.node.waiting.wait(decision.wait, leaving::left(session)).await
    }

    /// Finds out what becomes of a request before the cache is asked: one of a client is decided about, and the others were before.
    async fn take_in(&self, session: &mut Session, context: &mut Context) -> pingora::Result<Option<Answer>> {
        if slices::take(session, context) || idempotency::take(session, context) {
            return Ok(None);
        }
        if session.subrequest_ctx.is_some() {
            return Ok(self.revalidate(session, context));
        }
        match stream(session).and_then(ClientStream::child) {
            Some(pop) => Ok(match idempotency::receive(&self.node, session, context) {
                Some(received) => received,
                None => child::receive(&self.node, pop, session, context),
            }),
            None => self.decide(session, context).await,
        }
    }

    /// Answers a request that failed, if there is somebody left to answer; says with which status, 0 for none.
    async fn fail(&self, session: &mut Session, error: &pingora::Error, context: &mut Context) -> u16 {
        let answer = finish::failure(error, context.plan.config.listen.bounds.body_max);
        let begun = has_begun(session);
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        // Whatever is left of the request cannot be trusted to end where the next one begins.
        session.set_keepalive(None);
        if let Some(answer) = answer.filter(|_| !begun) {
            // The client may be gone by now; there is nobody else to tell.
            let _ = self.answer(session, context, answer).await;
        }
        status
    }

    /// A background revalidation is nobody's request: it was decided, counted and will be logged as the one that caused it.
    fn revalidate(&self, session: &mut Session, context: &mut Context) -> Option<Answer> {
        match self.errands.take(session, context) {
            Found::Orders => None,
            Found::Nothing => Some(Answer::Internal),
        }
    }

    /// Finds out who asks for what, and has the request say it in one spelling.
    fn identify(&self, session: &mut Session, context: &mut Context) -> Result<(), Answer> {
        let connection = scheme(session);
        let request = session.req_header_mut();
        parent::drop_order(request);
        session::drop_claims(request);
        // Clients come over TCP, so there is an address; without one nobody could be counted.
        let peer = context.peer.ok_or(Answer::Internal)?;
        let client = forwarded::client(peer, &request.headers, &context.plan.config.listen.trusted_proxies);
        let scheme = forwarded::scheme(client, connection, &request.headers);
        context.client = Some(client);
        context.protocol = protocol(request.version);
        // A request to a site is that also when its path is none: its answer is one of the site's.
        context.target = target::asked(request, scheme).map_err(Answer::BadRequest)?;
        context.site = context.plan.filters.site(&context.target.host);
        context.target.path = target::normal(&context.target.raw_path).map_err(Answer::BadRequest)?;
        let Target { path, query, .. } = &context.target;
        target::aim(request, path, query.as_deref()).map_err(Answer::BadRequest)?;
        let length = declared(request);
        let max = context.plan.config.listen.bounds.body_max;
        match length {
            Some(length) if length > max => Err(Answer::BodyTooLarge { max }),
            _ => Ok(()),
        }
    }

    /// Sends the edge's own answer and remembers that it did. What is left of the request's body is taken in, within bounds, so
    /// that the answer is not lost in a reset connection and the next request begins where it should.
    async fn answer(&self, session: &mut Session, context: &mut Context, answer: Answer) -> pingora::Result<()> {
        session.set_close_on_response_before_downstream_finish(false);
        if idempotency::failed(context, &answer) {
            // Whoever waits for it has a response of its own.
            return Ok(());
        }
        let answer = if context.child.is_some() { child::refusal(&answer) } else { answer };
        // Such a client waits for leave to send its body, and will not get it: there is nothing to take in.
        let waits = !context.form.is_begun() && session.req_header().headers.contains_key("expect");
        if waits {
            session.set_keepalive(None);
        }
        // Nor is one waited for once more that kept everybody waiting.
        let left = waits || matches!(answer, Answer::RequestTimeout);
        if let Answer::Challenge(said) = &answer {
            context.challenge = said.outcome();
            self.node.metrics.challenge(said.outcome(), said.refused());
        }
        let (mut header, body) = answer.render(&context.plan.config.pop.name, context.id)?;
        let policy = header.headers.get(CONTENT_SECURITY_POLICY).cloned();
        self.complete(session, context, &mut header, None, From::Edge)?;
        session::outlives(&self.node, context).await;
        // A page of ours works by its own policy alone, whatever a rule says of the site's pages.
        if let Some(policy) = policy {
            header.insert_header(CONTENT_SECURITY_POLICY, policy)?;
        }
        // What comes after it is nobody's concern but this client's.
        if let Some(held) = context.held.take() {
            held.end(body.len() as u64);
        }
        // With what the rules about responses said. What a child asks for was refused to nobody.
        if context.child.is_none() {
            witnessed::keep(&self.node, session, context, &answer);
        }
        context.answer = Some(answer);
        answer::send(session, header, body).await?;
        if !left && session.drain_request_body().await.is_err() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    /// What every response gets on its way out, whoever made it: the edge's own fields, then what rules change. The rules of the
    /// response phase are asked once a request, about the first header that is on its way to the client.
    fn complete(
        &self,
        session: &Session,
        context: &mut Context,
        header: &mut ResponseHeader,
        cache_status: Option<String>,
        from: From,
    ) -> pingora::Result<()> {
        // What comes of a slice is put into the response that it is for.
        if context.slice.is_some() && context.child.is_none() {
            return Ok(());
        }
        let fields = EdgeFields { pop: &context.plan.config.pop.name, id: context.id, cache_status };
        fields.add_to(header)?;
        for (name, value) in told(context.limits()) {
            header.insert_header(name, value)?;
        }
        // Behind one that switches protocols comes no other.
        if header.status.is_informational() && header.status != http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        // An error of the edge's own is no server's answer.
        if from == From::Origin {
            affinity::tell(header, context)?;
        }
        steer::response(header, &context.said.changes)?;
        if context.said.response.is_none() {
            context.said.response = Some(self.respond(session, context, header, from));
        }
        steer::response(header, context.said.response.as_deref().unwrap_or(&[]))?;
        session::tell(&self.node, context, header)
    }

    /// Asks the rules of the response phase.
    fn respond(
        &self,
        session: &Session,
        context: &mut Context,
        header: &ResponseHeader,
        from: From,
    ) -> Vec<HeaderChange> {
        let mut held = context.held.take();
        let decision = self.decide_response(session, context, held.as_mut(), header, from);
        context.held = held;
        let Some(decision) = decision else { return Vec::new() };
        let ResponseDecision { headers, session: orders, tags, fired, monitored, undone, logged } = decision;
        session::obey(&self.node, context, &orders);
        context.plan.meters.rules(&fired, &monitored, &undone);
        context.said.tags.extend(tags);
        context.said.monitored.extend(monitored);
        context.said.logged.extend(logged);
        headers
    }

    fn decide_response(
        &self,
        session: &Session,
        context: &Context,
        held: Option<&mut Held>,
        header: &ResponseHeader,
        from: From,
    ) -> Option<ResponseDecision> {
        // A background revalidation has no site here, and asks nobody.
        let (site, head) = (context.site?, context.head(session.req_header())?);
        let cache = caching::name(context).filter(|_| from != From::Edge).unwrap_or("");
        let challenge = context.challenge;
        let reply = Reply { status: header.status.as_u16(), headers: &header.headers, from, cache, challenge };
        let (store, now) = (&self.node.store, self.node.clock.now());
        let mut none = Holds::default();
        let holds = held.map_or(&mut none, Held::holds);
        context.plan.filters.respond(&head, (site, &context.said.tags, holds), &reply, store, now)
    }
}

/// The protocol of a client's connection, as expressions see it.
fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Whether an answer to the request has begun; what only announces one has not.
fn has_begun(session: &Session) -> bool {
    let written = session.response_written().map(|response| response.status);
    written.is_some_and(|status| !status.is_informational() || status == http::StatusCode::SWITCHING_PROTOCOLS)
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
