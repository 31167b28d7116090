//! Clients that go to another of three live POPs with each request, while the links between those are cut, torn off, held up and healed: a checker
//! looks through all that they were told. `SELVEDGE_ROAMS` says how many requests there are; the model of this is `state/tests/sim/src/roam.rs`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use selvedge::cli::demo::relay::{Relay, Way};
use tokio::task::JoinSet;

use crate::cluster::{plan_of, start};
use crate::roam_checker::{Answer, Asked, CLICKS, Outage, Shown, check};
use crate::session::{SECRET, cookie_of, secret};
use crate::support::origin::Request;
use crate::support::{DEADLINE, Edge, Origin, eventually, get_with, metrics, ok};

const POPS: [&str; 3] = ["one", "three", "two"];

/// Clients, each with one request at a time.
const CLIENTS: usize = 12;

/// Revoked sessions whose cookies a client still has.
const DEAD_MAX: usize = 4;

/// A fetch may take long: it is the network that is tried here, not how fast this machine is.
const CONFIG: &str = r#"
[session.web]
keys = ["session.key"]
attributes = { a = "int", b = "int", c = "int" }
counters = ["clicks"]
fetch = "5s"

[[rule]]
name = "shown"
when = 'session.valid'
do = { set_request_headers = { x-shown = 'session.id + " " + string(session.fresh) + " " + string(session[?"a"].orValue(0)) + " " + string(session[?"b"].orValue(0)) + " " + string(session[?"c"].orValue(0)) + " " + string(session.count("clicks"))' } }

[[rule]]
name = "start"
when = 'request.path == "/start"'
do = { session = { start = true } }

[[rule]]
name = "a"
when = 'request.path == "/a"'
do = { session = { set = { a = 'int(request.query["v"])' } } }

[[rule]]
name = "b"
when = 'request.path == "/b"'
do = { session = { set = { b = 'int(request.query["v"])' } } }

[[rule]]
name = "c"
phase = "response"
when = 'request.path == "/c"'
do = { session = { set = { c = 'int(request.query["v"])' } } }

[[rule]]
name = "count"
when = 'request.path == "/count"'
do = { session = { count = ["clicks"] } }

[[rule]]
name = "rotate"
when = 'request.path == "/rotate"'
do = { session = { rotate = true } }

[[rule]]
name = "revoke"
when = 'request.path == "/revoke"'
do = { session = { revoke = true } }
"#;

/// What happened, and when.
#[derive(Default)]
struct World {
    addresses: Vec<SocketAddr>,
    instants: AtomicU64,
    answered: AtomicUsize,
    is_over: AtomicBool,
    /// What each client was told, in order, and how long it took.
    histories: Mutex<Vec<Vec<(Answer, Duration)>>>,
    outages: Mutex<Vec<Outage>>,
}

impl World {
    fn instant(&self) -> u64 {
        self.instants.fetch_add(1, Ordering::SeqCst)
    }

    /// One request of a client at a POP: what the origin says that it was shown, and the cookie that came, empty where it was taken back.
    async fn ask(&self, pop: usize, asked: Asked, (path, cookie): (&str, Option<&str>)) -> (Answer, Option<String>) {
        let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: __Host-web={cookie}\r\n"));
        let begin = self.instant();
        let answer = get_with(self.addresses[pop], "test", path, &cookie).await;
        let end = self.instant();
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.answered.fetch_add(1, Ordering::SeqCst);
        let told = Answer { client: 0, pop, begin, end, asked, shown: shown(&answer.text()) };
        (told, cookie_of(&answer, "web"))
    }
}

/// What the origin says.
fn shown(text: &str) -> Option<Shown> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, fresh, items @ ..] = words.as_slice() else { return None };
    let items: Vec<u64> = items.iter().map(|item| item.parse().expect("a number")).collect();
    Some(Shown { id: (*id).to_owned(), is_fresh: *fresh == "true", items: items.try_into().expect("all of them") })
}

