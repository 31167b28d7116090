//! The watcher: reloads when a file of the config holds something else. It asks the system once a second instead of being told,
//! since notices get lost over renames, links and network file systems, and a second is soon enough.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::ledger::Look;
use super::reload::{Cause, reload};
use crate::node::Node;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Watches for ever. A load that failed is tried again when one of its files changes again.
pub(crate) async fn watch(node: Arc<Node>) {
    if !node.reloads.has_entry() {
        return;
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&node);
        let look = tokio::task::spawn_blocking(move || looking.reloads.look()).await;
        if matches!(look, Ok(Look::Changed)) {
            // What went wrong is logged and in the status already.
            let _ = reload(&node, Cause::Watch).await;
        }
    }
}
