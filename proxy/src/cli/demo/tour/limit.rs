//! Second scene: one limit over three POPs, with the bound computed before the load and the overshoot measured after.

use std::time::Duration;

use super::load::load;
use super::{Scene, bound_now};
use crate::cli::demo::stage::{Pop, Stage};
use crate::cli::demo::visitor::Visitor;

/// Requests of the greedy visitor, and the time they take.
const REQUESTS: u32 = 60;
const OVER: Duration = Duration::from_secs(1);

/// Requests of the polite one: fewer than the burst.
const POLITE: u32 = 9;

pub(super) async fn scene(stage: &Stage) -> Result<Scene, String> {
    let mut scene = Scene::new("One limit at all POPs: 60 requests in a second against 20/1m, burst 10");
    let pops: Vec<&Pop> = stage.pops.iter().collect();
    let bound = bound_now(&pops, "api").await?;
    let arrivals = f64::from(REQUESTS) / OVER.as_secs_f64();
    let beyond = bound.slots + arrivals * bound.lag_ms as f64 / 1000.0;
    scene.line(format!(
        "before: a charge is known everywhere within {} ms, so {arrivals} requests/s may pass the limit by {beyond:.1} at most",
        bound.lag_ms
    ));
    let (greedy, polite) = tokio::join!(
        load(Visitor::new(2, 1), &pops, "/api/greedy", REQUESTS, OVER),
        load(Visitor::new(2, 2), &pops, "/api/polite", POLITE, OVER),
    );
    greedy.lines(&pops).into_iter().for_each(|line| scene.line(line));
    let total = greedy.total();
    let refill = bound.rate_per_s * greedy.took.as_secs_f64();
    let (low, high) = (bound.burst + refill.floor(), bound.burst + refill.ceil());
    let overshoot = (total.allowed as f64 - high).max(0.0);
    scene.line(format!("after:  ideal {low} to {high}, allowed {}, overshoot {overshoot}", total.allowed));
    scene.claim(
        format!("every request was answered, {} allowed are no fewer than {low}", total.allowed),
        total.failed == 0 && total.allowed as f64 >= low,
    );
    scene.claim(format!("the overshoot of {overshoot} is within the bound of {beyond:.1}"), overshoot <= beyond);
    scene.claim(
        format!("a polite client at the same time was never refused ({} of {POLITE} allowed)", polite.total().allowed),
        polite.total().allowed == u64::from(POLITE),
    );
    Ok(scene)
}
