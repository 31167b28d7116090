//! The names of events are in three places: where they are told, where the series are reckoned, and in the reference.

use std::collections::BTreeSet;

use super::series::{EVENTS, PEER_EVENTS};

const TOLD: &str = include_str!("log.rs");
const REFERENCE: &str = include_str!("../../../docs/operating.md");

/// The words that stand between these in a text, each once.
fn between<'t>(text: &'t str, before: &str, after: char) -> BTreeSet<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(word, _)| word).collect()
}

/// The names that a paragraph of the reference has, which begins with this.
fn listed(begins: &str) -> BTreeSet<&'static str> {
    let paragraph = REFERENCE.split("\n\n").find(|paragraph| paragraph.starts_with(begins)).expect("a paragraph");
    let (_, names) = paragraph.split_once(": ").expect("a list");
    names.split('`').skip(1).step_by(2).filter(|name| *name != "status").collect()
}

#[test]
fn the_reference_lists_the_events_that_there_are() {
    let of_peers = between(TOLD, "=> (\"", '"');
    let of_nodes = between(TOLD, "metrics.event(\"", '"');
    assert_eq!(listed("What `event` says of a peer"), of_peers);
    assert_eq!(listed("What `event` says of the node"), of_nodes);
    assert_eq!((of_peers.len(), of_peers.len() + of_nodes.len()), (PEER_EVENTS, EVENTS));
}
