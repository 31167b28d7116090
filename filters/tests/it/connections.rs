//! Rules of the connection phase: the client's address is all there is.

use std::time::Duration;

use selvedge_conf::expr::{Field, Kind, Phase, Type};
use selvedge_conf::{Effect, Reply, Rule};
use selvedge_filters::{ConnectionDecision, RuleId, Verdict};

use crate::support::{Ask, World};
use crate::tree::{answering, constant, equal, expr, field, rule};

fn from(address: &str) -> selvedge_conf::expr::Expr {
    equal(field(Field::ClientIp), expr(Kind::Ip(address.parse().unwrap()), Type::Ip))
}

fn world() -> World {
    World::with("", |config| {
        let connection = |rule: Rule| Rule { phase: Phase::Connection, ..rule };
        config.rules = vec![
            connection(answering("friend", from("192.0.2.7"), Reply::Allow)),
            answering("a request's", constant(true), Reply::Deny(410)),
            connection(Rule {
                effects: vec![Effect::Ban(Duration::from_secs(60)), Effect::Log],
                ..rule("trap", from("192.0.2.8"))
            }),
            connection(answering("closed", constant(true), Reply::Deny(403))),
        ];
    })
}

#[test]
fn the_first_answer_accepts_or_closes() {
    let world = world();
    let connect = |client: &str| world.filters.connect(client.parse().unwrap(), &world.store, world.now);
    assert!(world.filters.has_connection_rules());
    assert_eq!(connect("192.0.2.7"), ConnectionDecision { fired: vec![RuleId(0)], ..ConnectionDecision::default() });
    let (closed_by, monitored) = (Some(RuleId(3)), vec![]);
    let fired = vec![RuleId(2), RuleId(3)];
    assert_eq!(
        connect("192.0.2.8"),
        ConnectionDecision { closed_by, fired, monitored, undone: vec![], logged: vec![RuleId(2)] }
    );
    let verdict = world.decide(&Ask { client: "192.0.2.8", ..Ask::default() }).verdict;
    assert!(matches!(verdict, Verdict::Banned { .. }), "{verdict:?}");
}

#[test]
fn without_rules_every_connection_is_accepted() {
    let world = World::alone("");
    assert!(!world.filters.has_connection_rules());
    let connection = world.filters.connect("192.0.2.1".parse().unwrap(), &world.store, world.now);
    assert_eq!(connection, ConnectionDecision::default());
}
