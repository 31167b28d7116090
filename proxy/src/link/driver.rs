//! The one task that feeds the replica: what links, the store and the clock say goes in, what the replica decides goes
//! out. It never waits for a link: an outbox that is full costs that link, nobody else. A panic in the replica is caught,
//! counted, and costs the link whose input caused it.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use selvedge_state::{Actor, CloseReason, Event, Input, LinkId, Output, PopId, Replica};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::board::{Board, lock};
use super::cause::{Cause, Down};
use super::nats::{Again, Fabric, Party};
use super::pump::OUTBOX_MAX;
use super::{Way, stopped};
use crate::clock::Clock;

/// Messages that may wait for the driver, so at most that many frames; the links' readers wait when it is full.
pub(crate) const MESSAGES_MAX: usize = 64;

/// Links to one POP, the closing ones included: enough for 64 nodes that hand over to their successors. One that opens more is turned away at
/// once. Which of a node's links gives way is the replica's business, once it knows whose they are.
pub const LINKS_PER_POP: usize = 192;

/// Nodes whose successors may wait to be dialled.
pub(crate) const RETIRING_MAX: usize = 64;

/// At a graceful stop the replica goes on for this long, which lets it flush what is dirty (its period is 25 ms).
const FLUSH_WITHIN: Duration = Duration::from_millis(100);

/// Then the links have this long to empty their outboxes.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What a link tells the driver.
pub(crate) enum Message {
    /// Both sides know each other; frames may flow.
    Opened { link: LinkId, peer: PopId, way: Way, outbox: Outbox },
    /// One whole frame.
    Frame { link: LinkId, bytes: Bytes },
    /// So many bytes of frames left for the network.
    Sent { link: LinkId, bytes: usize },
    /// The link is gone.
    Closed { link: LinkId, cause: Down },
    /// Another roster is in force.
    Roster { revision: u64, pops: Vec<PopId> },
    /// A node has left its POP in order.
    Left { actor: Actor },
    /// A successor of this process has taken over.
    Retire,
}

/// Where a link takes frames.
pub(crate) enum Outbox {
    /// To a connection of its own.
    Link(mpsc::Sender<Bytes>),
    /// To one node over the fabric.
    Fabric(Arc<Fabric>, Party),
}

struct Link {
    peer: PopId,
    way: Way,
    state: LinkState,
}

enum LinkState {
    /// The replica knows it and may send.
    Live(Outbox),
    /// The replica has forgotten it; its tasks are ending.
    Closing(Down),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Stopping: the replica still runs, until then.
    Flushing(Instant),
    /// Stopping: links empty their outboxes, until then.
    Closing(Instant),
}

pub(crate) struct Driver {
    replica: Arc<Mutex<Replica>>,
    board: Arc<Board>,
    clock: Clock,
    messages: mpsc::Receiver<Message>,
    dirty: Arc<Notify>,
    /// Turns true while nothing is exchanged.
    apart: watch::Receiver<bool>,
    /// What is shared with nodes that have no link of their own.
    fabric: Option<Arc<Fabric>>,
    retiring: mpsc::Sender<Actor>,
    links: BTreeMap<u64, Link>,
    phase: Phase,
}

/// What else the driver hears and tells.
pub(crate) struct Ways {
    /// Something changed in the store.
    pub(crate) dirty: Arc<Notify>,
    /// Turns true while nothing is exchanged.
    pub(crate) apart: watch::Receiver<bool>,
    /// What is shared with nodes that have no link of their own.
    pub(crate) fabric: Option<Arc<Fabric>>,
    /// Whose process hands over, and is to be dialled once more.
    pub(crate) retiring: mpsc::Sender<Actor>,
}

impl Driver {
    pub(crate) fn new(
        replica: Arc<Mutex<Replica>>,
        board: Arc<Board>,
        clock: Clock,
        messages: mpsc::Receiver<Message>,
        ways: Ways,
    ) -> Self {
        let Ways { dirty, apart, fabric, retiring } = ways;
        let (links, phase) = (BTreeMap::new(), Phase::Running);
        Self { replica, board, clock, messages, dirty, apart, fabric, retiring, links, phase }
    }

