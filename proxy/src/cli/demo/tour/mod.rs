//! `selvedge demo --tour`: the five things, done against the live processes, each with what must come of it. The tour passes
//! only if all of it held.

mod ban;
mod cache;
mod crash;
mod limit;
mod load;
mod split;

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::stage::{Pop, Stage};
use crate::admin::report::{Bound, Limit};
use crate::cli::render::{Failure, Render};

/// How long something may take to become true.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// One thing shown, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    name: &'static str,
    lines: Vec<String>,
    claims: Vec<Claim>,
}

/// One thing that must hold.
#[derive(Debug, Serialize)]
pub(super) struct Claim {
    what: String,
    held: bool,
}

impl Scene {
    fn new(name: &'static str) -> Scene {
        Scene { name, lines: Vec::new(), claims: Vec::new() }
    }

    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn claim(&mut self, what: impl Into<String>, held: bool) {
        self.claims.push(Claim { what: what.into(), held });
    }

    fn held(&self) -> bool {
        self.claims.iter().all(|claim| claim.held)
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        // Writing to a String cannot fail.
        for line in &self.lines {
            let _ = writeln!(text, "  {line}");
        }
        for claim in &self.claims {
            let _ = writeln!(text, "  [{}] {}", if claim.held { "held" } else { "FAILED" }, claim.what);
        }
        text
    }
}

/// Shows everything.
pub(super) async fn tour(mut stage: Stage) -> Result<Render, Failure> {
    let mut scenes = Vec::new();
    let mut text = String::new();
    for number in 1..=5 {
        let scene = match number {
            1 => cache::scene(&stage).await,
            2 => limit::scene(&stage).await,
            3 => ban::scene(&stage).await,
            4 => split::scene(&mut stage).await,
            _ => crash::scene(&mut stage).await,
        };
        let scene = scene.map_err(|error| Failure::Failed(format!("scene {number} of the tour: {error}")))?;
        let _ = writeln!(text, "{number} {}", scene.text());
        scenes.push(scene);
    }
    let held = scenes.iter().all(Scene::held);
    text.push_str(if held { "All of it held.\n" } else { "NOT all of it held.\n" });
    let render = Render::new(text, &scenes);
    Ok(if held { render } else { render.failed() })
}

/// Looks until what it looks for is there.
///
/// # Errors
/// When it is not there in time; says what was seen last.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() > deadline => return Err(format!("{what}: {seen}")),
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// What a POP says of a limit, or of one client under it.
async fn limit_at(pop: &Pop, name: &str, client: Option<&str>) -> Result<Limit, String> {
    let key = client.map_or(String::new(), |client| format!("?key={client}"));
    let limit = crate::admin::get(&pop.socket, &format!("/v1/limits/{name}{key}")).await;
    limit.map_err(|error| format!("{}: {error}", pop.name))
}

/// What a POP counts for a client now.
async fn count_at(pop: &Pop, name: &str, client: &str) -> Result<u64, String> {
    Ok(limit_at(pop, name, Some(client)).await?.top.first().map_or(0, |key| key.count))
}

/// The bound of a limit by config and the lag measured now: the worst of what the POPs say.
async fn bound_now(pops: &[&Pop], name: &str) -> Result<Bound, String> {
    let mut worst: Option<Bound> = None;
    for pop in pops {
        let bound = limit_at(pop, name, None).await?.bound.ok_or("no bound")?;
        if worst.as_ref().is_none_or(|worst| worst.lag_ms < bound.lag_ms) {
            worst = Some(bound);
        }
    }
    worst.ok_or_else(|| "no POP".to_owned())
}
