//! Retried requests at three POPs of which one or another is killed, cut off, or taken over from: the origin runs none twice. `SELVEDGE_RETRIES` says how many requests there are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cluster::start;
use crate::idempotency::post;
use crate::idempotency_pops::{Pops, all_heard};
use crate::support::origin::Request;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, ok};

const POPS: [&str; 3] = ["one", "two", "three"];

/// Clients, of which each retries at one POP after the other.
const CLIENTS: usize = 12;

/// How often one request is sent at most.
const TRIES: usize = 12;

/// The origin's book, and what clients heard.
#[derive(Default)]
struct World {
    /// By key, the numbers of its executions.
    executions: Mutex<HashMap<String, Vec<u64>>>,
    addresses: Mutex<Vec<Option<SocketAddr>>>,
    is_over: AtomicBool,
    requests: AtomicUsize,
    answers: AtomicUsize,
    repeats: AtomicUsize,
    in_doubt: AtomicUsize,
    away: AtomicUsize,
}

impl World {
    /// Executes: the answer says which execution it was.
    fn reply(&self, request: &Request) -> Vec<u8> {
        let key = request.header("idempotency-key").expect("a key").to_owned();
        let fence: u64 = request.header("selvedge-fence").expect("a number").parse().expect("a number");
        let mut executions = self.executions.lock().expect("no panic");
        let of = executions.entry(key.clone()).or_default();
        assert!(of.last().is_none_or(|last| *last < fence), "a number that is not greater");
        of.push(fence);
        ok("", format!("{key} {fence}").as_bytes())
    }

    /// Sends one request until it is answered, or will not be; what it was answered with is the same each time.
    async fn pay(&self, key: &str, random: &mut fastrand::Rng) {
        let mut answered: Option<String> = None;
        for _ in 0..TRIES {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Some(address) = self.addresses.lock().expect("no panic")[random.usize(..POPS.len())] else { continue };
            let Some(answer) = self.send(address, key, random.u8(..6) == 0).await else { continue };
            let detail = if answer.status == 200 { String::new() } else { answer.text() };
            match answer.status {
                200 => {
                    let text = answer.text();
                    assert!(text.starts_with(key), "{key}: another's answer {text}");
                    assert!(answered.as_ref().is_none_or(|before| *before == text), "{key}: {answered:?} and {text}");
                    self.answers.fetch_add(1, Ordering::SeqCst);
                    let is_repeat = answer.header("selvedge-idempotency") == "repeat";
                    self.repeats.fetch_add(is_repeat.into(), Ordering::SeqCst);
                    if answered.replace(text).is_some() {
                        return;
                    }
                }
                409 if detail.contains("not known") => {
                    assert_eq!(answered, None, "{key} was answered");
                    self.in_doubt.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                409 => {}
                503 => drop(self.away.fetch_add(1, Ordering::SeqCst)),
                502 | 504 => {}
                status => panic!("{status}: {detail}"),
            }
        }
    }

    /// One request; none where the connection breaks off. A client may leave as soon as it has asked.
    async fn send(&self, address: SocketAddr, key: &str, leaves: bool) -> Option<Answer> {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::task::yield_now().await;
            return None;
        };
        self.requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(post("/pay", key, "{\"amount\":1}", "").as_bytes()).await.ok()?;
        if leaves {
            return None;
        }
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        Answer::parse(&heard)
    }
}

/// Lets so many more requests be sent.
async fn after(world: &World, requests: usize) {
    let until = world.requests.load(Ordering::SeqCst) + requests;
    eventually(DEADLINE * 10, async || match world.requests.load(Ordering::SeqCst) {
        enough if enough >= until => Ok(()),
        few => Err(format!("{few} requests")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_run_twice_whoever_is_killed_or_cut_off() {
    let wanted: usize = std::env::var("SELVEDGE_RETRIES").ok().and_then(|wanted| wanted.parse().ok()).unwrap_or(1_500);
    let seed = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SELVEDGE_SEED={seed} SELVEDGE_RETRIES={wanted}");
    let (mut random, world, began) = (fastrand::Rng::with_seed(seed), Arc::new(World::default()), Instant::now());
    let says = Arc::clone(&world);
    let origin = Origin::start(move |request| {
        let says = Arc::clone(&says);
        async move {
            // Long enough for some to be killed meanwhile.
            for _ in 0..fastrand::u8(..100) {
                tokio::task::yield_now().await;
            }
            says.reply(&request)
        }
    })
    .await;
    let pops = Pops::write(&origin.url(), &POPS, "[[idempotency]]\nname = \"payments\"\nrequired = true\n");
    let [one, two, three] = POPS.map(|name| start(pops.path(), name));
    let (one, two, three) = tokio::join!(one, two, three);
    all_heard(&[&one, &two, &three]).await;
    let mut edges: Vec<Option<Edge>> = [one, two, three].into_iter().map(Some).collect();
    *world.addresses.lock().expect("no panic") = edges.iter().flatten().map(|edge| Some(edge.address())).collect();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (world, mut random) = (Arc::clone(&world), random.fork());
        clients.spawn(async move {
            let mut nth = 0_u64;
            while !world.is_over.load(Ordering::SeqCst) {
                nth += 1;
                let key = format!("{client}-{nth}");
                let mut other = random.fork();
                // Now and then two of them at once.
                match random.u8(..4) {
                    0 => drop(tokio::join!(world.pay(&key, &mut random), world.pay(&key, &mut other))),
                    _ => world.pay(&key, &mut random).await,
                }
            }
        });
    }
    let (mut kills, mut successions) = (0, 0);
    while world.requests.load(Ordering::SeqCst) < wanted {
        after(&world, random.usize(100..400)).await;
        let pop = random.usize(..POPS.len());
        match random.u8(..6) {
            0 => {
                // It hands over, while it is asked.
                let mut old = edges[pop].take().expect("an edge");
                edges[pop] = Some(old.successor().await);
                assert_eq!(old.ended().await, Some(0));
                successions += 1;
            }
            1 => {
                pops.relays[pop].cut();
                after(&world, random.usize(50..200)).await;
                pops.relays[pop].heal();
            }
            _ => {
                world.addresses.lock().expect("no panic")[pop] = None;
                let folder = edges[pop].take().expect("an edge").kill().await;
                kills += 1;
                after(&world, random.usize(0..100)).await;
                let edge = Edge::start(folder).await;
                world.addresses.lock().expect("no panic")[pop] = Some(edge.address());
                edges[pop] = Some(edge);
            }
        }
    }
    world.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client");
    }
    report(&world, (kills, successions), began);
}

fn report(world: &World, (kills, successions): (usize, usize), began: Instant) {
    let executions = world.executions.lock().expect("no panic");
    let double = executions.values().filter(|of| of.len() > 1).count();
    let load = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    println!(
        "requests={} keys={} answers={} repeats={} in_doubt={} away={} kills={kills} successions={successions} double_executions={double} seconds={:.0}",
        load(&world.requests),
        executions.len(),
        load(&world.answers),
        load(&world.repeats),
        load(&world.in_doubt),
        load(&world.away),
        began.elapsed().as_secs_f64(),
    );
    assert_eq!(double, 0, "{:?}", executions.iter().find(|(_, of)| of.len() > 1));
    assert!(load(&world.repeats) > 0 && load(&world.answers) > load(&world.repeats));
}
