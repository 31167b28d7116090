//! Pingora's hooks, in the order it calls them. Each is a few lines that ask somebody else; nothing is decided here.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::RANGE;
use pingora::cache::key::HashBinary;
use pingora::cache::{CacheKey, CacheMeta, ForcedFreshness, HitHandler, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, RangeType, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::answer::Answer;
use super::context::Context;
use super::slices::{self, Served};
use super::{
    Edge, caching, child, coding, finish, idempotency, interim, outbound, parent, peer, purging, session as sessions,
    stream, tries, wants_web_socket,
};
use crate::cache::{self, Next};

/// How long an upgraded connection (WebSocket) may be quiet. Its ends have their own heartbeats.
const UPGRADED_QUIET: Duration = Duration::from_secs(3600);

/// How long what is left of a refused request's body may take to arrive before the connection is closed.
const DRAIN: Duration = Duration::from_secs(5);

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.node.plan.load_full())
    }

    async fn early_request_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        if let Some(stream) = stream(session) {
            stream.head_complete();
        }
        context.peer = peer(session);
        let bounds = &context.plan.config.listen.bounds;
        session.set_read_timeout(Some(bounds.read_timeout));
        session.set_write_timeout(Some(bounds.write_timeout));
        session.set_total_drain_timeout(Some(DRAIN));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        match self.take_in(session, context).await? {
            Some(answer) => self.answer(session, context, answer).await.map(|()| true),
            None => Ok(idempotency::serve(self, session, context).await? == Served::Here
                || slices::serve(self, session, context).await? == Served::Here),
        }
    }

    fn allow_spawning_subrequest(&self, session: &Session, _: &Context) -> bool {
        session.subrequest_ctx.is_none()
    }

    fn request_cache_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        caching::turn_on(self.node.cache, session, context, SystemTime::now());
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, context: &mut Context) -> Result<CacheKey> {
        let key = caching::key(session, context);
        if let Some(exchange) = &mut context.exchange {
            exchange.keyed(&key);
        }
        Ok(key)
    }

    async fn cache_hit_filter(
        &self,
        _: &mut Session,
        _: &CacheMeta,
        hit: &mut HitHandler,
        _is_fresh: bool,
        context: &mut Context,
    ) -> Result<Option<ForcedFreshness>> {
        Ok(child::too_old(hit, context))
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        context: &mut Context,
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        cache::vary(coding::variation(context), meta, request)
    }

    fn cache_miss(&self, session: &mut Session, _: &mut Context) {
        cache::Cache::miss(session);
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        context.next = self.node.cache.before_origin(session, coding::variation(context), SystemTime::now()).await;
        match context.next {
            Next::Origin | Next::StandIn => Ok(true),
            Next::Refused { retry_after } => {
                self.answer(session, context, Answer::Busy { retry_after }).await?;
                Ok(false)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        if context.next == Next::StandIn {
            return Err(cache::stand_in());
        }
        let mut peer = tries::choose(&self.node, session, context)?;
        if wants_web_socket(session.req_header()) {
            peer.options.read_timeout = Some(UPGRADED_QUIET);
        }
        Ok(peer)
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, context: &mut Context, error: Box<Error>) -> Box<Error> {
        tries::not_connected(&self.node, context, error)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        coding::ask(session, request, context);
        if let Some(slice) = context.slice {
            request.insert_header(RANGE, slice.range())?;
        }
        if let Some(exchange) = &mut context.exchange {
            exchange.sent(self.node.store.fill(), SystemTime::now());
        }
        // A second try sends the body once more.
        context.body = 0;
        outbound::dress(&self.node, request, context)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<()> {
        if session.was_upgraded() {
            return Ok(());
        }
        context.body = context.body.saturating_add(body.as_ref().map_or(0, |part| part.len() as u64));
        if context.body > context.plan.config.listen.bounds.body_max {
            return Err(Error::explain(ErrorType::HTTPStatus(413), "request body too large").into_down());
        }
        Ok(())
    }

    async fn adjust_upstream_modules(
        &self,
        session: &mut Session,
        response: &ResponseHeader,
        _end: bool,
        context: &mut Context,
    ) -> Result<()> {
        parent::answers(response, context)?;
        coding::decide(session, response, context);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        parent::heard(&self.node, response, context);
        sessions::heard(&self.node, response, context);
        tries::answered(context);
        coding::tell(session, response, context);
        if let Some(exchange) = &mut context.exchange {
            exchange.received(response, session.cache.maybe_cache_meta(), SystemTime::now());
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        _: &mut Context,
    ) -> Result<Option<Duration>> {
        if is_end {
            coding::end(session, body);
        }
        Ok(None)
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        context: &mut Context,
    ) -> Result<RespCacheable> {
        Ok(caching::storable(self.node.cache, session, context, response))
    }

    fn range_header_filter(&self, session: &mut Session, response: &mut ResponseHeader, _: &mut Context) -> RangeType {
        cache::range_type(session.req_header(), response)
    }

    fn should_serve_stale(&self, session: &mut Session, context: &mut Context, error: Option<&Error>) -> bool {
        let may = context.child.is_none() && (error.is_some() || context.slice.is_none());
        if may && error.is_none() && session.cache.is_cache_lock_writer() {
            self.errands.leave(session, context);
        }
        let serves = may && cache::may_serve_stale(session, context.next, error, SystemTime::now());
        caching::keep_no_promise(session, context, error.filter(|_| serves));
        serves
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if response.status == http::StatusCode::SWITCHING_PROTOCOLS {
            session.set_read_timeout(Some(UPGRADED_QUIET));
        }
        caching::invalidate(self.node.cache, session, context, response);
        purging::obey(&self.node, session, context, response);
        caching::deposit(self.node.cache, session, context, response, SystemTime::now());
        let status = caching::on_response(session, response, context, SystemTime::now())?;
        if idempotency::tell(context) || slices::tell(session, context, status.as_deref()) {
            return Ok(());
        }
        self.complete(session, context, response, status, caching::from(context))?;
        sessions::outlives(&self.node, context).await;
        child::sign(response, context)?;
        interim::pass_on(session, response).await;
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if let Some(deposit) = context.deposit.take() {
            context.deposit = deposit.add(body.as_ref(), is_end);
        }
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        tries::broken(&self.node, session, context, error, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        FailToProxy { error_code: self.fail(session, error, context).await, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        finish::over(&self.node, session, error, context);
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Context, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
