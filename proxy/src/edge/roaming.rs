//! A client that comes here with what it wrote at another POP. What it knows of and is not here is on its way, or was: so the request waits for it,
//! for as long as its config says, and then fetches this one session from the POPs that wrote it. Where that is of no use it goes on, and is told
//! that it is behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use selvedge_filters::session::{Shape, Visitor};
use selvedge_state::{Actor, SessionKey};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::node::Node;
use crate::observe::SessionWait;

/// Brings what is known of a session up to what its client knows of, if it can be had in time.
pub(super) async fn catch_up(node: &Node, shape: &Shape, visitor: &mut Visitor) {
    if visitor.missing().is_empty() {
        return;
    }
    let outcome = try_to(node, shape, visitor).await;
    node.metrics.session_waited(outcome);
}

async fn try_to(node: &Node, shape: &Shape, visitor: &mut Visitor) -> SessionWait {
    if heard(node, visitor).is_empty() {
        return SessionWait::Unheard;
    }
    let facts = shape.facts();
    let _ = timeout(facts.wait, arrival(node, shape, visitor)).await;
    if visitor.missing().is_empty() {
        return SessionWait::Arrived;
    }
    if let Some(key) = visitor.key() {
        let asked = heard(node, visitor).into_iter().map(|writer| fetch(node, key, writer));
        // Whoever has not answered by then is not waited for.
        let _ = timeout(facts.fetch, join_all(asked)).await;
        visitor.look(shape, &node.store, node.clock.now());
    }
    if visitor.missing().is_empty() { SessionWait::Fetched } else { SessionWait::Behind }
}

/// Who wrote what is missing: from whom nothing is heard nothing comes, and nobody should wait for it.
fn heard(node: &Node, visitor: &Visitor) -> BTreeSet<Actor> {
    let writers = visitor.missing().iter().map(|author| author.actor);
    writers.filter(|writer| node.store.hears_pop(writer.pop)).collect()
}

/// Waits until nothing is missing.
async fn arrival(node: &Node, shape: &Shape, visitor: &mut Visitor) {
    let Some(key) = visitor.key() else { return };
    let news = Arc::new(Notify::new());
    let wake = Arc::clone(&news);
    let _watch = node.store.watch_session(key, Arc::new(move || wake.notify_one()));
    loop {
        visitor.look(shape, &node.store, node.clock.now());
        if visitor.missing().is_empty() {
            return;
        }
        news.notified().await;
    }
}

/// Asks the POP of a writer for one session, and takes what it says.
async fn fetch(node: &Node, key: SessionKey, writer: Actor) {
    let (Some(links), Some(name)) = (node.links.get(), key.each().next()) else { return };
    let path = format!("/v1/session/{name}");
    // What goes wrong here is told by what the session is like afterwards.
    if let Ok(Some(said)) = links.fetch(writer.pop, &path).await {
        let _ = node.store.take_session(key, writer, &said, node.clock.now());
    }
}
