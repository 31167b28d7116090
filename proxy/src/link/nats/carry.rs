//! The two tasks of the fabric: one sends what waits and says that this node is there, the other hears.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Client, Message as Heard, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use selvedge_state::{FRAME_MAX, LinkId};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, sleep_until};

use super::super::board::lock;
use super::super::cause::Down;
use super::super::driver::{Message, Outbox};
use super::super::{Shared, Way};
use super::members::SILENCE_MAX;
use super::subject::{Kind, Party};
use super::{Fabric, HERE_EVERY, Letter, NatsConfig, connect};

/// Those who fell silent are looked for so often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Who starts without NATS is told so after a while.
const MISSED_AFTER: Duration = Duration::from_secs(3);

/// Runs the fabric until the driver has [left](Fabric::leave) it. What keeps it from beginning is on the board, and the node
/// is alone then.
pub(in super::super) async fn start(
    shared: Arc<Shared>,
    fabric: Arc<Fabric>,
    config: NatsConfig,
    letters: mpsc::Receiver<Letter>,
) {
    let begun = async {
        let client = connect(&shared, &fabric, &config).await.map_err(|error| error.to_string())?;
        let [all, one] = fabric.subjects.heard();
        let all = client.subscribe(all).await.map_err(|error| error.to_string())?;
        let one = client.subscribe(one).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((client, all, one))
    };
    let (client, all, one) = match begun.await {
        Ok(begun) => begun,
        Err(cause) => {
            fabric.troubled(cause.clone(), &shared.board);
            return shared.board.fabric(Some(cause));
        }
    };
    tokio::select! {
        () = send(&shared, &fabric, &client, letters) => {}
        () = hear(&shared, &fabric, all, one) => {}
    }
}

/// Sends letters while NATS is there. While it is not they are lost: what they say is old once it is back.
async fn send(shared: &Shared, fabric: &Fabric, client: &Client, mut letters: mpsc::Receiver<Letter>) {
    let mut connected = fabric.connected.subscribe();
    let mut here = Instant::now();
    let missed = sleep(MISSED_AFTER);
    tokio::pin!(missed);
    let mut is_early = true;
    loop {
        if here <= Instant::now() {
            here = Instant::now() + HERE_EVERY.mul_f64(0.75 + fastrand::f64() / 2.0);
            say_here(shared, fabric, client).await;
        }
        tokio::select! {
            letter = letters.recv() => match letter {
                Some(letter) => {
                    let last = letter.kind == Kind::Gone;
                    deliver(shared, fabric, client, letter).await;
                    if last {
                        // Without NATS there is nobody to tell.
                        let _ = client.flush().await;
                        fabric.left.send_replace(true);
                        return;
                    }
                }
                None => return,
            },
            _ = connected.changed() => say_here(shared, fabric, client).await,
            () = &mut missed, if is_early => {
                is_early = false;
                if fabric.connected.borrow().is_none() {
                    shared.board.fabric(Some(fabric.status().trouble.unwrap_or_else(|| "nobody answers".to_owned())));
                }
            }
            () = sleep_until(here.into()) => {}
        }
    }
}

/// While NATS is away there is nobody to tell.
async fn say_here(shared: &Shared, fabric: &Fabric, client: &Client) {
    if fabric.connected.borrow().is_some() {
        deliver(shared, fabric, client, Letter { to: None, kind: Kind::Here, payload: Bytes::new() }).await;
    }
}

async fn deliver(shared: &Shared, fabric: &Fabric, client: &Client, letter: Letter) {
    let Letter { to, kind, payload } = letter;
    if fabric.connected.borrow().is_none() || shared.apart.is_on() {
        return fabric.lost();
    }
    let subject = to.map_or_else(|| fabric.subjects.all(kind), |to| fabric.subjects.one(to, kind));
    // It waits while the client's own queue is full; letters are lost meanwhile.
    if client.publish(subject, payload).await.is_err() {
        fabric.lost();
    }
}

async fn hear(shared: &Shared, fabric: &Arc<Fabric>, mut all: Subscriber, mut one: Subscriber) {
    let mut looks = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            heard = all.next() => match heard {
                Some(heard) => take(shared, fabric, heard).await,
                None => return,
            },
            heard = one.next() => match heard {
                Some(heard) => take(shared, fabric, heard).await,
                None => return,
            },
            _ = looks.tick() => {
                let silent = lock(&fabric.members).silent(Instant::now());
                for link in silent {
                    let _ = shared.messages.send(Message::Closed { link, cause: Down::Silent(SILENCE_MAX) }).await;
                }
            }
        }
    }
}

/// One message. An author of a POP that the roster does not name is passed over, as is this node's own echo.
async fn take(shared: &Shared, fabric: &Arc<Fabric>, heard: Heard) {
    let Some((party, kind)) = fabric.subjects.read(heard.subject.as_str()) else { return };
    let known = shared.place.load().roster.pops().any(|pop| pop.id == party.actor.pop);
    if !known || party == fabric.subjects.me || shared.apart.is_on() || heard.payload.len() > FRAME_MAX {
        return;
    }
    match kind {
        Kind::Gone => {
            let last = part(shared, fabric, party, Down::PeerClosed).await;
            if last && party.actor != fabric.subjects.me.actor {
                let _ = shared.messages.send(Message::Left { actor: party.actor }).await;
            }
        }
        Kind::Anew => {
            part(shared, fabric, party, Down::Superseded).await;
            meet(shared, fabric, party, shared.next_link(), None).await;
        }
        Kind::Here | Kind::Frame => {
            let before = lock(&fabric.members).hear(party, Instant::now());
            let link = before.unwrap_or_else(|| shared.next_link());
            if before.is_none() {
                if lock(&fabric.members).is_shunned(party, Instant::now()) {
                    return;
                }
                // It may still know a link to this node, of which this node knows nothing.
                let anew = Letter { to: Some(party), kind: Kind::Anew, payload: Bytes::new() };
                meet(shared, fabric, party, link, Some(anew)).await;
            }
            if kind == Kind::Frame {
                let _ = shared.messages.send(Message::Frame { link, bytes: heard.payload }).await;
            }
        }
    }
}

/// Takes one in, if there is room; a word to it goes before all else.
async fn meet(shared: &Shared, fabric: &Arc<Fabric>, party: Party, link: LinkId, first: Option<Letter>) {
    if lock(&fabric.members).join(party, link, Instant::now()) {
        first.into_iter().for_each(|letter| fabric.post(letter));
        let outbox = Outbox::Fabric(Arc::clone(fabric), party);
        let opened = Message::Opened { link, peer: party.actor.pop, way: Way::Fabric, outbox };
        let _ = shared.messages.send(opened).await;
    }
}

/// Ends the link to one; whether no life of that node is left.
async fn part(shared: &Shared, fabric: &Fabric, party: Party, cause: Down) -> bool {
    let (link, last) = {
        let mut members = lock(&fabric.members);
        (members.leave(party), !members.has(party))
    };
    if let Some(link) = link {
        let _ = shared.messages.send(Message::Closed { link, cause }).await;
    }
    last
}
