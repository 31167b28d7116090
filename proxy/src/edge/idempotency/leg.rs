//! A request that the edge makes by itself for a client's: the run at an origin, or the way to the home of a key. It goes through the same hooks as any other, and is
//! nobody's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::proxy::subrequest::{BodyMode, Ctx};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use selvedge_filters::idempotency::Fence;
use tokio::sync::mpsc;

use super::Role;
use super::order::{ANSWER, FENCE, RUN, STATUS};
use crate::edge::answer::Answer;
use crate::edge::context::Context;
use crate::edge::errand::{self, Errand};
use crate::edge::origin::{Choice, Keeps};
use crate::edge::outbound;
use crate::edge::request_id::RequestId;
use crate::node::Node;
use crate::shield::Parent;

/// How much longer than for its origin a home is waited for.
const LONGER: std::time::Duration = std::time::Duration::from_secs(5);

/// Where it goes, and who hears of it.
#[derive(Debug, Clone)]
pub(in crate::edge) struct Leg {
    goal: Goal,
    told: Arc<Told>,
}

/// Where a leg goes.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// To the origin, as this run.
    Origin {
        fence: Fence,
        /// Without the home of the key.
        alone: bool,
    },
    /// To the home of the key, with this order.
    Home { home: Arc<Parent>, order: Arc<str> },
}

/// What is known of it beside the response.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether any of it may have gone out.
    was_sent: AtomicBool,
    /// Whether it broke off on a kept connection.
    kept_gone: AtomicBool,
    /// Why it has no response.
    failed: OnceLock<Answer>,
    asked: OnceLock<(u8, Option<std::net::SocketAddr>)>,
}

impl Told {
    pub(super) fn was_sent(&self) -> bool {
        self.was_sent.load(Ordering::Acquire)
    }

    pub(super) fn kept_gone(&self) -> bool {
        self.kept_gone.load(Ordering::Acquire)
    }

    /// Whether the other end was too slow.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.failed.get(), Some(Answer::GatewayTimeout))
    }
}

/// What a leg's request takes along.
#[derive(Debug, Clone)]
struct Orders {
    errand: Errand,
    id: RequestId,
    leg: Leg,
}

/// A leg that is under way: its response comes as tasks.
pub(super) struct Open {
    pub(super) tasks: mpsc::Receiver<HttpTask>,
    /// Held, or the request would be taken for one whose client has left.
    pub(super) body: mpsc::Sender<HttpTask>,
    pub(super) told: Arc<Told>,
}

/// Sends a client's request on its way.
///
/// # Errors
/// When nobody can be asked, which would be a fault of ours.
pub(super) async fn open(session: &mut Session, context: &Context, goal: Goal, body: &Bytes) -> Result<Open> {
    errand::write_down_as_http_1(session);
    let request = session.req_header_mut();
    request.remove_header(&EXPECT);
    request.remove_header(&TRANSFER_ENCODING);
    request.insert_header(CONTENT_LENGTH, body.len())?;
    let told = Arc::new(Told::default());
    let leg = Leg { goal, told: Arc::clone(&told) };
    let orders = Orders { errand: Errand::of(session, context), id: context.id, leg };
    let Some(spawner) = &session.subrequest_spawner else {
        return Error::e_explain(ErrorType::InternalError, "no request can be made for a run");
    };
    let ctx = Ctx::builder().user_ctx(Box::new(orders)).body_mode(BodyMode::ExpectBody).build();
    let (request, handle) = spawner.create_subrequest(session.as_downstream(), ctx);
    if !body.is_empty() {
        // There is room for it; where nobody reads it the response says so.
        let _ = handle.tx.send(HttpTask::Body(Some(body.clone()), true)).await;
    }
    tokio::spawn(request.run());
    Ok(Open { tasks: handle.rx, body: handle.tx, told })
}

/// Makes a request that of a leg, if that is what it is. For `request_filter`.
pub(in crate::edge) fn take(session: &mut Session, context: &mut Context) -> bool {
    let orders = session.subrequest_ctx.as_ref().and_then(|ctx| ctx.user_ctx()?.downcast_ref::<Orders>()).cloned();
    let Some(Orders { errand, id, leg }) = orders else { return false };
    errand.run(session, context);
    (context.id, context.role) = (id, Some(Role::Leg(leg)));
    true
}

