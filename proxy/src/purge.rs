//! Purges that this node makes, whoever asks for them. They hold here when the call returns; the others hear of them as of all state.

use selvedge_filters::purge::{Reach, Wanted};
use selvedge_state::{Dot, FACT_LONGEST, PurgeError, PurgeKey};

use crate::node::Node;
use crate::observe::log;

/// One purge that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    /// What it is called by.
    pub(crate) key: PurgeKey,
    /// Which one of its author it is.
    pub(crate) dot: Dot,
}

/// Purges one thing after the other. `by` is for the log.
///
/// # Errors
/// [`PurgeError`], and how many were made before; those hold.
pub(crate) fn purge(node: &Node, wanted: &[Wanted], reach: Reach, by: &str) -> Result<Vec<Made>, (usize, PurgeError)> {
    let now = node.clock.now();
    // However long what was stored before may live.
    let until = now.plus(FACT_LONGEST);
    let mut made = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let name = wanted.name();
        let key = name.key(&node.store, reach);
        let dot = node.store.purge(key, until, now).map_err(|error| (made.len(), error))?;
        node.metrics.purged(name.kind(), reach.as_str());
        made.push(Made { key, dot });
    }
    log::purged(wanted, reach, by);
    Ok(made)
}
