//! What a request that the edge makes by itself takes along from the one that caused it: a background revalidation, or a slice.
//!
//! Pingora starts a revalidation as a request of its own, made of the bytes that the client sent. It is nobody's request: it must not be
//! decided or counted again, and it must fetch exactly what the other one was answered with. So the request that causes it
//! leaves behind what was decided, and the revalidation finds it by those bytes and the client's connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Version};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use selvedge_conf::CacheAction;
use selvedge_filters::cache::PolicyId;

use super::context::Context;
use super::forwarded::Client;
use super::origin::Origin;
use super::target::Target;
use crate::plan::Plan;

/// Errands that may wait at once; each waits for as long as it takes to start a task. One too many takes the oldest one's
/// place, whose revalidation then does nothing: what is stored stays stale until the next request.
const ERRANDS_MAX: usize = 1024;

/// The orders of one such request.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    plan: Arc<Plan>,
    request: RequestHeader,
    client: Option<Client>,
    target: Target,
    origin: Option<Arc<Origin>>,
    rerouted: bool,
    cache: Option<CacheAction>,
    policy: Option<PolicyId>,
    /// The header before rules changed it: that they did is known by it on the way to the origin.
    original: Option<HeaderMap>,
}

/// Who causes it: the client's connection and the request as it came. Requests that share both are decided alike.
type Cause = (Option<SocketAddr>, Bytes);

/// Errands that wait to be run, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Errands {
    waiting: Mutex<VecDeque<(Cause, Errand)>>,
}

/// Whether a revalidation found its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Orders,
    Nothing,
}

fn cause(session: &Session) -> Cause {
    let client = session.client_addr().and_then(|address| address.as_inet()).copied();
    (client, session.as_downstream().to_h1_raw())
}

/// Pingora writes a request down for those that it starts because of it, and would not understand another version when it reads that.
pub(super) fn write_down_as_http_1(session: &mut Session) {
    if session.req_header().version == Version::HTTP_2 {
        session.req_header_mut().set_version(Version::HTTP_11);
    }
}

impl Errand {
    /// What was decided about a request.
    pub(super) fn of(session: &Session, context: &Context) -> Errand {
        Errand {
            plan: Arc::clone(&context.plan),
            request: session.req_header().clone(),
            client: context.client,
            target: context.target.clone(),
            origin: context.origin.clone(),
            rerouted: context.rerouted,
            cache: context.cache,
            policy: context.policy,
            original: context.original.clone(),
        }
    }

    /// Makes a request the one that was decided about.
    pub(super) fn run(self, session: &mut Session, context: &mut Context) {
        let Errand { plan, request, client, target, origin, rerouted, cache, policy, original } = self;
        *session.req_header_mut() = request;
        let peer = context.peer;
        *context = Context { peer, client, target, origin, rerouted, cache, policy, original, ..Context::new(plan) };
    }
}

impl Errands {
    /// Leaves orders for the revalidation that Pingora is about to start for a request.
    pub(super) fn leave(&self, session: &mut Session, context: &Context) {
        let errand = Errand::of(session, context);
        write_down_as_http_1(session);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= ERRANDS_MAX {
            waiting.pop_front();
        }
        waiting.push_back((cause(session), errand));
    }

    /// Takes the orders of a revalidation, and makes its request the one that caused it.
    pub(super) fn take(&self, session: &mut Session, context: &mut Context) -> Found {
        let Some(errand) = self.oldest(&cause(session)) else { return Found::Nothing };
        errand.run(session, context);
        Found::Orders
    }

    fn oldest(&self, cause: &Cause) -> Option<Errand> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting.iter().position(|(left, _)| left == cause)?;
        waiting.remove(at).map(|(_, errand)| errand)
    }
}
