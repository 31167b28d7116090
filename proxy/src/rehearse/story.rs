//! One story: an empty store, the state that is given, and requests one after the other while a clock is moved on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use selvedge_conf::{Config, Given, Place, Reply as Answer, Step, Test, TestRequest};
use selvedge_filters::session::{Orders, said as said_by};
use selvedge_filters::{Decision, SiteId, Subject, Tables, Verdict, client_net};
use selvedge_state::Time;

use super::carried::Carried;
use super::coverage::Coverage;
use super::expected::{Came, differences};
use super::explain::{Teller, asks_cache};
use super::reply::{Response, fields};
use super::stage::Stage;
use crate::admin::report::explanation as report;
use crate::edge::{MadeUp, NoRequest, Words};

/// What became of a story.
#[derive(Debug)]
pub struct Outcome {
    /// Why it failed, if it did: it ends with the first failure.
    pub failure: Option<Failure>,
    /// What it reached.
    pub coverage: Coverage,
}

/// What did not come as expected.
#[derive(Debug)]
pub struct Failure {
    /// The step, or the test as a whole.
    pub place: Place,
    /// Which of the step's requests, from 1, when there are several.
    pub nth: Option<u32>,
    /// Each difference in a line.
    pub differences: Vec<String>,
    /// Why it came as it did, on the state that the request found.
    pub explanation: Option<Box<report::Explanation>>,
}

/// Runs a story of a config.
pub fn run(config: &Config, tables: &Tables, test: &Test) -> Outcome {
    let mut coverage = Coverage::default();
    let failure = play(config, tables, test, &mut coverage).err();
    Outcome { failure, coverage }
}

/// How much of the cluster is heard, from the start to the end.
#[derive(Clone, Copy)]
struct Hearing {
    heard: u16,
    lag_ms: u64,
}

fn play(config: &Config, tables: &Tables, test: &Test, coverage: &mut Coverage) -> Result<(), Failure> {
    let broken =
        |why: String| Failure { place: test.place.clone(), nth: None, differences: vec![why], explanation: None };
    let peers = test.given.iter().rev().find_map(|given| match given {
        Given::Peers(heard, of, lag) => Some((*of, Hearing { heard: *heard, lag_ms: millis(*lag) })),
        _ => None,
    });
    let roster = peers.map_or(1, |(of, _)| of);
    let stage = Stage::new(config, tables.clone(), roster).map_err(broken)?;
    let mut now = Time(u64::try_from(test.at.as_millisecond()).unwrap_or(0));
    for given in &test.given {
        stage.filters.give(given, &stage.store, now).map_err(broken)?;
    }
    let mut carried = Carried::default();
    for step in &test.steps {
        now = now.plus(millis(step.after));
        if let Some((_, hearing)) = peers {
            stage.hear(hearing.heard, hearing.lag_ms, now);
        }
        for nth in 1..=step.times {
            let nth = (step.times > 1).then_some(nth);
            take((config, &stage), step, (&mut carried, coverage), now)
                .map_err(|failure| Failure { nth, ..failure })?;
        }
    }
    Ok(())
}

/// Sends the step's request once.
fn take(
    (config, stage): (&Config, &Stage),
    step: &Step,
    (carried, coverage): (&mut Carried, &mut Coverage),
    now: Time,
) -> Result<(), Failure> {
    let failed = |differences, explanation| Failure { place: step.place.clone(), nth: None, differences, explanation };
    let Stage { filters, store } = stage;
    let TestRequest { method, url, headers, body, client_ip, peer_ip, .. } = &step.request;
    let words = Words { method, url, headers, body, client: *client_ip };
    let made_up = match MadeUp::new(&words, config) {
        Ok(made_up) => come(made_up, stage, (&step.request, carried), now),
        Err(NoRequest::Refused { status, .. }) => {
            let came = Came { status: Some(status), ..Came::default() };
            return match differences(config, &step.expect, &came) {
                none if none.is_empty() => Ok(()),
                differences => Err(failed(differences, None)),
            };
        }
        Err(unsendable) => return Err(failed(vec![unsendable.to_string()], None)),
    };
    let head = made_up.head();
    // First why, on the state that the request finds; then the deed.
    let given = || Some((step.response.status, fields(&step.response.headers)));
    let peer = peer_ip.unwrap_or(*client_ip).to_canonical();
    let asked = filters.explain(config, (&head, peer), None, store, now);
    let cached = asks_cache(filters, &made_up, &asked.decision).is_ok();
    let response = Response::to(filters, &asked.decision, given(), cached);
    let found = match &response {
        Some(response) => filters.explain(config, (&head, peer), Some(&response.head()), store, now),
        None => asked,
    };
    coverage.note(config, &found);
    let (came, orders) = send(config, stage, (&made_up, peer), given(), now);
    if let Some((shape, _)) = filters.site(head.host).and_then(|site| filters.session(site)) {
        carried.follow((*client_ip, shape), made_up.session().cloned(), &orders, (store, now));
    }
    let differences = differences(config, &step.expect, &came);
    if differences.is_empty() {
        return Ok(());
    }
    let ask = report::Ask {
        method: method.clone(),
        url: url.clone(),
        headers: headers.clone(),
        body: body.clone(),
        client_ip: *client_ip,
        peer_ip: *peer_ip,
        status: Some(step.response.status),
    };
    let status = response.map(|response| response.status);
    let explanation =
        Teller { config, filters, found: &found, made_up: &made_up, session: None }.tell(&ask, status, now);
    Err(failed(differences, Some(Box::new(explanation))))
}