    /// Runs until `shutdown` turns true (or its sender is gone) and the links are closed.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let dirty = Arc::clone(&self.dirty);
        // What changed before there was anybody to wake.
        self.feed(Input::Dirty);
        loop {
            let wake = self.until_timeout();
            let deadline = match self.phase {
                Phase::Running => None,
                Phase::Flushing(at) | Phase::Closing(at) => Some(at),
            };
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = dirty.notified() => self.feed(Input::Dirty),
                Ok(()) = self.apart.changed() => self.part(),
                () = sleep(wake.unwrap_or_default()), if wake.is_some() => self.feed(Input::Timeout),
                () = stopped(&mut shutdown), if self.phase == Phase::Running => {
                    self.phase = Phase::Flushing(Instant::now() + FLUSH_WITHIN);
                    self.feed(Input::Dirty);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => match self.phase {
                    Phase::Flushing(_) => self.close_all(),
                    Phase::Running | Phase::Closing(_) => return,
                },
            }
            if self.links.is_empty() && matches!(self.phase, Phase::Closing(_)) {
                return;
            }
        }
    }

    /// Until the replica wants to be woken. Never 0: node time moves in milliseconds, so less would only spin.
    fn until_timeout(&self) -> Option<Duration> {
        if matches!(self.phase, Phase::Closing(_)) {
            return None;
        }
        let at = lock(&self.replica).poll_timeout()?;
        Some(Duration::from_millis(at.0.saturating_sub(self.clock.now().0).max(1)))
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Opened { link, peer, way, outbox } => self.open(link, peer, way, outbox),
            Message::Frame { link, bytes } if self.is_live(link) => self.feed(Input::Frame { link, bytes }),
            Message::Sent { link, bytes } if self.is_live(link) => self.feed(Input::Sent { link, bytes }),
            Message::Frame { .. } | Message::Sent { .. } => {}
            Message::Closed { link, cause } => self.closed(link, cause),
            Message::Roster { revision, pops } => self.feed(Input::Roster { revision, pops }),
            Message::Left { actor } => self.feed(Input::Gone { peer: actor }),
            Message::Retire => self.feed(Input::Retire),
        }
    }

    fn is_live(&self, link: LinkId) -> bool {
        matches!(self.links.get(&link.0), Some(Link { state: LinkState::Live(_), .. }))
    }

    /// Admits a link, unless this node stops or the POP has too many; then the dropped outbox ends it.
    fn open(&mut self, link: LinkId, peer: PopId, way: Way, outbox: Outbox) {
        if self.phase != Phase::Running || *self.apart.borrow() {
            if let Outbox::Fabric(fabric, party) = outbox {
                fabric.let_go(party, link, Again::Now);
            }
            return;
        }
        if way == Way::Fabric {
            self.links.insert(link.0, Link { peer, way, state: LinkState::Live(outbox) });
            self.board.up(peer, way);
            return self.feed(Input::Reached { link, peer });
        }
        if self.links.values().filter(|known| known.peer == peer).count() >= LINKS_PER_POP {
            return;
        }
        self.links.insert(link.0, Link { peer, way, state: LinkState::Live(outbox) });
        self.board.up(peer, way);
        self.feed(Input::Connected { link, peer });
    }

    fn closed(&mut self, link: LinkId, cause: Down) {
        let Some(known) = self.links.remove(&link.0) else { return };
        let cause = match known.state {
            LinkState::Live(_) => {
                self.feed(Input::Disconnected { link });
                cause
            }
            LinkState::Closing(reason) => reason,
        };
        match &cause {
            Down::Refused(refusal) => self.board.refused_link(known.peer, known.way, refusal.clone()),
            Down::Fault(what) => self.board.fault(what.clone()),
            _ => {}
        }
        self.board.down(known.peer, cause);
    }

    /// Lets go of a live link's outbox, which ends the link once what waits there has left.
    fn close(&mut self, link: LinkId, reason: Down) {
        if let Some(known) = self.links.get_mut(&link.0)
            && let LinkState::Live(outbox) = &known.state
        {
            let over = match outbox {
                Outbox::Link(_) => None,
                Outbox::Fabric(fabric, party) => Some((Arc::clone(fabric), *party)),
            };
            let again = match reason {
                Down::Refused(_) | Down::Replica(_) => Again::Later,
                _ => Again::Now,
            };
            known.state = LinkState::Closing(reason);
            // Nothing of it is under way that would have to end first.
            if let Some((fabric, party)) = over {
                fabric.let_go(party, link, again);
                self.closed(link, Down::Stopping);
            }
        }
    }

    /// Ends all links when this node is to keep apart.
    fn part(&mut self) {
        if !*self.apart.borrow_and_update() {
            return;
        }
        let live: Vec<u64> =
            self.links.iter().filter(|(_, link)| matches!(link.state, LinkState::Live(_))).map(|(id, _)| *id).collect();
        for link in live {
            self.close(LinkId(link), Down::Apart);
            self.feed(Input::Disconnected { link: LinkId(link) });
        }
    }

    fn close_all(&mut self) {
        let all: Vec<u64> = self.links.keys().copied().collect();
        for link in all {
            self.close(LinkId(link), Down::Stopping);
        }
        self.phase = Phase::Closing(Instant::now() + CLOSE_WITHIN);
    }

    /// One input, and whatever follows from its outputs.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.handle(input, &mut inputs) {
                match output {
                    Output::Send { link, frame } => self.send(link, frame, &mut inputs),
                    Output::Publish { frame } => self.fabric.iter().for_each(|fabric| fabric.publish(frame.clone())),
                    Output::Close { link, reason } => self.refuse(link, &reason, &mut inputs),
                    Output::Event(event) => {
                        if let Event::Retires { actor, .. } = event {
                            // With so many under way its link is dialled anew when it ends.
                            let _ = self.retiring.try_send(actor);
                        }
                        self.board.replica(event);
                    }
                }
            }
        }
    }

    /// Asks the replica; its lock is held for this alone.
    fn handle(&mut self, input: Input, inputs: &mut VecDeque<Input>) -> Vec<Output> {
        let guilty = match &input {
            Input::Connected { link, .. }
            | Input::Reached { link, .. }
            | Input::Frame { link, .. }
            | Input::Sent { link, .. } => Some(*link),
            Input::Disconnected { .. }
            | Input::Gone { .. }
            | Input::Retire
            | Input::Roster { .. }
            | Input::Dirty
            | Input::Timeout => None,
        };
        let now = self.clock.now();
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let mut replica = lock(&self.replica);
            replica.handle(input, now);
            std::iter::from_fn(|| replica.poll_output()).collect()
        }));
        asked.unwrap_or_else(|_| {
            self.board.fault(format!("the replica panicked, link {guilty:?}"));
            if let Some(link) = guilty {
                self.close(link, Down::Replica("the replica panicked".to_owned()));
                inputs.push_back(Input::Disconnected { link });
            }
            Vec::new()
        })
    }

    fn send(&mut self, link: LinkId, frame: Bytes, inputs: &mut VecDeque<Input>) {
        let Some(Link { state: LinkState::Live(outbox), .. }) = self.links.get(&link.0) else { return };
        let outbox = match outbox {
            Outbox::Link(outbox) => outbox,
            Outbox::Fabric(fabric, party) => {
                inputs.push_back(Input::Sent { link, bytes: frame.len() });
                return fabric.send(*party, frame);
            }
        };
        // A closed outbox is a link whose end is about to be told.
        if let Err(TrySendError::Full(_)) = outbox.try_send(frame) {
            self.close(link, Down::Backlog(OUTBOX_MAX));
            inputs.push_back(Input::Disconnected { link });
        }
    }

    fn refuse(&mut self, link: LinkId, reason: &CloseReason, inputs: &mut VecDeque<Input>) {
        if !self.is_live(link) {
            return;
        }
        let text = reason.to_string();
        let refused = match reason {
            CloseReason::NotInRoster(_)
            | CloseReason::Version { .. }
            | CloseReason::OtherCluster { .. }
            | CloseReason::OtherSecret { .. }
            | CloseReason::NotItsCertificate { .. }
            | CloseReason::Myself(_) => true,
            CloseReason::Superseded { .. }
            | CloseReason::Barred { .. }
            | CloseReason::Afresh
            | CloseReason::Silent
            | CloseReason::NoHello
            | CloseReason::TooMany => false,
        };
        self.close(link, if refused { Down::Refused(Cause::Hello(text)) } else { Down::Replica(text) });
        inputs.push_back(Input::Disconnected { link });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use selvedge_state::{Incarnation, ReplicaConfig, Store, StoreConfig};

    use super::*;
    use crate::link::roster::{Roster, RosterPop};
    use crate::link::secret::SecretId;

    const PEER: PopId = PopId(1);

    fn driver() -> (Driver, mpsc::Sender<Message>, Arc<Mutex<Vec<String>>>) {
        let me = Actor { pop: PopId(2), node: 0 };
        let incarnation = Incarnation(1);
        let config = StoreConfig {
            me,
            incarnation,
            cluster: "edge".into(),
            secret: [0; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 100,
            bans_max: 100,
            roster: 2,
        };
        let replica = Replica::new(
            ReplicaConfig {
                cluster: "edge".into(),
                secret_id: 1,
                secret_beside: None,
                roster_revision: 1,
                me,
                incarnation,
                boot: 1,
                peers: vec![PEER],
                seed: 1,
            },
            Arc::new(Store::new(config)),
        );
        let pop = |id: u16, name: &str| RosterPop {
            id: PopId(id),
            name: name.into(),
            region: None,
            address: "127.0.0.1:1".into(),
            shield: None,
        };
        let roster = Roster::new("edge".into(), 1, SecretId(1), vec![pop(1, "fra"), pop(2, "iad")]).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let on_event = Box::new(move |event: &crate::link::LinkEvent| lock(&log).push(format!("{event:?}")));
        let clock = Clock::start();
        let board = Arc::new(Board::new(&roster, me.pop, clock.clone(), on_event));
        let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
        let dirty = Arc::new(Notify::new());
        (
            Driver::new(
                Arc::new(Mutex::new(replica)),
                board,
                clock,
                inbox,
                Ways {
                    dirty,
                    apart: watch::Sender::new(false).subscribe(),
                    fabric: None,
                    retiring: mpsc::channel(RETIRING_MAX).0,
                },
            ),
            messages,
            events,
        )
    }

    fn open(driver: &mut Driver, link: u64, room: usize) -> mpsc::Receiver<Bytes> {
        let (outbox, frames) = mpsc::channel(room);
        let way = Way::Link(SocketAddr::from(([127, 0, 0, 1], 1)));
        driver.take(Message::Opened { link: LinkId(link), peer: PEER, way, outbox: Outbox::Link(outbox) });
        frames
    }

    #[test]
    fn a_pop_that_opens_and_opens_is_turned_away() {
        let (mut driver, _messages, _) = driver();
        let links = u64::try_from(LINKS_PER_POP).unwrap() + 100;
        let frames: Vec<_> = (0..links).map(|link| open(&mut driver, link, 256)).collect();
        assert_eq!(driver.links.len(), LINKS_PER_POP);
        // The replica takes so few that have not said who they are; the others are on their way out.
        assert_eq!(frames.iter().filter(|frames| !frames.is_closed()).count(), 4);
        driver.take(Message::Closed { link: LinkId(links - 1), cause: Down::PeerClosed });
        driver.take(Message::Closed { link: LinkId(9), cause: Down::PeerClosed });
        assert_eq!(driver.links.len(), LINKS_PER_POP - 1, "what has ended makes room");
    }

    #[test]
    fn a_full_outbox_costs_the_link() {
        let (mut driver, _messages, events) = driver();
        let mut frames = open(&mut driver, 1, OUTBOX_MAX);
        while frames.try_recv().is_ok() {}
        let mut inputs = VecDeque::new();
        for _ in 0..OUTBOX_MAX {
            driver.send(LinkId(1), Bytes::from_static(b"x"), &mut inputs);
        }
        assert!(driver.is_live(LinkId(1)) && inputs.is_empty());
        driver.send(LinkId(1), Bytes::from_static(b"x"), &mut inputs);
        assert!(!driver.is_live(LinkId(1)));
        assert!(matches!(inputs.pop_front(), Some(Input::Disconnected { link: LinkId(1) })));
        driver.take(Message::Closed { link: LinkId(1), cause: Down::Stopping });
        assert!(lock(&events).iter().any(|event| event.contains("Backlog(1024)")), "{:?}", lock(&events));
    }

    #[test]
    fn messages_of_unknown_links_are_passed_over() {
        let (mut driver, _messages, events) = driver();
        driver.take(Message::Frame { link: LinkId(9), bytes: Bytes::from_static(b"x") });
        driver.take(Message::Sent { link: LinkId(9), bytes: 1 });
        driver.take(Message::Closed { link: LinkId(9), cause: Down::PeerClosed });
        assert!(lock(&events).is_empty());
    }

    #[tokio::test]
    async fn a_stop_ends_the_driver_though_a_link_hangs() {
        let (mut driver, _messages, _) = driver();
        let frames = open(&mut driver, 1, 256);
        let (stop, watching) = watch::channel(true);
        driver.run(watching).await;
        assert!(frames.is_closed());
        drop(stop);
    }
}
