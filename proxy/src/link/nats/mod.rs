//! Peers over NATS, for clusters that are too large for a connection between each two. Frames that are for all are published
//! once and routed by NATS, what is for one node goes to a subject of its own. NATS promises nothing here, and nothing is asked of
//! it: queues are bounded, what does not fit is lost and counted, and the replica repairs it. Without NATS the node goes on
//! alone, and tries again for ever.
//!
//! Who speaks is what the [subject](self::subject) says, which NATS vouches for by the permissions of each POP's credential.

mod carry;
mod config;
pub mod members;
mod subject;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Client, Event};
use bytes::Bytes;
use selvedge_state::{Actor, LinkId, Time};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(super) use self::carry::start;
pub use self::config::{NatsConfig, NatsError};
pub(crate) use self::members::Again;
use self::members::Members;
pub(crate) use self::subject::Party;
use self::subject::{Kind, Subjects};
use super::board::{Board, lock};
use super::{Shared, stopped};
use crate::clock::Clock;

/// Messages that may wait to be sent. What comes on top is lost.
pub const LETTERS_MAX: usize = 1024;

/// Messages that may wait for this node, in each of its two subscriptions. What comes on top is lost.
pub const HEARD_MAX: usize = 1024;

/// A node says so often that it is there.
pub(super) const HERE_EVERY: Duration = Duration::from_secs(10);

/// The longest wait before NATS is tried again.
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// A server that says nothing is asked so often; the third time in vain it is lost.
const PING_EVERY: Duration = Duration::from_secs(2);

/// The operator is told of trouble so often.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How long the farewell may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The fabric at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FabricStatus {
    /// Since when this node is connected to NATS, node time; none while it goes on alone.
    pub connected: Option<Time>,
    /// Nodes that are there.
    pub members: usize,
    /// Messages that did not fit and were lost, to be repaired.
    pub lost: u64,
    /// The newest trouble, kept after recovery.
    pub trouble: Option<String>,
}

/// What went wrong last, and when the operator was told of such a thing.
#[derive(Debug, Default)]
struct Trouble {
    newest: Option<String>,
    told: Option<Instant>,
}

/// Something to be sent.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Whom it is for; all, if nobody.
    to: Option<Party>,
    kind: Kind,
    payload: Bytes,
}

/// What the driver and the tasks of the fabric share.
pub(crate) struct Fabric {
    subjects: Subjects,
    clock: Clock,
    letters: mpsc::Sender<Letter>,
    pub(super) members: Mutex<Members>,
    connected: watch::Sender<Option<Time>>,
    trouble: Mutex<Trouble>,
    lost: AtomicU64,
    /// Turns true when the last letter has left.
    left: watch::Sender<bool>,
}

impl Fabric {
    /// The fabric, and the letters that [`carry::start`] sends.
    pub(super) fn new(cluster: &str, me: Actor, clock: Clock) -> (Arc<Self>, mpsc::Receiver<Letter>) {
        let (letters, waiting) = mpsc::channel(LETTERS_MAX);
        // Never that of another process of this node, which may run for a while beside it.
        let subjects = Subjects::new(cluster, Party { actor: me, life: fastrand::u64(..) });
        let fabric = Self {
            subjects,
            clock,
            letters,
            members: Mutex::default(),
            connected: watch::Sender::new(None),
            trouble: Mutex::default(),
            lost: AtomicU64::new(0),
            left: watch::Sender::new(false),
        };
        (Arc::new(fabric), waiting)
    }

    /// A frame for all.
    pub(crate) fn publish(&self, frame: Bytes) {
        self.post(Letter { to: None, kind: Kind::Frame, payload: frame });
    }

    /// A frame for one.
    pub(crate) fn send(&self, to: Party, frame: Bytes) {
        self.post(Letter { to: Some(to), kind: Kind::Frame, payload: frame });
    }

    fn post(&self, letter: Letter) {
        if self.letters.try_send(letter).is_err() {
            self.lost();
        }
    }

    fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// The driver has closed a link, or would not have it.
    pub(crate) fn let_go(&self, party: Party, link: LinkId, again: Again) {
        lock(&self.members).let_go(party, link, again, Instant::now());
    }

    pub(crate) fn status(&self) -> FabricStatus {
        FabricStatus {
            connected: *self.connected.borrow(),
            members: lock(&self.members).len(),
            lost: self.lost.load(Ordering::Relaxed),
            trouble: lock(&self.trouble).newest.clone(),
        }
    }

    /// Says that this node goes, after what was sent before.
    pub(crate) async fn leave(&self) {
        if self.connected.borrow().is_none() {
            return;
        }
        self.post(Letter { to: None, kind: Kind::Gone, payload: Bytes::new() });
        // Those who do not hear it miss this node by its silence.
        let _ = timeout(FAREWELL_MAX, stopped(&mut self.left.subscribe())).await;
    }

    /// NATS, or the client, says how it stands.
    fn hear(&self, event: &Event, board: &Board) {
        match event {
            Event::Connected => {
                self.connected.send_replace(Some(self.clock.now()));
                board.fabric(None);
            }
            Event::Disconnected | Event::Closed => {
                if self.connected.send_replace(None).is_some() {
                    board.fabric(Some("the connection is lost".to_owned()));
                }
            }
            Event::SlowConsumer(_) => self.lost(),
            other => self.troubled(other.to_string(), board),
        }
    }

    /// Something is wrong. The operator is told of one such thing a minute: a refusal comes with each message.
    fn troubled(&self, cause: String, board: &Board) {
        let now = Instant::now();
        let tell = {
            let mut trouble = lock(&self.trouble);
            let tell = trouble.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY);
            if tell {
                trouble.told = Some(now);
            }
            trouble.newest = Some(cause.clone());
            tell
        };
        if tell {
            board.fabric_trouble(cause);
        }
    }
}

/// Begins to connect; the client goes on trying for ever.
pub(super) async fn connect(shared: &Arc<Shared>, fabric: &Arc<Fabric>, config: &NatsConfig) -> io::Result<Client> {
    let (told, board) = (Arc::clone(fabric), Arc::clone(&shared.board));
    let (servers, options) = config.options()?;
    let options = options
        .name(format!("selvedge {}", fabric.subjects.me))
        .no_echo()
        .retry_on_initial_connect()
        .subscription_capacity(HEARD_MAX)
        .ping_interval(PING_EVERY)
        .reconnect_delay_callback(wait)
        .event_callback(move |event| {
            told.hear(&event, &board);
            async {}
        });
    options.connect(servers).await.map_err(io::Error::other)
}

/// Longer each time, and never in step with other nodes, so that a server that comes back is not met by all in one instant.
fn wait(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    let step = Duration::from_millis(100).saturating_mul(1 << doublings).min(AGAIN_MAX);
    step.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_cap_and_vary() {
        for (attempt, step) in [(0, 100), (1, 100), (2, 200), (3, 400), (7, 5000), (1000, 5000)] {
            let waited = wait(attempt).as_millis();
            assert!((step / 2..=step).contains(&waited), "waited {waited} ms in attempt {attempt}");
        }
        let waits: std::collections::BTreeSet<_> = (0..50).map(|_| wait(5)).collect();
        assert!(waits.len() > 40, "the jitter gave only {} different waits of 50", waits.len());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_lost_and_counted() {
        let me = Actor { pop: selvedge_state::PopId(1), node: 0 };
        let (fabric, _waiting) = Fabric::new("edge", me, Clock::start());
        for _ in 0..LETTERS_MAX + 3 {
            fabric.publish(Bytes::from_static(b"x"));
        }
        assert_eq!(fabric.status().lost, 3);
    }
}