fn of(context: &Context) -> Option<&Leg> {
    match &context.role {
        Some(Role::Leg(leg)) => Some(leg),
        _ => None,
    }
}

/// Where a leg goes next, if that is the home of a key.
pub(in crate::edge) fn choose(node: &Node, context: &mut Context) -> Option<Result<Box<HttpPeer>>> {
    let Goal::Home { home, .. } = &of(context)?.goal else { return None };
    let Some(Choice { address, mut peer, .. }) = home.way().choose(Keeps::Nothing, None, node.clock.now()) else {
        return Some(Error::e_explain(ErrorType::HTTPStatus(502), "the home of a key has no address"));
    };
    if let Some(timeouts) = context.origin.as_ref().map(|origin| origin.timeouts()) {
        // It may wait for the origin, twice for a connection.
        let most = timeouts.connect.saturating_mul(2).saturating_add(timeouts.read).saturating_add(LONGER);
        (peer.options.read_timeout, peer.options.write_timeout) = (Some(most), Some(timeouts.write));
    }
    context.origin_address = Some(address);
    Some(Ok(peer))
}

/// Has a run go to its origin by a connection of its own: of one that is kept nobody could tell whether the origin had closed it before the request was there, and what cannot
/// be told is in doubt.
pub(in crate::edge) fn apart(node: &Node, context: &Context, peer: &mut HttpPeer) {
    if of(context).is_some() {
        peer.group_key = node.groups.next();
        peer.options.idle_timeout = Some(std::time::Duration::ZERO);
    }
}

/// Whether a request is a leg to the home of a key.
pub(in crate::edge) fn is_to_home(context: &Context) -> bool {
    of(context).is_some_and(|leg| matches!(leg.goal, Goal::Home { .. }))
}

/// Whether a request is a leg.
pub(in crate::edge) fn is_one(context: &Context) -> bool {
    of(context).is_some()
}

/// Dresses a leg for where it goes; false where that is an origin, which is told as any other and the number of the run beside. From here on it may be on its way.
///
/// # Errors
/// When a value is no valid header value.
pub(in crate::edge) fn dress(request: &mut RequestHeader, context: &Context) -> Result<bool> {
    let Some(leg) = of(context) else { return Ok(false) };
    leg.told.was_sent.store(true, Ordering::Release);
    match &leg.goal {
        Goal::Origin { fence, alone } => {
            request.insert_header(FENCE, fence.to_string())?;
            if *alone {
                request.insert_header(STATUS, "alone")?;
            }
            Ok(false)
        }
        Goal::Home { order, .. } => {
            request.insert_header("host", context.target.authority.as_str())?;
            request.insert_header(RUN, &**order)?;
            outbound::pass_on(request, &context.plan.config.pop.name)?;
            Ok(true)
        }
    }
}

/// Takes off a response what only the edge says, and between POPs the home of a key.
pub(in crate::edge) fn heard(response: &mut ResponseHeader, context: &Context) {
    let own = if is_to_home(context) { &[FENCE, STATUS][..] } else { &[FENCE, STATUS, ANSWER] };
    for field in own {
        response.remove_header(*field);
    }
}

/// Takes note of a connection that broke off with a leg on it; false where the request is none.
pub(in crate::edge) fn broken(context: &Context, reused: bool) -> bool {
    let Some(leg) = of(context) else { return false };
    leg.told.kept_gone.store(reused, Ordering::Release);
    true
}

/// Tells whoever waits for a leg how often it was sent, and where; false where nobody does. For `response_filter`.
pub(in crate::edge) fn tell(context: &Context) -> bool {
    let Some(leg) = of(context) else { return false };
    let _ = leg.told.asked.set((context.tries, context.origin_address));
    true
}

/// Tells whoever waits for a leg that it has no response; false where nobody does.
pub(in crate::edge) fn failed(context: &Context, answer: &Answer) -> bool {
    let Some(leg) = of(context) else { return false };
    let _ = leg.told.failed.set(answer.clone());
    let _ = leg.told.asked.set((context.tries, context.origin_address));
    true
}

/// Takes note of where a leg of a request went.
pub(super) fn note(context: &mut Context, told: &Told) {
    if let Some((tries, address)) = told.asked.get() {
        (context.tries, context.origin_address) = (*tries, *address);
    }
}
