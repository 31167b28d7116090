//! A switch for operators: a node that keeps apart exchanges nothing with its peers, and goes by what it knows.

use tokio::sync::watch;

/// The switch. Off at every start.
#[derive(Debug)]
pub(super) struct Apart(watch::Sender<bool>);

impl Default for Apart {
    fn default() -> Apart {
        Apart(watch::Sender::new(false))
    }
}

impl Apart {
    pub(super) fn set(&self, apart: bool) {
        self.0.send_replace(apart);
    }

    pub(super) fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Hears of it from now on.
    pub(super) fn heard(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Waits until the node is with the others.
    pub(super) async fn over(&self) {
        // The sender is here, so there is always somebody to wait for.
        let _ = self.0.subscribe().wait_for(|apart| !*apart).await;
    }
}
