//! Rules: one condition of four terms beside the `cel` crate on the same text, whole decisions with many rules with and without
//! the index, a list of a million networks, and the time a config of 10,000 rules takes to load.

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use ipnet::{IpNet, Ipv4Net};
use selvedge_conf::Config;
use selvedge_conf::expr::Counted;
use selvedge_filters::list::List;
use selvedge_filters::rule::{Context, Program, Reads, Value};
use selvedge_filters::{Filters, Head, Indexing, Tables, Verdict};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

use crate::figures::{Figures, median, rounded};
use crate::heap;

/// Where the benches' time starts.
const START: Time = Time(1_800_000_000_000);

/// A browser, as long as they are.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

/// The four networks of every rule's third term.
const NETWORKS: [&str; 4] = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/8"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Times each measurement is taken; the median is told.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Networks in the large list.
    #[arg(long, default_value_t = 1_000_000)]
    networks: usize,
}

/// A request, owned.
struct Request {
    path: &'static str,
    client: IpAddr,
    headers: HeaderMap,
}

impl Request {
    fn new(path: &'static str, client: [u8; 4]) -> Request {
        let mut headers = HeaderMap::new();
        for (name, value) in [("accept", "*/*"), ("accept-encoding", "gzip, br"), ("user-agent", AGENT)] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Request { path, client: IpAddr::V4(Ipv4Addr::from(client)), headers }
    }

    fn head(&self) -> Head<'_> {
        Head::plain("POST", "www.example.com", self.path, &self.headers, self.client)
    }
}

/// A config of `count` rules. A hundredth of them (at least one) is for the path of the request that is measured; those come to
/// their third term, which fails.
fn config_text(count: usize) -> String {
    let mut text = String::from(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n",
    );
    let networks: Vec<String> = NETWORKS.iter().map(|network| format!("cidr(\"{network}\")")).collect();
    for rule in 0..count {
        let path = match rule % 100 {
            0 => "/login".to_owned(),
            _ => format!("/app-{rule}/"),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[[rule]]\nname = \"rule-{rule}\"\nwhen = 'request.method == \"POST\" && request.path.startsWith(\"{path}\") \
             && client.ip in [{}] && !request.headers[\"user-agent\"].contains(\"bot\")'\ndo = {{ deny = 403 }}\n",
            networks.join(", ")
        );
    }
    text
}

pub(crate) fn load(text: &str) -> Result<Config, String> {
    let read = |_: &Path| Ok(text.to_owned());
    selvedge_conf::load(Path::new("bench.toml"), &read, &|_| Ok(Vec::new()), &|_| None)
        .map_err(|report| report.render(false))
}

pub(crate) fn store() -> Store {
    Store::new(StoreConfig {
        me: Actor { pop: PopId(0), node: 0 },
        incarnation: Incarnation(1),
        cluster: "bench".to_owned(),
        secret: [7; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 1024,
        bans_max: 1024,
        roster: 1,
    })
}

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let rounds = usize::from(args.rounds);
    let mut figures = Figures::default();
    one(&mut figures, rounds)?;
    let mut allocs = 0;
    for count in [100, 1000, 10_000] {
        let text = config_text(count);
        let config = load(&text)?;
        let passes = Request::new("/login", [172, 16, 0, 1]);
        for (name, indexing) in [("", Indexing::On), ("_unindexed", Indexing::Off)] {
            let store = store();
            let filters =
                Filters::with(indexing, &config, Tables::default(), &store).map_err(|error| error.to_string())?;
            let decide = || filters.decide(&passes.head(), &store, START);
            if !matches!(decide().verdict, Verdict::Pass(_)) {
                return Err("a request that must pass did not".to_owned());
            }
            figures.add(&format!("rules_{count}{name}_ns"), rounded(nanos(rounds, decide)));
            if name.is_empty() {
                allocs += heap::asked(|| drop(black_box(decide()))).bytes;
            }
        }
    }
    figures.add("allocs", allocs);
    loading(&mut figures, rounds)?;
    networks(&mut figures, rounds, args.networks);
    Ok(figures)
}

/// One rule that holds, all four terms evaluated: its condition with the context made anew each time, beside the `cel` crate on
/// the same condition with its context ready; and what the rule adds to a whole decision, the answer included.
fn one(figures: &mut Figures, rounds: usize) -> Result<(), String> {
    let request = Request::new("/login", [203, 0, 113, 9]);
    let store = store();
    let config = load(&config_text(1))?;
    let when = config.rules.first().and_then(|rule| rule.when.as_ref()).ok_or("the rule has no condition")?;
    let (program, tables) = (Program::compile(when), Tables::default());
    let holds = || program.holds(&Context::new(request.head(), None, &tables, &Stateless, &store, START));
    if !holds() {
        return Err("the condition that must hold did not".to_owned());
    }
    figures.add("rules_1_ns", rounded(nanos(rounds, holds)));
    figures.add("cel_1_ns", rounded(oracle(rounds, &request)?));
    let with = Filters::new(&config, Tables::default(), &store).map_err(|error| error.to_string())?;
    let without =
        Filters::new(&load(&config_text(0))?, Tables::default(), &store).map_err(|error| error.to_string())?;
    if !matches!(with.decide(&request.head(), &store, START).verdict, Verdict::Denied { .. }) {
        return Err("the rule that must hold did not".to_owned());
    }
    figures.add("decide_no_rule_ns", rounded(nanos(rounds, || without.decide(&request.head(), &store, START))));
    figures.add("decide_1_denies_ns", rounded(nanos(rounds, || with.decide(&request.head(), &store, START))));
    Ok(())
}

