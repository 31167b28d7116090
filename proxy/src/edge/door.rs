//! Before anything of a connection is read: whether the client may come in at all.

use std::net::IpAddr;

use crate::front::Admission;
use crate::node::Node;
use crate::observe::log;

/// Decides about a client's connection. Nothing is spent on it when no rule asks.
pub fn admit(node: &Node, peer: IpAddr) -> Admission {
    let plan = node.plan.load();
    if !plan.filters.has_connection_rules() {
        return Admission::Welcome;
    }
    let client = peer.to_canonical();
    let now = node.clock.now();
    let decision = plan.filters.connect(client, &node.store, now);
    plan.meters.rules(&decision.fired, &decision.monitored, &decision.undone);
    for rule in decision.logged {
        if let Some(rule) = plan.config.rules.get(rule.0) {
            log::connection_rule(&rule.name, client, now);
        }
    }
    match decision.closed_by {
        Some(rule) => {
            plan.meters.connection_denied(rule);
            Admission::Closed
        }
        None => Admission::Welcome,
    }
}
