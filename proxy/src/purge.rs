//! Purges that this node makes, whoever asks for them. They hold here when the call returns; the others hear of them as of all state.

use std::borrow::Cow;
use std::collections::HashSet;

use selvedge_filters::purge::{Reach, Wanted};
use selvedge_state::{Dot, FACT_LONGEST, PurgeError, PurgeKey};

use crate::admin::report::Purger;
use crate::node::Node;
use crate::observe::log;
use crate::plan::Plan;

/// One purge that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    /// What it is called by.
    pub(crate) key: PurgeKey,
    /// Which one of its author it is.
    pub(crate) dot: Dot,
}

/// The URLs that these are stored under where a policy says that not all of a query counts: whatever is left out, a purge of one spelling
/// is about what answers it. Each once.
pub(crate) fn counted(plan: &Plan, wanted: &[Wanted]) -> Vec<Wanted> {
    let keys: Vec<_> = plan.filters.cache_keys().iter().filter(|key| !key.is_plain()).collect();
    let mut known: HashSet<Wanted> = HashSet::new();
    let mut counted = Vec::new();
    for key in keys {
        for wanted in wanted {
            let Wanted::Url { scheme, authority, path, query } = wanted else { continue };
            let part = key.counted(query.as_deref());
            if part.as_deref() == query.as_deref() {
                continue;
            }
            let (scheme, authority, path, query) =
                (*scheme, authority.clone(), path.clone(), part.map(Cow::into_owned));
            let url = Wanted::Url { scheme, authority, path, query };
            if known.insert(url.clone()) {
                counted.push(url);
            }
        }
    }
    counted
}

/// Purges one thing after the other, and then what policies store the URLs among them under. `by` is for the log.
///
/// # Errors
/// [`PurgeError`], and how many were made before; those hold.
pub(crate) fn purge(node: &Node, wanted: &[Wanted], reach: Reach, by: &str) -> Result<Vec<Made>, (usize, PurgeError)> {
    let now = node.clock.now();
    // However long what was stored before may live.
    let until = now.plus(FACT_LONGEST);
    let mut made = Vec::with_capacity(wanted.len());
    let counted = counted(&node.plan.load(), wanted);
    for wanted in wanted.iter().chain(&counted) {
        let key = wanted.name().key(&node.store, reach);
        let dot = node.store.purge(key, until, now).map_err(|error| (made.len(), error))?;
        made.push(Made { key, dot });
    }
    wanted.iter().for_each(|wanted| node.metrics.purged(wanted.name().kind(), reach.as_str()));
    log::purged(wanted, reach, by);
    Ok(made)
}

/// Who made purges, of which this is one, or would have.
pub(crate) fn made_by(node: &Node, made: Option<Made>) -> Purger {
    let incarnation = made.map_or(node.incarnation, |made| made.dot.author.incarnation).0;
    Purger { pop: node.pops.name(node.me.pop), node: node.me.node, incarnation }
}
