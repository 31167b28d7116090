//! Fifth scene: a POP is killed with -9 under load. The others do not notice; it comes back as a new life; no count falls or
//! rises above the truth.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::load::load;
use super::{Scene, count_at, eventually};
use crate::cli::demo::stage::{Pop, Stage};
use crate::cli::demo::visitor::Visitor;

/// The POP that is killed: its place among the stage's POPs.
const VICTIM: usize = 1;

const REQUESTS: u32 = 300;
const OVER: Duration = Duration::from_secs(3);

/// Between two looks at the counts during the load.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn scene(stage: &mut Stage) -> Result<Scene, String> {
    let mut scene = Scene::new("A crash: ams is killed with -9 under load, and comes back");
    let visitor = Visitor::new(5, 1);
    let client = visitor.name();
    let before = incarnation(stage, VICTIM).await?;
    let [near, victim, far] = stage.pops.as_mut_slice() else { return Err("not three POPs".to_owned()) };
    let doomed = Doomed { http: victim.http };
    let others = [&*near, &*far];
    let started = Instant::now();
    let (safe, shaken, watched, served) = tokio::join!(
        load(visitor, &others, "/hello", REQUESTS, OVER),
        doomed.load(visitor),
        watch(&others, &client),
        kill_and_start(victim),
    );
    let served = served?;
    let falls = watched?;
    scene.line(format!(
        "{} requests at fra and nyc: {} answered, {} broken off",
        safe.total().sent,
        safe.total().allowed,
        safe.total().failed
    ));
    scene.line(format!("ams served again {} ms after it was started again", served.as_millis()));
    scene.claim("fra and nyc answered every request", safe.total().allowed == u64::from(REQUESTS));
    scene.claim("no count fell while ams was away", falls.is_empty());
    stage.until_all_heard().await?;
    let after = incarnation(stage, VICTIM).await?;
    scene.claim(format!("ams took a new incarnation ({before:x}, then {after:x})"), after > before);
    // A request whose connection broke off may or may not have been counted.
    let least = safe.total().allowed;
    let most = least + shaken.allowed + shaken.unknown;
    let pops: Vec<&Pop> = stage.pops.iter().collect();
    let counts = eventually("the counts agree", async || {
        let mut counts = Vec::new();
        for pop in &pops {
            counts.push(count_at(pop, "hello", &client).await?);
        }
        if counts.iter().all(|count| Some(count) == counts.first()) { Ok(counts) } else { Err(format!("{counts:?}")) }
    })
    .await?;
    let count = counts.first().copied().unwrap_or(0);
    scene.line(format!(
        "counts afterwards {counts:?}; {} were answered, {} broke off ({:.1} s)",
        least + shaken.allowed,
        shaken.unknown,
        started.elapsed().as_secs_f64()
    ));
    scene.claim(
        format!("all read {count}: not above what was sent ({most}), not below what fra and nyc answered ({least})"),
        (least..=most).contains(&count),
    );
    Ok(scene)
}

async fn incarnation(stage: &Stage, pop: usize) -> Result<u64, String> {
    let pop = stage.pops.get(pop).ok_or("no such POP")?;
    Ok(pop.status().await.map_err(|error| error.to_string())?.incarnation)
}

/// Kills a POP in the middle of the load and starts it again; says how long it took from its start to its first answer.
async fn kill_and_start(victim: &mut Pop) -> Result<Duration, String> {
    tokio::time::sleep(OVER / 3).await;
    victim.kill().await?;
    victim.start()?;
    let started = Instant::now();
    let visitor = Visitor::new(5, 2);
    let http = victim.http;
    eventually("ams serves again", async || visitor.get(http, "/hello").await.map_err(|error| error.to_string()))
        .await?;
    Ok(started.elapsed())
}

/// Looks at a client's count at some POPs during the load, and lists where it fell.
async fn watch(pops: &[&Pop], client: &str) -> Result<Vec<String>, String> {
    let mut highest = vec![0; pops.len()];
    let mut falls = Vec::new();
    let end = Instant::now() + OVER;
    while Instant::now() < end {
        for (pop, highest) in pops.iter().zip(&mut highest) {
            let count = count_at(pop, "hello", client).await?;
            if count < *highest {
                falls.push(format!("{}: {highest} to {count}", pop.name));
            }
            *highest = count.max(*highest);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(falls)
}

/// The POP that will be killed, as its clients see it.
struct Doomed {
    http: SocketAddr,
}

/// What its clients saw.
struct Shaken {
    allowed: u64,
    unknown: u64,
}

impl Doomed {
    /// A steady load that does not mind broken connections.
    async fn load(&self, visitor: Visitor) -> Shaken {
        let mut shaken = Shaken { allowed: 0, unknown: 0 };
        let end = Instant::now() + OVER;
        while Instant::now() < end {
            match visitor.get(self.http, "/hello").await {
                Ok(answer) if answer.status == 200 => shaken.allowed += 1,
                // Nobody was there to count it.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Ok(_) | Err(_) => shaken.unknown += 1,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shaken
    }
}