/// A request with the pass and the session that it comes with.
fn come(
    made_up: MadeUp,
    Stage { filters, store }: &Stage,
    (request, carried): (&TestRequest, &Carried),
    now: Time,
) -> MadeUp {
    let made_up = match request.challenge {
        Some(bits) => made_up.passing(bits, filters, now),
        None => made_up,
    };
    match &request.session {
        Some(held) => made_up.holding(held, filters, now),
        None => {
            let made_up = made_up.meeting(filters, store, now);
            let found = filters.site(made_up.head().host).and_then(|site| filters.session(site));
            let left = found.and_then(|(shape, _)| carried.of(request.client_ip, shape, (store, now)));
            made_up.resuming(left)
        }
    }
}

/// The request's way through the filters, as the edge goes it; and what was ordered of its session.
fn send(
    config: &Config,
    Stage { filters, store }: &Stage,
    (made_up, peer): (&MadeUp, IpAddr),
    origin: Option<(u16, http::HeaderMap)>,
    now: Time,
) -> (Came, Vec<Orders>) {
    let head = made_up.head();
    let banned = || store.banned(Subject::of(client_net(head.client)).as_str(), now).is_some();
    let connection = filters.connect(peer, store, now);
    if connection.closed_by.is_some() {
        let (rule, monitored) = (connection.closed_by, connection.monitored);
        return (Came { rule, monitored, banned: banned(), ..Came::default() }, Vec::new());
    }
    let mut decision = filters.decide(&head, store, now);
    let mut holds = std::mem::take(&mut decision.holds);
    let mut response = Response::to(filters, &decision, origin, asks_cache(filters, made_up, &decision).is_ok());
    let site = filters.site(head.host);
    let mut orders = vec![decision.changes.session.clone()];
    if let (Some(response), Some((shape, _))) = (&mut response, site.and_then(|site| filters.session(site))) {
        orders.extend(said_by(shape, &response.headers));
        response.drop_claims();
    }
    let said = response.as_ref().zip(site).and_then(|(response, site)| {
        filters.respond(&head, (site, &decision.tags, &mut holds), &response.head(), store, now)
    });
    // Its body is the empty one that stories have.
    filters.end(holds, 0, store, now);
    orders.extend(said.as_ref().map(|said| said.session.clone()));
    if let Some(response) = &mut response {
        response.change(said.iter().flat_map(|said| &said.headers));
    }
    let mut monitored = connection.monitored;
    monitored.extend(&decision.monitored);
    monitored.extend(said.iter().flat_map(|said| &said.monitored));
    let tags = decision.tags.iter().chain(said.iter().flat_map(|said| &said.tags));
    let mut came = Came {
        status: response.as_ref().map(|response| response.status),
        tags: tags.map(|tag: &Arc<str>| tag.to_string()).collect(),
        monitored,
        headers: response.map(|response| response.headers).unwrap_or_default(),
        banned: banned(),
        ..Came::default()
    };
    note(config, decision, head.path, &mut came);
    (came, orders)
}

/// Which rule or limit answered, or where the request went on to.
fn note(config: &Config, decision: Decision, path: &str, came: &mut Came) {
    match decision.verdict {
        Verdict::Pass(SiteId(site)) => {
            let allows = |rule: &selvedge_conf::Rule| rule.answer == Some(Answer::Allow);
            let last = decision.fired.last().copied();
            came.rule = last.filter(|rule| config.rules.get(rule.0).is_some_and(allows));
            came.path = Some(decision.changes.path.unwrap_or_else(|| path.to_owned()));
            came.origin = decision.changes.origin.or(config.sites.get(site).map(|site| site.origin));
        }
        Verdict::Denied { rule, .. } | Verdict::Challenged { rule, .. } => came.rule = Some(rule),
        Verdict::Redirected { rule, location, .. } => (came.rule, came.location) = (Some(rule), Some(location)),
        Verdict::Limited { quota, .. } => came.limit = Some(quota.limit),
        Verdict::Partitioned { limit, .. } | Verdict::Unkeyed { limit, .. } => came.limit = Some(limit),
        Verdict::Banned { .. } | Verdict::NoSite | Verdict::FormUnread { .. } | Verdict::FormTooLong { .. } => {}
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
