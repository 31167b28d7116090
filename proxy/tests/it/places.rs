//! Places of `in_flight` limits: what becomes of those that are held when configs change, over POPs, and when operators say otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use selvedge::admin::report::Limit;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::overrides::{json, shown, two};
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get_from, ok};

/// So many at once of each client.
fn limit(name: &str, most: u32) -> String {
    format!("[[limit]]\nname = \"{name}\"\nkey = [\"client.net\"]\nin_flight = {most}\n")
}

/// An origin that answers one request, the oldest, for each permit.
async fn origin() -> (Origin, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_| {
        let permits = Arc::clone(&held);
        async move {
            permits.acquire().await.expect("it stands").forget();
            ok("Cache-Control: no-store\r\n", b"x")
        }
    })
    .await;
    (origin, permits)
}

/// Requests that are held at an origin, the oldest first.
struct Held {
    origin: Origin,
    permits: Arc<Semaphore>,
    all: VecDeque<JoinHandle<Answer>>,
}

impl Held {
    async fn none() -> Held {
        let (origin, permits) = origin().await;
        Held { origin, permits, all: VecDeque::new() }
    }

    /// One more request of a client is admitted, and held.
    async fn take(&mut self, edge: &Edge, client: u8) {
        let (to, before) = (edge.address(), self.origin.seen().len());
        let path = format!("/{before}");
        let asked = tokio::spawn(async move { get_from(client, to, &path).await });
        eventually(DEADLINE, async || {
            if self.origin.seen().len() > before || asked.is_finished() { Ok(()) } else { Err("no request".to_owned()) }
        })
        .await;
        if asked.is_finished() {
            panic!("it is not admitted: {:?}", asked.await);
        }
        self.all.push_back(asked);
    }

    /// The oldest is answered.
    async fn let_one_go(&mut self) {
        self.permits.add_permits(1);
        assert_eq!(self.all.pop_front().unwrap().await.unwrap().status, 200);
    }
}

async fn refuses(edge: &Edge, client: u8) {
    assert_eq!(get_from(client, edge.address(), "/refused").await.status, 429);
}

/// Waits until so many places of a client are taken.
async fn until(edge: &Edge, name: &str, client: u8, count: u64) {
    eventually(DEADLINE, async || {
        let path = format!("/v1/limits/{name}?key=127.0.0.{client}");
        let limit: Limit = selvedge::admin::get(&edge.socket(), &path).await.unwrap();
        match limit.top[0].count {
            found if found == count => Ok(()),
            found => Err(format!("{found} at once, not {count}")),
        }
    })
    .await;
}

#[tokio::test]
async fn held_places_count_for_another_number() {
    let mut held = Held::none().await;
    let edge = Edge::before(&held.origin.url(), &limit("open", 2)).await;
    held.take(&edge, 7).await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
    edge.edit("in_flight = 2", "in_flight = 3").await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
    edge.edit("in_flight = 3", "in_flight = 1").await;
    for left in [2, 1] {
        refuses(&edge, 7).await;
        held.let_one_go().await;
        until(&edge, "open", 7, left).await;
    }
    refuses(&edge, 7).await;
    held.let_one_go().await;
    until(&edge, "open", 7, 0).await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
    held.let_one_go().await;
    until(&edge, "open", 7, 0).await;
}

#[tokio::test]
async fn a_place_goes_back_to_a_limit_that_was_taken_out_meanwhile() {
    let mut held = Held::none().await;
    let edge = Edge::before(&held.origin.url(), &limit("open", 2)).await;
    held.take(&edge, 7).await;
    held.take(&edge, 7).await;
    edge.edit(&limit("open", 2), "").await;
    // Nobody counts this one.
    held.take(&edge, 7).await;
    held.let_one_go().await;
    edge.edit("[admin]", &format!("{}[admin]", limit("open", 2))).await;
    until(&edge, "open", 7, 1).await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
    // The one that was admitted with the limit, the one without, and the one with it again.
    held.let_one_go().await;
    until(&edge, "open", 7, 1).await;
    held.let_one_go().await;
    until(&edge, "open", 7, 1).await;
    held.let_one_go().await;
    until(&edge, "open", 7, 0).await;
    held.take(&edge, 7).await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
}

