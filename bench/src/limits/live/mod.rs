//! A limit of three POPs that run, under ten times as many requests: from clients that stay at one POP, from clients that hop, and both while a POP
//! is cut off. What may be admitted is told before; what was is counted by the clients. Beside it the same limit by HAProxy's peers.

mod haproxy;
mod load;
mod pops;
mod relay;
mod table;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use selvedge_filters::limit::Bound;

use self::haproxy::{Peers, Way};
use self::load::{Crowd, Outcome, Shape};
use self::pops::Cluster;
use self::relay::Relay;
use self::table::{Row, Table};
use super::BATCH;
use crate::figures::Figures;
use crate::programs::{installed, origin, selvedge_at};
use crate::server::{Folder, Server};

/// The POPs, and HAProxy's processes; the last one is cut off.
const POPS: [&str; 3] = ["fra", "ams", "nyc"];

/// The classes of limits.
const CLASSES: [&str; 2] = ["converge", "strict"];

/// HAProxy's ways to write it, by the names of their figures.
const WAYS: [(&str, Way); 3] =
    [("haproxy", Way::Passed), ("haproxy_http_req_rate", Way::Asked), ("haproxy_summed", Way::Summed)];

/// For so long a silent POP counts as heard (docs/operating.md), so for so long both sides of a cut go by the whole limit.
const UNNOTICED: Duration = Duration::from_secs(2);

/// Between two runs, in which buckets fill.
const PAUSE: Duration = Duration::from_secs(3);

/// The limit: tokens a second, and the bucket's depth.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_s: f64,
    burst: u32,
}

/// What is asked for.
pub(super) struct Request<'a> {
    /// Of each load.
    pub(super) seconds: u64,
    /// Of the limit, a second.
    pub(super) rate: u32,
    /// The selvedge binary; the one beside this program unless named.
    pub(super) selvedge: Option<PathBuf>,
    /// The figures of these names alone; all when there are none.
    pub(super) only: &'a [String],
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    Stay,
    Hop,
    /// The last POP is cut off in the middle third; clients stay.
    Cut,
    /// The same, and clients hop.
    CutHop,
}

impl Scene {
    fn name(self) -> &'static str {
        match self {
            Scene::Stay => "stay",
            Scene::Hop => "hop",
            Scene::Cut => "cut",
            Scene::CutHop => "cut_hop",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Scene::Stay | Scene::Cut => Shape::Stay,
            Scene::Hop | Scene::CutHop => Shape::Hop,
        }
    }

    fn is_cut(self) -> bool {
        matches!(self, Scene::Cut | Scene::CutHop)
    }
}

/// In this order, so that shares are there when they are asked for: a POP that was cut off has to wait for its own again.
const RUNS: [(&str, Scene); 8] = [
    ("converge", Scene::Stay),
    ("converge", Scene::Hop),
    ("strict", Scene::Stay),
    ("strict", Scene::Hop),
    ("strict", Scene::Cut),
    ("converge", Scene::Cut),
    ("strict", Scene::CutHop),
    ("converge", Scene::CutHop),
];

pub(super) fn measure(request: &Request<'_>) -> Result<Figures, String> {
    let wrk = installed("wrk").ok_or("wrk, the client, is not installed (Debian: apt install wrk)")?;
    let rate = Rate { per_s: f64::from(request.rate), burst: request.rate.div_ceil(10) };
    let folder = Folder::new()?;
    let nginx = origin(&folder)?.ok_or("nginx, the origin, is not installed (Debian: apt install nginx-light)")?;
    let origin = Server::start(&folder, &nginx)?;
    let crowd = Crowd::new(&folder, wrk, rate)?;
    let mut table = Table::new(rate);
    ours(request, &folder, (&crowd, rate), origin.port, &mut table)?;
    match installed("haproxy") {
        Some(program) => {
            for (name, way) in WAYS.into_iter().filter(|(name, _)| asked(request, name)) {
                let peers = Peers::start(&folder, &program, way, origin.port, rate)?;
                for scene in [Scene::Stay, Scene::Hop, Scene::Cut, Scene::CutHop] {
                    let outcome = run(scene, &crowd, (&peers.ports, &peers.relays), "/pass", request.seconds)?;
                    table.tell(Row { name, scene: scene.name(), outcome, beyond: None })?;
                    sleep(PAUSE);
                }
            }
        }
        None => eprintln!("haproxy is not installed (Debian: apt install haproxy): its figures are left out"),
    }
    Ok(table.figures())
}

fn asked(request: &Request<'_>, name: &str) -> bool {
    request.only.is_empty() || request.only.iter().any(|only| only == name)
}

fn ours(
    request: &Request<'_>,
    folder: &Folder,
    (crowd, rate): (&Crowd, Rate),
    origin: u16,
    table: &mut Table,
) -> Result<(), String> {
    let runs = RUNS.into_iter().filter(|(class, _)| asked(request, class)).collect::<Vec<_>>();
    if runs.is_empty() {
        return Ok(());
    }
    let program = selvedge_at(request.selvedge.clone())?;
    let cluster = Cluster::start(folder, &program, origin, rate)?;
    for (class, scene) in runs {
        let bound = cluster.bound(class)?;
        if bound.overdraft.is_some() {
            cluster.until_shared_out();
        }
        let beyond = beyond(&bound, scene, crowd);
        table.promise(class, scene.name(), beyond, request.seconds);
        let path = format!("/pass?limit={class}");
        let wires = std::slice::from_ref(&cluster.relay);
        let outcome = run(scene, crowd, (&cluster.ports, wires), &path, request.seconds)?;
        table.tell(Row { name: class, scene: scene.name(), outcome, beyond: Some(beyond) })?;
        sleep(PAUSE);
    }
    Ok(())
}

/// What a limit may admit beyond `burst + rate x time`: what its bound says; and of one that goes by what is heard, when a POP is cut off,
/// what both sides admit until they notice, and a window's worth where that is heard late.
fn beyond(bound: &Bound, scene: Scene, crowd: &Crowd) -> f64 {
    let heard_late = bound.beyond(crowd.arrivals_per_s(), BATCH);
    if !scene.is_cut() || bound.overdraft.is_some() {
        return heard_late;
    }
    heard_late + bound.rate_per_s * (UNNOTICED + bound.window).as_secs_f64()
}

fn run(
    scene: Scene,
    crowd: &Crowd,
    (ports, wires): (&[u16], &[Relay]),
    path: &str,
    seconds: u64,
) -> Result<Outcome, String> {
    let third = Duration::from_secs(seconds) / 3;
    crowd.ask(scene.shape(), ports, path, seconds, || {
        if scene.is_cut() {
            sleep(third);
            wires.iter().for_each(Relay::cut);
            sleep(third);
            wires.iter().for_each(Relay::heal);
        }
    })
}
