//! What a request shows of itself to those who watch: its line when it is over, and what it was when the edge answered it.

use std::fmt::Display;

use http::HeaderName;
use pingora::proxy::Session;
use selvedge_conf::TokenSource;
use selvedge_filters::limit::Limit;
use selvedge_filters::{From, Reply, RuleId, Subject, client_net};
use selvedge_state::Ban;

use super::answer::Answer;
use super::caching;
use super::context::Context;
use crate::node::Node;
use crate::observe::access::Line;
use crate::plan::Plan;
use crate::witness::Told;

/// Shows a request that is over to those who tail the edge. While nobody does, this is one load.
pub(super) fn tell(node: &Node, session: &Session, context: &Context, line: &Line<'_>) {
    if !node.witness.hub.is_tailed() {
        return;
    }
    let head = context.head(session.req_header());
    let reply = reply(session, context);
    let tags = || context.said.tags.iter().map(|tag| &**tag).collect();
    let asked =
        head.map(|head| context.plan.filters.context(&head, reply.as_ref(), tags(), (&node.store, node.clock.now())));
    // Without a client nothing can be asked, so it passes no filter.
    node.witness.hub.tell(line, &context.plan, |program| asked.as_ref().is_some_and(|asked| program.holds(asked)));
}

/// Remembers a request that the edge answers by itself, and not as it was wished.
pub(super) fn keep(node: &Node, session: &Session, context: &Context, answer: &Answer) {
    if answer.status().is_success() {
        return;
    }
    let request = session.req_header();
    let plan = &context.plan;
    let rule = |what, id: &RuleId| {
        plan.config.rules.get(id.0).map(|rule| (what, rule.name.as_str(), &rule.place as &dyn Display))
    };
    let said = &context.said;
    let ban = ban(node, context, answer);
    let why = said.answered.iter().filter_map(|id| rule("rule", id));
    let why =
        why.chain(answer.limit().and_then(|name| plan.filters.limit_named(name)).map(|found| named("limit", found)));
    let why = why.chain(ban.iter().map(|ban| ("ban", &*ban.reason, &"" as &dyn Display)));
    let why = why.chain(said.tags.iter().map(|tag| ("tag", &**tag, &"" as &dyn Display)));
    let why = why.chain(said.monitored.iter().filter_map(|id| rule("monitored", id)));
    let would_refuse = context.would_refuse.iter().filter_map(|id| plan.filters.limit(*id));
    let why = why.chain(would_refuse.map(|found| named("would_refuse", found)));
    // What cannot be read is shown as far as Pingora could.
    let (path, query) = match context.target.raw_path.as_str() {
        "" => (request.uri.path(), request.uri.query()),
        path => (path, context.target.query.as_deref()),
    };
    let host = context.target.authority.as_str();
    let scheme = if host.is_empty() { "" } else { context.target.scheme.as_str() };
    let told = Told {
        id: context.id.number(),
        at: node.clock.now(),
        client: context.client.map(|client| client.address).or(context.peer),
        peer: context.peer,
        method: request.method.as_str(),
        url: [scheme, if scheme.is_empty() { "" } else { "://" }, host, path],
        query,
        headers: context.original.as_ref().unwrap_or(&request.headers),
        secret: &|name| carries_token(plan, name),
        status: answer.status().as_u16(),
        answer: answer.name(),
        revision: &plan.config.revision,
    };
    node.witness.verdicts.keep(&told, why);
}

fn named<'l>(what: &'static str, limit: &'l Limit) -> (&'static str, &'l str, &'l dyn Display) {
    (what, &limit.facts().name, &limit.facts().place)
}

/// The response as far as it was sent.
fn reply<'a>(session: &'a Session, context: &'a Context) -> Option<Reply<'a>> {
    let response = session.response_written().filter(|_| super::has_begun(session))?;
    let from = context.answer.as_ref().map_or_else(|| caching::from(context), |_| From::Edge);
    let cache = caching::name(context).unwrap_or("");
    let (status, headers) = (response.status.as_u16(), &response.headers);
    Some(Reply { status, headers, from, cache, challenge: context.challenge })
}

/// The ban that an answer tells of.
fn ban(node: &Node, context: &Context, answer: &Answer) -> Option<Ban> {
    let Answer::Banned { .. } = answer else { return None };
    let subject = Subject::of(client_net(context.client?.address));
    node.store.banned(subject.as_str(), node.clock.now())
}

/// Whether the config reads tokens from this header field.
fn carries_token(plan: &Plan, name: &HeaderName) -> bool {
    plan.config.jwts.iter().any(|jwt| matches!(&jwt.from, TokenSource::Header(field) if name == field.as_str()))
}
