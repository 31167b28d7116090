//! Fourth scene: the far POP is cut off. Each side keeps to its share; joined again, all read the same counts.

use std::time::Duration;

use super::load::{Result as Loaded, load};
use super::{Scene, bound_now, count_at, eventually};
use crate::cli::demo::stage::{Pop, Stage};
use crate::cli::demo::visitor::Visitor;

const REQUESTS: u32 = 30;
const OVER: Duration = Duration::from_secs(1);

pub(super) async fn scene(stage: &mut Stage) -> Result<Scene, String> {
    let mut scene = Scene::new("A cut link: nyc is alone, fra and ams have each other");
    stage.relay.cut();
    stage.until_heard(&[2, 2, 1]).await?;
    let visitor = Visitor::new(4, 1);
    let (near, far) = sides(stage);
    let bound = bound_now(&near, "api").await?;
    let (near_load, far_load) = tokio::join!(
        load(visitor, &near, "/api/split", REQUESTS, OVER),
        load(visitor, &far, "/api/split", REQUESTS, OVER)
    );
    let whole = (bound.rate_per_s, bound.burst);
    let late = f64::from(REQUESTS) / OVER.as_secs_f64() * bound.lag_ms as f64 / 1000.0;
    keeps_to(&mut scene, &near, &near_load, share(whole, 2.0 / 3.0), bound.slots + late);
    keeps_to(&mut scene, &far, &far_load, share(whole, 1.0 / 3.0), bound.slots);
    drop((near, far));
    stage.relay.heal();
    stage.until_all_heard().await?;
    let truth = near_load.total().allowed + far_load.total().allowed;
    let pops: Vec<&Pop> = stage.pops.iter().collect();
    let counts = eventually("the counts agree", async || {
        let mut counts = Vec::new();
        for pop in &pops {
            counts.push(count_at(pop, "api", &visitor.name()).await?);
        }
        if counts.iter().all(|count| *count == truth) { Ok(counts) } else { Err(format!("{counts:?}, truth {truth}")) }
    })
    .await?;
    scene.claim(format!("joined again, the three POPs read {counts:?}: what was allowed, {truth}"), true);
    Ok(scene)
}

fn sides(stage: &Stage) -> (Vec<&Pop>, Vec<&Pop>) {
    stage.pops.iter().partition(|pop| pop.name != "nyc")
}

/// A part of a limit's rate and burst, as `fair_share` gives it to a side of a cut.
fn share((rate, burst): (f64, f64), part: f64) -> (f64, f64) {
    (rate * part, burst * part)
}

fn keeps_to(scene: &mut Scene, pops: &[&Pop], loaded: &Loaded, (rate, burst): (f64, f64), beyond: f64) {
    let names: Vec<&str> = pops.iter().map(|pop| pop.name).collect();
    let names = names.join(" and ");
    let total = loaded.total();
    let most = burst + (rate * loaded.took.as_secs_f64()).ceil();
    scene.line(format!(
        "{names}: {} sent, {} allowed; share {burst:.1} at once and {rate:.2} a second, bound {beyond:.1}",
        total.sent, total.allowed
    ));
    let held = total.failed == 0 && total.allowed as f64 <= most + beyond && total.allowed as f64 >= burst.floor();
    scene.claim(
        format!(
            "{names} kept to the share: {} allowed, between {} and {:.1}",
            total.allowed,
            burst.floor(),
            most + beyond
        ),
        held,
    );
}
