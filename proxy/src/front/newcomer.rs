//! Connections whose first request is still to come. Pingora hangs up on whoever it waits for when it is told to stop; one that has just
//! connected was accepted and would be refused all the same, so a stop waits for these first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a stop waits for first requests. Who connects in advance and says nothing is hung up on then.
const WAITED_FOR: Duration = Duration::from_secs(2);

/// All of them, as places that they hold.
#[derive(Debug)]
pub(super) struct Newcomers {
    places: Arc<Semaphore>,
    all: u32,
}

/// One of them, until its first request is there.
#[derive(Debug)]
pub(super) struct Newcomer(Mutex<Option<OwnedSemaphorePermit>>);

impl Newcomers {
    /// With as many places as there are connections.
    pub(super) fn new(all: u32) -> Newcomers {
        Newcomers { places: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// One more connection.
    pub(super) fn come(&self) -> Newcomer {
        // There is a place for each, so one is there at once.
        Newcomer(Mutex::new(Arc::clone(&self.places).try_acquire_owned().ok()))
    }

    /// Waits until there are none, or long enough.
    pub(super) async fn served(&self) {
        let _ = timeout(WAITED_FOR, self.places.acquire_many(self.all)).await;
    }
}

impl Newcomer {
    /// Its first request is there.
    pub(super) fn is_served(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_first_requests_but_not_for_ever() {
        let newcomers = Newcomers::new(3);
        let (one, other) = (newcomers.come(), newcomers.come());
        one.is_served();
        drop(other);
        let began = tokio::time::Instant::now();
        newcomers.served().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let _silent = newcomers.come();
        newcomers.served().await;
        assert_eq!(began.elapsed(), WAITED_FOR);
    }
}
