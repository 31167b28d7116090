//! Waiting for what must come true, the one place in the tests that polls. A test that fails says what it waited for.

use std::time::{Duration, Instant};

/// How long anything may take to come true. Long, because machines are slow at times, and over NATS a silent node is missed after twelve seconds;
/// never waited out when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(10);

/// Polls `probe` until it gives `Ok`, and fails the test with the last `Err` at the deadline.
pub(crate) async fn eventually<T>(deadline: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(last) if began.elapsed() >= deadline => panic!("after {deadline:?} still: {last}"),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
