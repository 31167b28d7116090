//! Purges under load: three POPs as processes before an origin whose versions are known. Who asks after a receipt of his POP is never answered
//! with what is older. `SELVEDGE_PURGES` says how many purges there are; the model of this is `filters/tests/sim`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Method;
use selvedge::admin::report::Purged;
use selvedge::admin::send;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cluster::{plan_kept, start};
use crate::support::edge::Folder;
use crate::support::origin::Request;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, ok};

const POPS: [&str; 3] = ["one", "three", "two"];

/// Things that are asked for, and tags among them.
const THINGS: usize = 12;
const TAGS: usize = 3;

/// Clients, of which each asks one POP after the other.
const CLIENTS: usize = 6;

/// The origin's versions, and what each POP is bound by.
struct World {
    versions: Vec<AtomicU64>,
    /// Of each POP and thing: the version of the last hard and of the last soft purge with a receipt of that POP.
    floors: Vec<Vec<[AtomicU64; 2]>>,
    addresses: Mutex<Vec<SocketAddr>>,
    is_over: AtomicBool,
    answers: AtomicUsize,
    hits: AtomicUsize,
    validated: AtomicUsize,
}

impl World {
    fn new() -> World {
        World {
            versions: (0..THINGS).map(|_| AtomicU64::new(1)).collect(),
            floors: POPS.iter().map(|_| (0..THINGS).map(|_| Default::default()).collect()).collect(),
            addresses: Mutex::default(),
            is_over: AtomicBool::new(false),
            answers: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
            validated: AtomicUsize::new(0),
        }
    }

    /// What the origin says: the version is in the body; a 304, which every other version may cause, brings it in a field.
    fn reply(&self, request: &Request) -> Vec<u8> {
        let thing: usize = request.path().trim_start_matches('/').parse().expect("a thing");
        let version = self.versions[thing].load(Ordering::SeqCst);
        let tag = format!("\"{}\"", version / 2);
        let fields = format!(
            "Cache-Control: max-age=2\r\nETag: {tag}\r\nX-Version: {version}\r\nSurrogate-Key: t{}\r\n",
            thing % TAGS
        );
        if request.header("if-none-match") == Some(&tag) {
            self.validated.fetch_add(1, Ordering::SeqCst);
            return format!("HTTP/1.1 304 Not Modified\r\n{fields}Connection: close\r\n\r\n").into_bytes();
        }
        ok(&fields, version.to_string().as_bytes())
    }

