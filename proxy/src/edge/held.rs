//! What a request holds of limits: given back whatever way the request ends, a panic included.

use std::fmt;
use std::sync::Arc;

use selvedge_filters::limit::Holds;

use crate::node::Node;
use crate::plan::Plan;

/// Something that is held until this is dropped.
pub(super) struct Held {
    node: Arc<Node>,
    /// The plan that it was taken by.
    plan: Arc<Plan>,
    holds: Holds,
    /// Bytes of the response's body, when it is over.
    bytes: Option<u64>,
}

impl Held {
    /// Keeps what a decision took; nothing is kept where it took nothing.
    pub(super) fn keep(node: &Arc<Node>, plan: &Arc<Plan>, holds: Holds) -> Option<Held> {
        (!holds.is_empty()).then(|| Held { node: Arc::clone(node), plan: Arc::clone(plan), holds, bytes: None })
    }

    /// For the response, which settles some of it.
    pub(super) fn holds(&mut self) -> &mut Holds {
        &mut self.holds
    }

    /// The response is over, and had a body of so many bytes.
    pub(super) fn end(mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let holds = std::mem::take(&mut self.holds);
        let (filters, store, now) = (&self.plan.filters, &self.node.store, self.node.clock.now());
        match self.bytes {
            Some(bytes) => filters.end(holds, bytes, store, now),
            None => filters.abandon(holds, store, now),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("holds", &self.holds).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
