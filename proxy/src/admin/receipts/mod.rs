//! Receipts: proof that each POP has applied a purge or a revocation, collected over connections that watch. Who has not applied it yet when asked
//! waits until it has, so that one question to each POP is enough.

pub(super) mod purged;
pub(super) mod revoked;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use selvedge_state::{Actor, PopId};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::relay;
use super::report::{Missing, Receipt};
use crate::link::Links;
use crate::node::Node;

/// The longest that an answer waits for receipts.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two looks at whether what is waited for has come.
const LOOK: Duration = Duration::from_millis(2);

/// How much longer than the wait an answer may be on its way.
const SLACK: Duration = Duration::from_secs(1);

/// What all POPs are asked.
struct Question {
    path: &'static str,
    body: Bytes,
    wait: Duration,
    /// What was made, and how many.
    what: &'static str,
    made: usize,
}

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    node: u32,
    incarnation: u64,
    /// When the last of them held, node time; absent when not all of them do.
    at: Option<u64>,
    /// How many do.
    applied: usize,
    /// Why that they do may not outlive a crash there; absent when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlogged: Option<String>,
}

/// Asks all other POPs; says who has applied all, this node first, and of whom that is not known. `here` is what this node says.
async fn collect(
    node: &Arc<Node>,
    question: Question,
    here: impl Future<Output = Said>,
) -> (Vec<Receipt>, Vec<Missing>) {
    let Question { path, body, wait, what, made } = question;
    let (mut receipts, mut missing) = (Vec::new(), Vec::new());
    let mut note = |pop, said: Result<Said, String>| match said.and_then(|said| receipt(node, pop, &said, (made, what)))
    {
        Ok(receipt) => receipts.push(receipt),
        Err(cause) => missing.push(Missing { pop: node.pops.name(pop), node: None, cause }),
    };
    let Some(links) = node.links.get() else {
        note(node.me.pop, Ok(here.await));
        return (receipts, missing);
    };
    let mut asking = JoinSet::new();
    for pop in node.pops.others(node.me.pop) {
        let (links, body) = (Arc::clone(links), body.clone());
        asking.spawn(async move { (pop, ask(&links, (pop, path), body, wait).await) });
    }
    note(node.me.pop, Ok(here.await));
    while let Some(joined) = asking.join_next().await {
        let Ok((pop, said)) = joined else { continue };
        note(pop, said);
    }
    let known = receipts.iter().map(|receipt| (receipt.pop.as_str(), receipt.node)).collect();
    let more = unasked(node, links, &known, &missing);
    missing.extend(more);
    receipts.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    missing.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    (receipts, missing)
}

/// Nodes that are known to be there and were not asked: of each POP one is, the one at its address.
pub(super) fn unasked(node: &Node, links: &Links, known: &HashSet<(&str, u32)>, missing: &[Missing]) -> Vec<Missing> {
    let peers = links.status().state.peers.into_iter().map(|peer| peer.actor);
    let name = |actor: Actor| (node.pops.name(actor.pop), actor.node);
    let is_known = |(pop, number): &(String, u32)| {
        known.contains(&(pop.as_str(), *number)) || missing.iter().any(|missing| missing.pop == *pop)
    };
    let cause = "only the node at the address of its POP can be asked";
    let unknown = peers.map(name).filter(|name| !is_known(name));
    unknown.map(|(pop, node)| Missing { pop, node: Some(node), cause: cause.to_owned() }).collect()
}

async fn ask(links: &Arc<Links>, (pop, path): (PopId, &str), body: Bytes, wait: Duration) -> Result<Said, String> {
    let asked = async {
        let mut coming = relay::put(links, pop, path, body, wait.saturating_add(SLACK)).await?;
        coming.whole().await
    };
    let said = timeout(wait.saturating_add(SLACK), asked).await;
    let said = said.map_err(|_| "it did not answer in time".to_owned())?.map_err(|error| error.to_string())?;
    serde_json::from_slice(&said).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// The receipt that a node gives, if it has applied all `made` of them for good.
fn receipt(node: &Node, pop: PopId, said: &Said, (made, what): (usize, &str)) -> Result<Receipt, String> {
    let Said { node: number, incarnation, at, applied, unlogged } = said;
    let cause = || unlogged.clone().unwrap_or_else(|| format!("{applied} of {made} {what} are applied there"));
    let at = at.ok_or_else(cause)?;
    Ok(Receipt { pop: node.pops.name(pop), node: *number, incarnation: *incarnation, at })
}