    /// Asks one POP for one thing. A connection that breaks off is no answer.
    async fn ask(&self, pop: usize, thing: usize) {
        let address = self.addresses.lock().expect("no panic")[pop];
        // Read before the request begins.
        let [hard, soft] = [0, 1].map(|reach| self.floors[pop][thing][reach].load(Ordering::SeqCst));
        let said = format!("GET /{thing} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let Ok(mut stream) = TcpStream::connect(address).await else { return tokio::task::yield_now().await };
        let mut bytes = Vec::new();
        let spoken = async {
            stream.write_all(said.as_bytes()).await?;
            stream.read_to_end(&mut bytes).await
        };
        let Some(answer) = spoken.await.ok().and_then(|_| Answer::parse(&bytes)) else { return };
        if answer.status != 200 || answer.header("content-length").parse() != Ok(answer.body.len()) {
            return;
        }
        let body: u64 = answer.text().parse().expect("a version");
        let vouched: u64 = answer.header("x-version").parse().expect("a version");
        let name = POPS[pop];
        assert!(body >= hard, "{name}: {thing} is {body}, and {hard} was purged: {}", answer.header("cache-status"));
        assert!(vouched >= soft, "{name}: {thing} is {vouched}, and {soft} was purged softly");
        self.answers.fetch_add(1, Ordering::SeqCst);
        self.hits.fetch_add(answer.header("cache-status").contains("; hit").into(), Ordering::SeqCst);
    }

    /// New versions, then a purge of what was before, and its receipts. POPs that give none are bound by nothing.
    async fn purge(&self, socket: &std::path::Path, random: &mut fastrand::Rng) -> usize {
        let (nth, is_tag, is_soft) = (random.usize(..THINGS), random.u8(..4) == 0, random.bool());
        let things: Vec<usize> =
            (0..THINGS).filter(|thing| if is_tag { thing % TAGS == nth % TAGS } else { *thing == nth }).collect();
        let versions: Vec<u64> =
            things.iter().map(|thing| self.versions[*thing].fetch_add(1, Ordering::SeqCst) + 1).collect();
        let what = match is_tag {
            true => json!({"tag": format!("t{}", nth % TAGS)}),
            false => json!({"url": format!("http://test/{nth}")}),
        };
        let question = json!({"purges": [what], "soft": is_soft, "wait_ms": 2_000});
        let purged: Purged = send(socket, Method::POST, "/v1/purge", &question).await.expect("a purge");
        for receipt in &purged.receipts {
            let pop = POPS.iter().position(|name| *name == receipt.pop).expect("a POP");
            for (thing, version) in things.iter().zip(&versions) {
                self.floors[pop][*thing][usize::from(is_soft)].fetch_max(*version, Ordering::SeqCst);
            }
        }
        purged.receipts.len()
    }
}

async fn all_heard(edges: &[&Edge]) {
    for edge in edges {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            3 => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    }
}

/// Purges through two POPs, in turns, while clients ask all three; says how many receipts there were.
async fn purge_under_load(
    world: &Arc<World>,
    sockets: [PathBuf; 2],
    purges: usize,
    random: &mut fastrand::Rng,
) -> usize {
    let (done, receipts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut purgers = JoinSet::new();
    for socket in sockets {
        let (world, mut random) = (Arc::clone(world), random.fork());
        let (done, receipts) = (Arc::clone(&done), Arc::clone(&receipts));
        purgers.spawn(async move {
            while done.fetch_add(1, Ordering::SeqCst) < purges {
                receipts.fetch_add(world.purge(&socket, &mut random).await, Ordering::SeqCst);
            }
        });
    }
    while let Some(ended) = purgers.join_next().await {
        ended.expect("purged");
    }
    receipts.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_a_purge_is_answered_after_its_receipt() {
    let purges: usize = std::env::var("SELVEDGE_PURGES").ok().and_then(|purges| purges.parse().ok()).unwrap_or(120);
    let seed = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SELVEDGE_SEED={seed} SELVEDGE_PURGES={purges}");
    let (mut random, world) = (fastrand::Rng::with_seed(seed), Arc::new(World::new()));
    let says = Arc::clone(&world);
    let origin = Origin::start(move |request| {
        let says = Arc::clone(&says);
        async move {
            for _ in 0..fastrand::u8(..20) {
                tokio::task::yield_now().await;
            }
            says.reply(&request)
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    plan_kept(folder.path(), &origin.url(), &POPS, (Some("state"), ""));
    for name in POPS {
        // Each has a disk, and what the third one has stored there is judged when it is back.
        let path = folder.path().join(name).join("selvedge.toml");
        let config = std::fs::read_to_string(&path).expect("a config");
        let with_disk = "disk = { path = \"cache\", size = \"16MiB\" }\nstate ";
        std::fs::write(&path, config.replacen("state ", with_disk, 1)).expect("a folder");
    }
    let [one, three, two] = [0, 1, 2].map(|pop| start(folder.path(), POPS[pop]));
    let (one, three, two) = tokio::join!(one, three, two);
    all_heard(&[&one, &two, &three]).await;
    *world.addresses.lock().expect("no panic") = [&one, &three, &two].map(Edge::address).to_vec();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (world, mut random) = (Arc::clone(&world), random.fork());
        clients.spawn(async move {
            while !world.is_over.load(Ordering::SeqCst) {
                world.ask(random.usize(..POPS.len()), random.usize(..THINGS)).await;
            }
        });
    }
    let sockets = || [one.socket(), two.socket()];
    let part = purges / 3;
    let receipts = purge_under_load(&world, sockets(), part, &mut random).await;
    assert_eq!(receipts, part * POPS.len(), "all give theirs");
    // What the third one has stored, and has given receipts for, outlives it; purges that it misses bind it when it gives the next receipt.
    let folder_of_three = three.kill().await;
    assert_eq!(purge_under_load(&world, sockets(), 2, &mut random).await, 4);
    let Folder::Shared(path) = folder_of_three else { panic!("a cluster's") };
    let three = Edge::start(Folder::Shared(path)).await;
    world.addresses.lock().expect("no panic")[1] = three.address();
    all_heard(&[&one, &two, &three]).await;
    purge_under_load(&world, sockets(), purges - part, &mut random).await;
    world.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.expect("nothing older");
    }
    let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    println!("{} answers, {} hits, {} validated", of(&world.answers), of(&world.hits), of(&world.validated));
    assert!(of(&world.answers) > purges && of(&world.hits) > of(&world.answers) / 10, "a cache that stores something");
}
