//! A parent's side of a shield: requests that another POP sends on for its clients. That one has decided about them, counted them and will
//! log them; here they are looked up, fetched and stored as the own ones are, and the answer says that it is one.
//!
//! Everything else that is answered is no answer to a child, which then goes to the origin itself. So nothing stale is served here that the
//! child could not tell from what is fresh: whether it may use what it has itself is for its own request to say.

use http::StatusCode;
use pingora::cache::{ForcedFreshness, HitHandler};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use selvedge_filters::cache::{PolicyId, Scheme};
use selvedge_state::{Fill, PopId};

use super::answer::Answer;
use super::context::{Child, Context};
use super::forwarded::{Client, Trust};
use super::parent::drop_order;
use super::request_id::RequestId;
use super::{slices, target};
use crate::cache;
use crate::node::Node;
use crate::shield::{BadOrder, Freshness, HAVE, Order, have};

/// Takes a child's order and the purges that it carries. `Some` is no answer for it.
pub(super) fn receive(node: &Node, pop: PopId, session: &mut Session, context: &mut Context) -> Option<Answer> {
    context.child = Some(Child { have: 0, since: Fill::default() });
    if pop == node.me.pop {
        return Some(Answer::Unshielded("a POP is no child of itself"));
    }
    let request = session.req_header_mut();
    let order = Order::read(&request.headers);
    drop_order(request);
    match order.map_err(NoOrder::Bad).and_then(|order| take(node, pop, order, context)) {
        Ok(()) => {
            slices::of_child(session, context);
            None
        }
        Err(why) => Some(Answer::Unshielded(why.as_str())),
    }
}

/// Why a child is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoOrder {
    Bad(BadOrder),
    Purges,
    Origin,
    Policy,
    Target,
}

impl NoOrder {
    fn as_str(self) -> &'static str {
        match self {
            NoOrder::Bad(bad) => bad.as_str(),
            NoOrder::Purges => "the purges that it carries cannot be taken",
            NoOrder::Origin => "no origin has this name here",
            NoOrder::Policy => "no cache policy has this name here",
            NoOrder::Target => "its target is malformed",
        }
    }
}

fn take(node: &Node, pop: PopId, (order, purges): (Order, Vec<u8>), context: &mut Context) -> Result<(), NoOrder> {
    let plan = &context.plan;
    let origin = plan.origins.iter().find(|origin| origin.name() == order.origin).cloned();
    let policy = order.policy.as_deref().map(|name| {
        let place = plan.config.caches.iter().position(|policy| policy.name == name);
        place.map(PolicyId).ok_or(NoOrder::Policy)
    });
    let scheme = if order.is_tls { Scheme::Https } else { Scheme::Http };
    let target = target::of_order(&order.authority, scheme, (order.path, order.query));
    context.origin = Some(origin.ok_or(NoOrder::Origin)?);
    context.policy = policy.transpose()?;
    context.target = target.map_err(|_| NoOrder::Target)?;
    context.rerouted = order.rerouted;
    context.cache = order.freshness.map(Freshness::action);
    context.peer = Some(order.peer);
    let via = if order.is_forwarded { Trust::Proxy } else { Trust::Client };
    context.client = Some(Client { address: order.client, via });
    context.id = RequestId::numbered(order.request);
    // Last, and before anything is looked up.
    let taken = node.store.take_carried(pop, &purges, node.clock.now()).map_err(|_| NoOrder::Purges)?;
    context.child = Some(Child { have: taken.have, since: taken.since });
    Ok(())
}

/// What a child hears where the edge answers by itself: one status whatever it was, and none that an origin's error may have, for which it
/// would serve what is stale instead of asking the origin.
pub(super) fn refusal(answer: &Answer) -> Answer {
    match answer {
        Answer::Unshielded(why) => Answer::Unshielded(why),
        other => Answer::Unshielded(other.name()),
    }
}

/// What is stored but was asked for before all that the child knows was known here is not for it. For `cache_hit_filter`.
pub(super) fn too_old(hit: &HitHandler, context: &Context) -> Option<ForcedFreshness> {
    let child = context.child.as_ref()?;
    (cache::filled(hit) < child.since).then_some(ForcedFreshness::ForceMiss)
}

/// Has a response say that it is an answer to a child.
///
/// # Errors
/// When a value is no valid header value, which a number is.
pub(super) fn sign(response: &mut ResponseHeader, context: &Context) -> pingora::Result<()> {
    match &context.child {
        Some(child) if !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS => {
            response.insert_header(HAVE, have(child.have))
        }
        _ => Ok(()),
    }
}