/// The origin says what it was told, and changes the session where its query says so.
fn reply(request: &Request) -> Vec<u8> {
    let said = request.path().split_once('?').and_then(|(_, query)| query.strip_prefix("say-")?.split_once('='));
    let said = said
        .map_or(String::new(), |(what, value)| format!("Selvedge-Session-{what}: {}\r\n", value.replace("%3D", "=")));
    ok(&format!("Cache-Control: no-store\r\n{said}"), request.header("x-shown").unwrap_or("").as_bytes())
}

/// A client, and what it has.
struct Client {
    pop: usize,
    cookie: Option<String>,
    /// How many sessions it had.
    session: u32,
    last: u64,
    dead: Vec<(u32, String)>,
    random: fastrand::Rng,
}

impl Client {
    fn new(random: fastrand::Rng) -> Client {
        Client { pop: 0, cookie: None, session: 0, last: 0, dead: Vec::new(), random }
    }

    fn choose(&mut self) -> Asked {
        if self.cookie.is_none() {
            return Asked::Start;
        }
        match self.random.u8(..100) {
            0..40 => Asked::Read,
            40..70 => {
                self.last += 1;
                Asked::Set(self.random.usize(..CLICKS), self.last)
            }
            70..85 => Asked::Count,
            85..88 => Asked::Rotate,
            88..90 => Asked::Revoke,
            _ => match self.dead.len() {
                0 => Asked::Read,
                dead => Asked::Replay(self.dead[self.random.usize(..dead)].0),
            },
        }
    }

    /// Has it done by a rule, or by the origin.
    fn path(&mut self, asked: Asked) -> String {
        let by_rule = self.random.bool();
        let name = |item: usize| ["a", "b", "c"][item];
        match asked {
            Asked::Start if by_rule => "/start".to_owned(),
            Asked::Start => "/?say-Start=true".to_owned(),
            Asked::Read | Asked::Replay(_) => "/".to_owned(),
            Asked::Set(item, value) if by_rule => format!("/{}?v={value}", name(item)),
            Asked::Set(item, value) => format!("/?say-Set={}%3D{value}", name(item)),
            Asked::Count if by_rule => "/count".to_owned(),
            Asked::Count => "/?say-Count=clicks".to_owned(),
            Asked::Rotate if by_rule => "/rotate".to_owned(),
            Asked::Rotate => "/?say-Rotate=true".to_owned(),
            Asked::Revoke if by_rule => "/revoke".to_owned(),
            Asked::Revoke => "/?say-Revoke=true".to_owned(),
        }
    }

    /// One request, at another POP than the last one.
    async fn step(&mut self, world: &World) -> (Answer, Duration) {
        self.pop = (self.pop + self.random.usize(1..POPS.len())) % POPS.len();
        let asked = self.choose();
        let path = self.path(asked);
        let cookie = match asked {
            Asked::Replay(session) => {
                self.dead.iter().find(|(dead, _)| *dead == session).map(|(_, cookie)| cookie.clone())
            }
            _ => self.cookie.clone(),
        };
        let began = Instant::now();
        let (answer, given) = world.ask(self.pop, asked, (&path, cookie.as_deref())).await;
        let took = began.elapsed();
        match asked {
            Asked::Replay(_) => return (answer, took),
            Asked::Start => self.session += 1,
            Asked::Rotate | Asked::Revoke => {
                assert!(given.is_some(), "another cookie, or none: {answer:?}");
                self.dead.extend(cookie.map(|cookie| (self.session, cookie)));
                let many = self.dead.len().saturating_sub(DEAD_MAX);
                self.dead.drain(..many);
                self.session += u32::from(asked == Asked::Rotate);
            }
            Asked::Read | Asked::Set(..) | Asked::Count => {}
        }
        if let Some(given) = given {
            self.cookie = Some(given).filter(|cookie| !cookie.is_empty());
        }
        (answer, took)
    }
}

/// Three POPs, and the wires from each to each.
struct Cluster {
    edges: Vec<Edge>,
    /// By who dials, and whom.
    wires: Vec<Vec<Option<Relay>>>,
}

