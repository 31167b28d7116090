//! Peers over NATS, for clusters that are too large for a connection between each two. Frames that are for all are published
//! once and routed by NATS, what is for one node goes to a subject of its own. NATS promises nothing here, and nothing is asked of
//! it: queues are bounded, what does not fit is lost and counted, and the replica repairs it. Without NATS the node goes on
//! alone, and tries again for ever.
//!
//! Who speaks is what the [subject](self::subject) says, which NATS vouches for by the permissions of each POP's credential.

mod carry;
pub mod members;
mod subject;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use selvedge_state::{Actor, LinkId, Time};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::members::Members;
pub(crate) use self::subject::Party;
use self::subject::{Kind, Subjects};
use super::board::{Board, lock};
use super::{Shared, stopped};
use crate::clock::Clock;

/// Messages that may wait to be sent. What comes on top is lost.
pub const LETTERS_MAX: usize = 4096;

/// Messages that may wait for this node, in each of its two subscriptions. What comes on top is lost.
pub const HEARD_MAX: usize = 4096;

/// A node says so often that it is there.
pub(super) const HERE_EVERY: Duration = Duration::from_secs(10);

/// The longest wait before NATS is tried again.
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// How long the farewell may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Where NATS is and how this node is known to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConfig {
    /// Its servers, as `tls://host:port` or, on this host, `nats://host:port`.
    pub servers: Vec<String>,
    /// A file with a user's JWT and seed, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// The authorities that its servers' certificates come from; without it those of the system.
    pub ca: Option<PathBuf>,
}

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
    trouble: Mutex<Option<String>>,
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

    /// The driver has closed a link.
    pub(crate) fn let_go(&self, party: Party, link: LinkId) {
        lock(&self.members).let_go(party, link);
    }

    pub(crate) fn status(&self) -> FabricStatus {
        FabricStatus {
            connected: *self.connected.borrow(),
            members: lock(&self.members).len(),
            lost: self.lost.load(Ordering::Relaxed),
            trouble: lock(&self.trouble).clone(),
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
                self.connected.send_replace(None);
                board.fabric(Some("NATS is out of reach: this node goes on alone".to_owned()));
            }
            Event::SlowConsumer(_) => self.lost(),
            other => *lock(&self.trouble) = Some(other.to_string()),
        }
    }
}

/// Begins to connect; the client goes on trying for ever.
pub(super) async fn connect(shared: &Arc<Shared>, fabric: &Arc<Fabric>, config: &NatsConfig) -> io::Result<Client> {
    let (told, board) = (Arc::clone(fabric), Arc::clone(&shared.board));
    let mut options = ConnectOptions::new()
        .name(format!("selvedge {}", fabric.subjects.me))
        .no_echo()
        .retry_on_initial_connect()
        .subscription_capacity(HEARD_MAX)
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(wait)
        .event_callback(move |event| {
            told.hear(&event, &board);
            async {}
        });
    if let Some(credentials) = &config.credentials {
        options = options.credentials_file(credentials).await.map_err(|error| named(credentials, error))?;
    }
    if let Some(ca) = &config.ca {
        options = options.tls_client_config(trusting(ca)?);
    }
    let servers: io::Result<Vec<ServerAddr>> = config.servers.iter().map(|server| server.parse()).collect();
    options.connect(servers?).await.map_err(io::Error::other)
}

/// Longer each time, and never in step with other nodes, so that a server that comes back is not met by all in one instant.
fn wait(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    let step = Duration::from_millis(100).saturating_mul(1 << doublings).min(AGAIN_MAX);
    step.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn trusting(ca: &PathBuf) -> io::Result<ClientConfig> {
    let bad = |error: &dyn std::fmt::Display| named(ca, io::Error::other(error.to_string()));
    let text = std::fs::read(ca).map_err(|error| named(ca, error))?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&text) {
        roots.add(authority.map_err(|error| bad(&crate::pem::cause(&error)))?).map_err(|error| bad(&error))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn named(path: &std::path::Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

pub(super) use self::carry::start;

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
