//! How a request ends: what a failure becomes, and the one line about it.

use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use selvedge_filters::RuleId;

use super::answer::Answer;
use super::context::Context;
use super::idempotency::Role;
use super::session::Met;
use super::witnessed;
use crate::node::Node;
use crate::observe::access::{Line, bounded};

/// Names of one kind in one line: a line has a bound, so the queue of lines has.
const NAMES_MAX: usize = 16;

/// What the edge answers when a request failed. None when the client is gone.
pub(super) fn failure(error: &Error, body_max: u64) -> Option<Answer> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Some(Answer::BodyTooLarge { max: body_max }),
        (_, ErrorType::HTTPStatus(503)) => Some(Answer::Busy { retry_after: std::time::Duration::from_secs(1) }),
        (_, ErrorType::HTTPStatus(502)) => Some(Answer::BadGateway),
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::ConnectTimedout) => {
            Some(Answer::GatewayTimeout)
        }
        (ErrorSource::Upstream, _) => Some(Answer::BadGateway),
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Answer::RequestTimeout),
        (ErrorSource::Downstream, ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed) => None,
        (ErrorSource::Downstream, _) => Some(Answer::Malformed),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Answer::Internal),
    }
}

/// Counts a request of another POP that is over; it is logged there.
fn served(node: &Node, context: &Context) {
    let is_answered = context.answer.is_none();
    node.metrics.served(super::caching::name(context).filter(|_| is_answered).unwrap_or("refused"));
}

/// A request is over: it is counted and logged unless it is nobody's, and what it holds is given back.
pub(super) fn over(node: &Node, session: &Session, error: Option<&Error>, context: &mut Context) {
    if session.subrequest_ctx.is_some() {
        return;
    }
    match (context.child, &context.role) {
        (Some(_), _) => served(node, context),
        // It is logged where it came from.
        (None, Some(Role::Asked(_))) => {}
        (None, _) => log(node, session, error, context),
    }
    if let Some(held) = context.held.take() {
        held.end(session.body_bytes_sent() as u64);
    }
    if let Some(stream) = super::stream(session) {
        stream.request_over();
    }
}

/// Counts and logs a request that is over.
fn log(node: &Node, session: &Session, error: Option<&Error>, context: &Context) {
    let written = session.response_written().filter(|_| super::has_begun(session));
    let status = written.map_or(0, |response| response.status.as_u16());
    let took = context.start.elapsed();
    let cache = super::caching::name(context);
    context.plan.meters.request(context.site, status, took.as_secs_f64(), cache);
    let plan = &context.plan;
    let name = |id: selvedge_filters::limit::LimitId| plan.filters.limit(id).map(|limit| limit.facts().name.as_str());
    let rule = |id: &RuleId| plan.config.rules.get(id.0).map(|rule| rule.name.as_str());
    let rules = |ids: &[RuleId]| ids.iter().take(NAMES_MAX).filter_map(rule).collect();
    let said = &context.said;
    let request = session.req_header();
    // What has no normal form is logged as it came.
    let path = Some(context.target.path.as_str()).filter(|path| !path.is_empty()).unwrap_or(request.uri.path());
    let shield = context.way.parent().map(|parent| parent.name());
    let line = Line {
        ts: node.clock.now().0,
        v: 1,
        pop: &plan.config.pop.name,
        request_id: context.id.to_string(),
        client: context.client.map(|client| client.address).or(context.peer),
        method: bounded(request.method.as_str()),
        host: bounded(&context.target.host),
        path: bounded(path),
        status,
        dur_ms: took.as_secs_f64() * 1000.0,
        bytes_out: session.body_bytes_sent(),
        cache,
        limit: context.quotas.first().and_then(|quota| name(quota.limit)),
        would_refuse: context.would_refuse.iter().take(NAMES_MAX).copied().filter_map(name).collect(),
        answer: context.answer.as_ref().map(Answer::name),
        rule: said.answered.as_ref().and_then(rule),
        tags: said.tags.iter().take(NAMES_MAX).map(|tag| &**tag).collect(),
        monitored: rules(&said.monitored),
        logged_by: rules(&said.logged),
        session: context.session.as_ref().and_then(Met::hashed),
        session_standing: context.session.as_ref().map(|met| met.standing().as_str()),
        session_error: context.session.as_ref().and_then(|met| met.error.as_deref()),
        idempotency: match &context.role {
            Some(Role::Told(outcome)) => Some(outcome),
            _ => None,
        },
        origin: context.origin.as_ref().filter(|_| context.tries > 0 || shield.is_some()).map(|origin| origin.name()),
        shield,
        origin_address: context.origin_address.map(|address| address.to_string()),
        tries: context.tries,
        error: error.map(|error| format!("{} {}", error.esource().as_str(), error.etype().as_str())),
    };
    witnessed::tell(node, session, context, &line);
    node.log.log(&line);
}
