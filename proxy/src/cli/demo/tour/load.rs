//! Load of a known size and spread: so many requests over so many POPs, evenly in time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::cli::demo::stage::Pop;
use crate::cli::demo::visitor::Visitor;

/// What one POP did with a load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) allowed: u64,
    pub(super) limited: u64,
    /// Connections that broke off: whether they were counted is unknown.
    pub(super) failed: u64,
}

/// What came of a load.
#[derive(Debug, Clone)]
pub(super) struct Result {
    /// By POP, in the order given.
    pub(super) pops: Vec<Tally>,
    /// From the first request to the last answer.
    pub(super) took: Duration,
}

impl Result {
    /// All POPs together.
    pub(super) fn total(&self) -> Tally {
        self.pops.iter().fold(Tally::default(), |mut total, pop| {
            total.sent += pop.sent;
            total.allowed += pop.allowed;
            total.limited += pop.limited;
            total.failed += pop.failed;
            total
        })
    }

    /// One line for each POP.
    pub(super) fn lines(&self, pops: &[&Pop]) -> Vec<String> {
        let line = |name: &str, tally: &Tally| {
            format!("{name:<6} {:>5} sent {:>5} allowed {:>5} limited", tally.sent, tally.allowed, tally.limited)
        };
        let each = pops.iter().zip(&self.pops).map(|(pop, tally)| line(pop.name, tally));
        each.chain([line("total", &self.total())]).collect()
    }
}

/// Sends `count` requests of one visitor, in turn to each POP, evenly over `over`.
pub(super) async fn load(visitor: Visitor, pops: &[&Pop], path: &'static str, count: u32, over: Duration) -> Result {
    let start = Instant::now();
    let addresses: Vec<SocketAddr> = pops.iter().map(|pop| pop.http).collect();
    let mut requests = JoinSet::new();
    for (number, (index, address)) in (0..count).zip(addresses.iter().copied().enumerate().cycle()) {
        let at = start + over * number / count;
        requests.spawn(async move {
            sleep_until(at).await;
            (index, visitor.get(address, path).await.map(|answer| answer.status))
        });
    }
    let mut tallies = vec![Tally::default(); addresses.len()];
    while let Some(request) = requests.join_next().await {
        let Ok((index, status)) = request else { continue };
        let Some(tally) = tallies.get_mut(index) else { continue };
        tally.sent += 1;
        match status {
            Ok(429) => tally.limited += 1,
            Ok(200) => tally.allowed += 1,
            Ok(_) | Err(_) => tally.failed += 1,
        }
    }
    Result { pops: tallies, took: start.elapsed() }
}
