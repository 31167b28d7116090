//! All that is known of one session, at each POP that can be asked, so that whoever looks sees who is behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use selvedge_state::{Author, PopId, Session, SessionKey, StatedAttribute, Time, Versioned};
use tokio::task::JoinSet;

use super::super::report::{
    KnownSession, Missing, SessionAt, SessionAttribute, SessionCounter, ShownSession, Writer, Written,
};
use super::super::{receipts, relay};
use super::Shown;
use crate::node::Node;

/// What each POP says of a session, this one first.
pub(super) async fn everywhere(node: &Arc<Node>, key: SessionKey) -> ShownSession {
    let mut shown = ShownSession { id: key.to_string(), at: vec![local(node, key)], missing: Vec::new() };
    if let Some(links) = node.links.get() {
        let mut asking = JoinSet::new();
        for pop in node.pops.others(node.me.pop) {
            let (node, path) = (Arc::clone(node), format!("/v1/sessions/{key}"));
            asking.spawn(async move { (pop, there(&node, pop, &path).await) });
        }
        while let Some(joined) = asking.join_next().await {
            match joined {
                Ok((_, Ok(at))) => shown.at.push(at),
                Ok((pop, Err(cause))) => shown.missing.push(Missing { pop: node.pops.name(pop), node: None, cause }),
                Err(_) => {}
            }
        }
        let known = shown.at.iter().map(|at| (at.pop.as_str(), at.node)).collect();
        let more = receipts::unasked(node, links, &known, &shown.missing);
        shown.missing.extend(more);
    }
    if let Some((_, others)) = shown.at.split_first_mut() {
        others.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    }
    shown.missing.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    compare(&mut shown.at);
    shown
}

async fn there(node: &Node, pop: PopId, path: &str) -> Result<SessionAt, String> {
    let links = node.links.get().ok_or_else(|| "this POP is alone".to_owned())?;
    let said = async { relay::ask(links, pop, path).await?.whole().await };
    let said = said.await.map_err(|unanswered| unanswered.to_string())?;
    serde_json::from_slice(&said).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// Tells of each node whose writes others know further than it does.
fn compare(all: &mut [SessionAt]) {
    let mut newest: BTreeMap<Writer, u64> = BTreeMap::new();
    for written in all.iter().filter_map(|at| at.known.as_ref()).flat_map(|known| &known.written) {
        let known = newest.entry(written.by.clone()).or_default();
        *known = written.version.max(*known);
    }
    for at in all {
        let written = at.known.as_ref().map_or(&[][..], |known| &known.written);
        let has = |by: &Writer, version: u64| written.iter().any(|one| one.by == *by && one.version >= version);
        let behind = newest.iter().filter(|(by, version)| !has(by, **version)).map(|(by, _)| by.clone());
        at.behind = behind.collect();
    }
}

/// What is known here.
pub(super) fn local(node: &Node, key: SessionKey) -> SessionAt {
    let known = node.store.session(key, node.clock.now(), |session| known(node, session));
    let set = known.iter().flat_map(|known| &known.attributes);
    let attributes: Vec<_> = set.filter_map(|one| Some((one.name.clone(), one.value.clone()?))).collect();
    let shown = known.as_ref().map(|known| Shown { started: Time(known.started), attributes: &attributes });
    let revoked = super::revoked(node, &node.plan.load().config, key, shown);
    SessionAt { pop: node.pops.name(node.me.pop), node: node.me.node, revoked, known, behind: Vec::new() }
}

fn known(node: &Node, session: &Session) -> KnownSession {
    let writer = |author: Author| Writer {
        pop: node.pops.name(author.actor.pop),
        node: author.actor.node,
        incarnation: author.incarnation.0,
    };
    let attribute = |StatedAttribute { name, value, by }: StatedAttribute<'_>| SessionAttribute {
        name: name.to_owned(),
        value: value.map(|value| String::from_utf8_lossy(value).into_owned()),
        by: writer(by.author),
        at: by.version.at().0,
    };
    let counter = |name: &str| SessionCounter {
        name: name.to_owned(),
        count: session.count(name),
        by: session.counted(name).map(|(author, count)| (writer(author), count)).collect(),
    };
    let written =
        |Versioned { author, version }| Written { by: writer(author), version: version.number(), at: version.at().0 };
    KnownSession {
        started: session.created().0,
        seen: session.seen().0,
        over: session.over().0,
        ends: session.ends().0,
        attributes: session.stated().map(attribute).collect(),
        counters: session.counters().into_iter().map(counter).collect(),
        written: session.versions().map(written).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pop: &str, written: &[(&str, u64)]) -> SessionAt {
        let by = |pop: &str| Writer { pop: pop.to_owned(), node: 0, incarnation: 1 };
        let written = written.iter().map(|(pop, version)| Written { by: by(pop), version: *version, at: 0 }).collect();
        let (attributes, counters) = (Vec::new(), Vec::new());
        let known = KnownSession { started: 0, seen: 0, over: 0, ends: 0, attributes, counters, written };
        SessionAt { pop: pop.to_owned(), node: 0, revoked: None, known: Some(known), behind: Vec::new() }
    }

    #[test]
    fn who_lacks_what_others_have_is_behind() {
        let nothing = SessionAt { known: None, ..at("c", &[]) };
        let mut all = [at("a", &[("a", 2), ("b", 5)]), at("b", &[("a", 1), ("b", 6)]), nothing];
        compare(&mut all);
        let behind = all.map(|at| at.behind.into_iter().map(|by| by.pop).collect::<Vec<_>>());
        assert_eq!(behind, [vec!["b"], vec!["a"], vec!["a", "b"]]);
        let mut same = [at("a", &[("a", 2)]), at("b", &[("a", 2)])];
        compare(&mut same);
        assert!(same.iter().all(|at| at.behind.is_empty()));
    }
}
