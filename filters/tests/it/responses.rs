//! Rules of the response phase.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge_conf::expr::{Field, Kind, Phase, Type};
use selvedge_conf::{Effect, Rule, RuleMode};
use selvedge_filters::limit::Holds;
use selvedge_filters::{From, HeaderChange, Reply, ResponseDecision, RuleId, SiteId};

use crate::support::{Ask, World};
use crate::tree::{constant, doing, equal, expr, field, tagged, text};

fn world(rules: Vec<Rule>) -> World {
    World::with("", |config| {
        config.rules = rules.into_iter().map(|rule| Rule { phase: Phase::Response, ..rule }).collect();
    })
}

fn respond(world: &World, status: u16, tags: &[&str]) -> Option<ResponseDecision> {
    let headers = HeaderMap::new();
    let tags: Vec<Arc<str>> = tags.iter().map(|tag| Arc::from(*tag)).collect();
    let reply = Reply { status, headers: &headers, from: From::Origin, cache: "", challenge: None };
    world.filters.respond(
        &Ask::default().head(),
        (SiteId(0), &tags, &mut Holds::default()),
        &reply,
        &world.store,
        world.now,
    )
}

#[test]
fn every_rule_that_matches_has_its_say() {
    let failed = equal(field(Field::Status), expr(Kind::Int(502), Type::Int));
    let set = |value| Effect::SetResponseHeader("x-edge".to_owned(), text(value));
    let world = world(vec![
        doing("failed", failed, vec![set("sorry"), Effect::Tag("failed".to_owned())]),
        doing("tagged", tagged("bot"), vec![Effect::RemoveResponseHeader("server".to_owned())]),
        doing("both", tagged("failed"), vec![set("really"), Effect::Log]),
        Rule { mode: RuleMode::Monitor, ..doing("watching", constant(true), vec![set("never")]) },
    ]);
    let name = || HeaderName::from_static("x-edge");
    let line = |value| HeaderChange::Set(name(), HeaderValue::from_static(value));
    assert_eq!(
        respond(&world, 502, &["bot"]),
        Some(ResponseDecision {
            headers: vec![line("sorry"), HeaderChange::Remove(HeaderName::from_static("server")), line("really")],
            tags: vec![Arc::from("failed")],
            fired: vec![RuleId(0), RuleId(1), RuleId(2)],
            monitored: vec![RuleId(3)],
            undone: vec![],
            session: selvedge_filters::session::Orders::default(),
            logged: vec![RuleId(2)],
        })
    );
    let quiet = respond(&world, 200, &[]).unwrap();
    assert_eq!((quiet.headers, quiet.fired, quiet.monitored), (vec![], vec![], vec![RuleId(3)]));
}

#[test]
fn nothing_follows_from_nothing() {
    assert_eq!(respond(&world(vec![]), 200, &[]), None);
    assert_eq!(respond(&world(vec![doing("never", constant(false), vec![Effect::Log])]), 200, &[]), None);
}