/// Conditions of benches read no state.
#[derive(Debug)]
struct Stateless;

impl Reads for Stateless {
    fn count(&self, _: Counted, _: Option<&[Value<'_>]>, _: Duration, _: &Context<'_>) -> u64 {
        0
    }

    fn uniques(&self, _: usize, _: Option<&[Value<'_>]>, _: Duration, _: &Context<'_>) -> u64 {
        0
    }

    fn exceeded(&self, _: usize, _: &Context<'_>) -> bool {
        false
    }

    fn banned(&self, _: IpNet, _: &Context<'_>) -> bool {
        false
    }

    fn listed(&self, _: usize, _: &str, _: &Context<'_>) -> Option<bool> {
        None
    }

    fn has_listed(&self, _: usize, _: &Context<'_>) -> bool {
        false
    }
}

fn oracle(rounds: usize, request: &Request) -> Result<f64, String> {
    let networks: Vec<IpNet> = NETWORKS.iter().filter_map(|network| network.parse().ok()).collect();
    let env = Arc::new(cel::Env::stdlib());
    let text = "method == \"POST\" && path.startsWith(\"/login\") && within(ip) && !agent.contains(\"bot\")";
    let program = env.compile(text).map_err(|error| format!("cel: {error}"))?;
    let mut context = cel::Context::with_env(env);
    let client = request.client;
    let within = move |_: Arc<String>| networks.iter().any(|network| network.contains(&client));
    context.add_function("within", within).map_err(|error| format!("cel: {error:?}"))?;
    for (name, value) in [("method", "POST"), ("path", request.path), ("ip", "203.0.113.9"), ("agent", AGENT)] {
        context.add_variable(name, value.to_owned()).map_err(|error| format!("cel: {error:?}"))?;
    }
    if program.execute(&context) != Ok(true.into()) {
        return Err("cel: the condition that must hold did not".to_owned());
    }
    Ok(nanos(rounds, || program.execute(&context)))
}

/// Text to a config of 10,000 rules, and that to filters.
fn loading(figures: &mut Figures, rounds: usize) -> Result<(), String> {
    let text = config_text(10_000);
    let mut millis = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let config = load(&text)?;
        let filters = Filters::new(&config, Tables::default(), &store()).map_err(|error| error.to_string())?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        drop(black_box(filters));
    }
    figures.add("load_10000_ms", rounded(median(millis).unwrap_or(0.0)));
    Ok(())
}

/// Random addresses, half of them within, asked of one large list.
fn networks(figures: &mut Figures, rounds: usize, count: usize) {
    let mut random = fastrand::Rng::with_seed(7);
    let lengths = [24, 24, 24, 24, 24, 24, 32, 22, 28, 20];
    let mut chosen: Vec<IpNet> = Vec::with_capacity(count);
    for _ in 0..count {
        let length = lengths.get(random.usize(..lengths.len())).copied().unwrap_or(24);
        if let Ok(network) = Ipv4Net::new(Ipv4Addr::from(random.u32(..)), length) {
            chosen.push(IpNet::V4(network.trunc()));
        }
    }
    let asked: Vec<IpAddr> = (0..65_536)
        .map(|turn| match chosen.get(random.usize(..chosen.len())) {
            Some(network) if turn % 2 == 0 => network.network(),
            _ => IpAddr::V4(Ipv4Addr::from(random.u32(..))),
        })
        .collect();
    let start = Instant::now();
    let list = List::addresses(chosen);
    figures.add("cidr_1m_build_ms", rounded(start.elapsed().as_secs_f64() * 1e3));
    let mut turn = 0;
    let lookup = nanos(rounds, || {
        turn = (turn + 1) % asked.len();
        asked.get(turn).is_some_and(|address| list.has_address(*address))
    });
    figures.add("cidr_1m_ns", rounded(lookup));
    figures.add("cidr_1m_bytes", list.bytes());
}

/// Nanoseconds for one call: the median of rounds of about 20 ms each.
fn nanos<T>(rounds: usize, mut call: impl FnMut() -> T) -> f64 {
    let mut batch = |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            drop(black_box(call()));
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
    };
    let once = batch(1000).max(1.0);
    let calls = (20e6 / once).clamp(1000.0, 10e6) as u32;
    median((0..rounds.max(1)).map(|_| batch(calls)).collect()).unwrap_or(0.0)
}