impl Cluster {
    /// Starts it in a folder. Each way has a delay of its own.
    async fn start(folder: &Path, origin: &Origin, random: &mut fastrand::Rng) -> Cluster {
        let plan = plan_of(folder, &origin.url(), &POPS, CONFIG);
        let mut wires = Vec::new();
        for (near, name) in POPS.iter().enumerate() {
            secret(&folder.join(name), "session.key", SECRET);
            let roster = folder.join(name).join("roster.toml");
            let mut text = std::fs::read_to_string(&roster).expect("a roster");
            let mut row = Vec::new();
            for (far, other) in plan.pops.iter().enumerate() {
                if near == far {
                    row.push(None);
                    continue;
                }
                let delay = Duration::from_millis(random.u64(1..20));
                let wire =
                    Relay::start("127.0.0.1:0".parse().expect("an address"), other.listen, delay).expect("a wire");
                text = text.replace(&format!("\"{}\"", other.listen), &format!("\"{}\"", wire.address()));
                row.push(Some(wire));
            }
            std::fs::write(&roster, text).expect("a roster");
            wires.push(row);
        }
        let [one, three, two] = POPS.map(|name| start(folder, name));
        let (one, three, two) = tokio::join!(one, three, two);
        let cluster = Cluster { edges: vec![one, three, two], wires };
        cluster.all_hear([3; POPS.len()]).await;
        cluster
    }

    /// Waits until each hears so many POPs.
    async fn all_hear(&self, pops: [u16; POPS.len()]) {
        for (edge, pops) in self.edges.iter().zip(pops) {
            eventually(DEADLINE, async || match edge.status().await.cluster.expect("a cluster").heard {
                heard if heard == pops => Ok(()),
                heard => Err(format!("{heard} heard")),
            })
            .await;
        }
    }

    /// Does something to the wires between two POPs, whoever dialled: `There` is from the first one.
    fn wires(&self, [near, far]: [usize; 2], with: impl Fn(&Relay, Way)) {
        for (dialler, dialled, way) in [(near, far, Way::There), (far, near, Way::Back)] {
            self.wires[dialler][dialled].iter().for_each(|wire| with(wire, way));
        }
    }

    /// Something goes wrong between POPs, and is mended while clients go on.
    async fn fault(&self, world: &World, random: &mut fastrand::Rng) {
        let pop = random.usize(..POPS.len());
        let [next, other] = [1, 2].map(|on| (pop + on) % POPS.len());
        let between: &[[usize; 2]] = if random.u8(..3) == 0 { &[[pop, next], [pop, other]] } else { &[[pop, next]] };
        let from = world.instant();
        let began = world.outages.lock().expect("no panic").len();
        let outages = between.iter().map(|between| Outage { between: *between, from, to: u64::MAX });
        world.outages.lock().expect("no panic").extend(outages);
        match random.u8(..8) {
            // What one of them says is held up.
            0 => {
                between.iter().for_each(|between| self.wires(*between, Relay::hold));
                after(world, random.usize(5..20)).await;
            }
            kind => {
                between.iter().for_each(|between| self.wires(*between, |wire, _| wire.cut()));
                let mut heard = [3; POPS.len()];
                between.iter().flatten().for_each(|pop| heard[*pop] -= 1);
                self.all_hear(heard).await;
                // Torn off, or gone for a while.
                after(world, if kind < 3 { 0 } else { random.usize(50..300) }).await;
            }
        }
        between.iter().for_each(|between| self.wires(*between, |wire, _| wire.heal()));
        self.all_hear([3; POPS.len()]).await;
        let to = world.instant();
        world.outages.lock().expect("no panic")[began..].iter_mut().for_each(|outage| outage.to = to);
    }

    /// How many requests' waits came to this.
    async fn waits(&self, outcome: &str) -> u64 {
        let line = format!("selvedge_session_waits_total{{outcome=\"{outcome}\"}} ");
        let mut sum = 0;
        for edge in &self.edges {
            let text = metrics(edge).await;
            sum += text.lines().find_map(|known| known.strip_prefix(&line)?.parse::<u64>().ok()).unwrap_or(0);
        }
        sum
    }
}