#[tokio::test]
async fn a_place_goes_back_to_the_name_by_which_it_was_taken() {
    let mut held = Held::none().await;
    let edge = Edge::before(&held.origin.url(), &limit("open", 2)).await;
    held.take(&edge, 7).await;
    held.take(&edge, 7).await;
    edge.edit("\"open\"", "\"other\"").await;
    until(&edge, "other", 7, 0).await;
    held.take(&edge, 7).await;
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
    // Those of the former name end.
    held.let_one_go().await;
    held.let_one_go().await;
    until(&edge, "other", 7, 2).await;
    refuses(&edge, 7).await;
    edge.edit("\"other\"", "\"open\"").await;
    until(&edge, "open", 7, 0).await;
    edge.edit("\"open\"", "\"other\"").await;
    held.let_one_go().await;
    held.let_one_go().await;
    until(&edge, "other", 7, 0).await;
}

#[tokio::test]
async fn two_pops_have_the_places_of_one_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut held = Held::none().await;
    let (fra, ams) = two(folder.path(), &held.origin, &limit("open", 2)).await;
    held.take(&fra, 7).await;
    held.take(&ams, 7).await;
    for edge in [&fra, &ams] {
        until(edge, "open", 7, 2).await;
        refuses(edge, 7).await;
    }
    let (_, text, _) = ams.command(&["limits", "show", "open", "127.0.0.7"]).await;
    assert!(text.contains("  127.0.0.7  2 (fra 1, ams 1)  level 2.0  REFUSED"), "{text}");
    // The one of fra ends, and ams has its place.
    held.let_one_go().await;
    until(&ams, "open", 7, 1).await;
    held.take(&ams, 7).await;
    until(&fra, "open", 7, 2).await;
    refuses(&fra, 7).await;
    held.let_one_go().await;
    held.let_one_go().await;
    for edge in [&fra, &ams] {
        until(edge, "open", 7, 0).await;
    }
}

#[tokio::test]
async fn some_clients_have_other_places() {
    let mut held = Held::none().await;
    let others = "overrides = [{ key = [\"127.0.0.7\"], in_flight = 1 }, { key = [\"127.0.0.8\"], in_flight = 3 }, \
                  { key = [\"127.0.0.9\"], unlimited = true }]\n";
    let edge = Edge::before(&held.origin.url(), &(limit("open", 2) + others)).await;
    for (client, most) in [(6, 2), (7, 1), (8, 3)] {
        for _ in 0..most {
            held.take(&edge, client).await;
        }
        refuses(&edge, client).await;
        until(&edge, "open", client, most).await;
    }
    for _ in 0..4 {
        held.take(&edge, 9).await;
    }
    until(&edge, "open", 9, 0).await;
    // At run time one may be without limit; those that it holds go on being counted.
    let (code, _, error) = edge.command(&["limits", "set", "open", "127.0.0.7", "--rate", "1/1m", "--for", "1h"]).await;
    assert!(
        code == 1 && error.contains("(2 in flight)") && error.contains("can have another number in flight"),
        "{error}"
    );
    json(&edge, &["limits", "set", "open", "127.0.0.7", "--unlimited", "--for", "1h"]).await;
    held.take(&edge, 7).await;
    until(&edge, "open", 7, 1).await;
    json(&edge, &["limits", "set", "open", "127.0.0.7", "--clear"]).await;
    refuses(&edge, 7).await;
    while !held.all.is_empty() {
        held.let_one_go().await;
    }
    for client in 6..=9 {
        until(&edge, "open", client, 0).await;
    }
    held.take(&edge, 7).await;
    refuses(&edge, 7).await;
}

/// What is held from before is counted no more, and takes nothing away from those that come after when it ends.
#[tokio::test]
async fn a_client_that_is_reset_has_its_places_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut held = Held::none().await;
    let (fra, ams) = two(folder.path(), &held.origin, &limit("open", 2)).await;
    held.take(&fra, 7).await;
    held.take(&fra, 7).await;
    until(&ams, "open", 7, 2).await;
    refuses(&ams, 7).await;
    json(&fra, &["limits", "reset", "open", "127.0.0.7"]).await;
    shown(&ams, &["limits", "show", "open"], |limit| limit["resets"][0]["key"][0] == "127.0.0.7").await;
    until(&ams, "open", 7, 0).await;
    held.take(&ams, 7).await;
    held.take(&ams, 7).await;
    until(&fra, "open", 7, 2).await;
    refuses(&fra, 7).await;
    held.let_one_go().await;
    held.let_one_go().await;
    for edge in [&fra, &ams] {
        until(edge, "open", 7, 2).await;
        refuses(edge, 7).await;
    }
    held.let_one_go().await;
    held.let_one_go().await;
    for edge in [&fra, &ams] {
        until(edge, "open", 7, 0).await;
    }
}