/// Lets so many more requests be answered.
async fn after(world: &World, requests: usize) {
    let until = world.answered.load(Ordering::SeqCst) + requests;
    eventually(DEADLINE * 10, async || match world.answered.load(Ordering::SeqCst) {
        enough if enough >= until => Ok(()),
        few => Err(format!("{few} answers")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_roams_is_never_told_less_than_before_by_what_is_called_fresh() {
    let wanted: usize = std::env::var("SELVEDGE_ROAMS").ok().and_then(|wanted| wanted.parse().ok()).unwrap_or(3_000);
    let seed = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SELVEDGE_SEED={seed} SELVEDGE_ROAMS={wanted}");
    let (mut random, folder, began) =
        (fastrand::Rng::with_seed(seed), tempfile::tempdir().expect("a folder"), Instant::now());
    let origin = Origin::start(|request| async move { reply(&request) }).await;
    let cluster = Cluster::start(folder.path(), &origin, &mut random).await;
    let world = World { addresses: cluster.edges.iter().map(Edge::address).collect(), ..World::default() };
    let world = Arc::new(world);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (world, mut client) = (Arc::clone(&world), Client::new(random.fork()));
        clients.spawn(async move {
            let mut history = Vec::new();
            while !world.is_over.load(Ordering::SeqCst) {
                history.push(client.step(&world).await);
            }
            world.histories.lock().expect("no panic").push(history);
            client
        });
    }
    let mut faults = 0;
    while world.answered.load(Ordering::SeqCst) < wanted {
        after(&world, random.usize(200..800)).await;
        cluster.fault(&world, &mut random).await;
        faults += 1;
    }
    world.is_over.store(true, Ordering::SeqCst);
    let mut dead = Vec::new();
    while let Some(client) = clients.join_next().await {
        dead.extend(client.expect("a client").dead);
    }
    // Where all are heard, what is revoked is so everywhere in the end.
    for (pop, (session, cookie)) in (0..POPS.len()).flat_map(|pop| dead.iter().map(move |dead| (pop, dead))) {
        eventually(DEADLINE, async || {
            let (answer, _) = world.ask(pop, Asked::Replay(*session), ("/", Some(cookie))).await;
            answer.shown.map_or(Ok(()), |shown| Err(format!("{shown:?} is valid at {}", POPS[pop])))
        })
        .await;
    }
    report(&world, &cluster, faults, began).await;
}

async fn report(world: &World, cluster: &Cluster, faults: usize, began: Instant) {
    let histories = std::mem::take(&mut *world.histories.lock().expect("no panic"));
    let (mut history, mut took) = (Vec::new(), Vec::new());
    for (client, told) in histories.into_iter().enumerate() {
        for (answer, time) in told {
            history.push(Answer { client, ..answer });
            took.push(time);
        }
    }
    took.sort_unstable();
    let outages = world.outages.lock().expect("no panic").clone();
    let violations = check(&history, &outages);
    let shown = || history.iter().filter_map(|answer| answer.shown.as_ref());
    let fresh = shown().filter(|shown| shown.is_fresh).count();
    let [p50, p99] = [50, 99].map(|part| took[took.len() * part / 100].as_secs_f64() * 1e3);
    let waits = [
        cluster.waits("arrived").await,
        cluster.waits("fetched").await,
        cluster.waits("behind").await,
        cluster.waits("unheard").await,
    ];
    let [arrived, fetched, behind, unheard] = waits;
    println!(
        "roams={} faults={faults} fresh={fresh} not_fresh={} arrived={arrived} fetched={fetched} behind={behind} unheard={unheard} p50_ms={p50:.1} p99_ms={p99:.1} ryw_violations={} seconds={:.0}",
        history.len(),
        shown().count() - fresh,
        violations.len(),
        began.elapsed().as_secs_f64(),
    );
    let first = violations.first().map(|first| {
        let of = |answer: &&Answer| answer.client == first.answer.client && answer.begin <= first.answer.begin;
        (first, history.iter().filter(of).rev().take(8).collect::<Vec<_>>())
    });
    assert!(first.is_none(), "{first:#?}, {outages:?}");
    assert!(fresh > history.len() / 4 && arrived > 0 && fetched > 0, "they roam, and are told something");
}
