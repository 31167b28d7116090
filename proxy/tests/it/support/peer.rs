//! A peer that the test plays: a store and a replica of another POP over a real link, with that POP's certificate. It keeps the rules as the
//! program does, but goes by a clock of its own, and says whatever frames it is given besides.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use selvedge::link::roster::Roster;
use selvedge::link::secret::Secret;
use selvedge_state::{
    Actor, Incarnation, Input, Key, LinkId, Output, PopId, Replica, ReplicaConfig, Rung, Store, StoreConfig, TableId,
    TableSpec, Time,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

use crate::link::dial_from;

/// The limit whose table it has.
pub(crate) const LIMIT: &str = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"1000/1h\"\nburst = 1000\n";

/// Who plays, and towards whom.
#[derive(Clone)]
pub(crate) struct Role {
    /// Where its certificate is.
    pub(crate) folder: PathBuf,
    pub(crate) cluster: String,
    pub(crate) me: Actor,
    pub(crate) incarnation: Incarnation,
    /// What tells two processes of one life apart.
    pub(crate) boot: u64,
    pub(crate) roster_revision: u64,
    /// In force, and beside it.
    pub(crate) secrets: (Secret, Option<Secret>),
    /// How far its clock is ahead, ms.
    pub(crate) ahead_ms: i64,
    /// What its one table is called.
    pub(crate) table: &'static str,
    pub(crate) peers: Vec<PopId>,
    /// The name in the certificate that it is to meet with, and where.
    pub(crate) to: (String, SocketAddr),
    pub(crate) whom: PopId,
}

/// A store, and the replica that speaks for it.
pub(crate) struct Player {
    pub(crate) store: Arc<Store>,
    pub(crate) table: TableId,
    pub(crate) key: Key,
    replica: Replica,
}

/// A peer that plays.
pub(crate) struct Peer {
    pub(crate) role: Role,
    pub(crate) store: Arc<Store>,
    pub(crate) table: TableId,
    pub(crate) key: Key,
    clock: Arc<AtomicI64>,
    said: Arc<Mutex<Vec<Bytes>>>,
    linked: Arc<AtomicBool>,
    words: mpsc::UnboundedSender<Word>,
    task: JoinHandle<()>,
}

/// What a test has a peer do.
enum Word {
    /// Goes on over another link.
    Link(Box<TlsStream<TcpStream>>),
    /// Says these, whatever its replica thinks of it.
    Frames(Vec<Bytes>),
    /// Hands over to nobody.
    Retire,
}

/// The wall clock, so far ahead.
pub(crate) fn now(ahead_ms: i64) -> Time {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Time(u64::try_from(wall.as_millis()).unwrap().saturating_add_signed(ahead_ms))
}

impl Role {
    /// The POP `me` of the cluster whose folders are in `folder`, towards the POP `whom` of a greater id.
    pub(crate) fn new(folder: &Path, me: &str, whom: &str) -> Role {
        let roster = Roster::load(&folder.join(me).join("roster.toml")).unwrap();
        let (my, pop) = (roster.named(me).unwrap().id, roster.named(whom).unwrap());
        let beside = roster.secret_beside().map(|(file, id)| Secret::load(file, id).unwrap());
        Role {
            folder: folder.join(me),
            cluster: roster.cluster().to_owned(),
            me: Actor { pop: my, node: 0 },
            incarnation: Incarnation::next(now(0), None, None, 7),
            boot: 1,
            roster_revision: roster.revision(),
            secrets: (Secret::load(roster.secret(), roster.secret_id()).unwrap(), beside),
            ahead_ms: 0,
            table: "few",
            peers: roster.peers(my).map(|pop| pop.id).collect(),
            to: (roster.certificate_name(pop), pop.address.parse().unwrap()),
            whom: pop.id,
        }
    }

    /// A store and a replica of this POP, or of another one in its place.
    pub(crate) fn play(&self, me: Actor) -> Player {
        let store = Arc::new(Store::new(StoreConfig {
            me,
            incarnation: self.incarnation,
            cluster: self.cluster.clone(),
            secret: self.secrets.0.bytes(),
            secret_beside: self.secrets.1.as_ref().map(Secret::bytes),
            salt: 1,
            keys_max: 1_000_000,
            bans_max: 1000,
            roster: u16::try_from(self.peers.len() + 1).unwrap(),
        }));
        let spec = TableSpec {
            uid: self.table.into(),
            shape: String::new(),
            fine: Rung::fine_for(1000.0 / 3_600_000.0, 1000.0),
            coarse: Rung::coarse_for(Duration::from_secs(3600)),
            replicated: true,
        };
        let table = store.table(&spec).unwrap();
        let pops = self.peers.iter().copied().chain([self.me.pop]).filter(|pop| *pop != me.pop);
        let config = ReplicaConfig {
            cluster: self.cluster.clone(),
            secret_id: self.secrets.0.id().0,
            secret_beside: self.secrets.1.as_ref().map(|secret| secret.id().0),
            roster_revision: self.roster_revision,
            me,
            incarnation: self.incarnation,
            boot: self.boot,
            peers: pops.collect(),
            seed: self.boot,
        };
        let replica = Replica::new(config, Arc::clone(&store));
        let key = store.key(&[]);
        Player { store, table, key, replica }
    }
}

impl Player {
    /// Handles an input; the frames that come of it, and what else there is to do.
    pub(crate) fn feed(&mut self, input: Input, now: Time) -> Vec<Output> {
        self.replica.handle(input, now);
        std::iter::from_fn(|| self.replica.poll_output()).collect()
    }
}

impl Peer {
    /// Has it play, over a link.
    pub(crate) async fn join(role: Role) -> Peer {
        let player = role.play(role.me);
        let (store, table, key) = (Arc::clone(&player.store), player.table, player.key);
        let dirty = Arc::new(Notify::new());
        let wake = Arc::clone(&dirty);
        store.on_dirty(Box::new(move || wake.notify_one()));
        let clock = Arc::new(AtomicI64::new(role.ahead_ms));
        let said = Arc::new(Mutex::new(Vec::new()));
        let linked = Arc::new(AtomicBool::new(false));
        let (words, heard) = mpsc::unbounded_channel();
        let driver = Driver {
            player,
            whom: role.whom,
            clock: Arc::clone(&clock),
            said: Arc::clone(&said),
            linked: Arc::clone(&linked),
            link: LinkId(0),
            line: None,
            buffer: BytesMut::new(),
        };
        let task = tokio::spawn(driver.run(heard, dirty));
        let peer = Peer { role, store, table, key, clock, said, linked, words, task };
        peer.join_again().await;
        peer
    }

    /// Goes on over another link.
    pub(crate) async fn join_again(&self) {
        let (name, address) = &self.role.to;
        let line = dial_from(&self.role.folder, (name.as_str(), *address)).await.unwrap();
        self.tell(Word::Link(Box::new(line)));
    }

    /// Whether it has a link.
    pub(crate) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Relaxed)
    }

    /// Counts so many for the limit's only key.
    pub(crate) fn add(&self, n: u32) {
        self.store.add(self.table, self.key, n, self.now());
    }

    /// Its own time.
    pub(crate) fn now(&self) -> Time {
        now(self.clock.load(Ordering::Relaxed))
    }

    /// Its clock is set.
    pub(crate) fn set_ahead(&self, ms: i64) {
        self.clock.store(ms, Ordering::Relaxed);
    }

    /// All frames that its replica had it say.
    pub(crate) fn said(&self) -> Vec<Bytes> {
        self.said.lock().unwrap().clone()
    }

    /// Says these frames, as often as they stand there.
    pub(crate) fn say(&self, frames: Vec<Bytes>) {
        self.tell(Word::Frames(frames));
    }

    /// Says that it hands over.
    pub(crate) fn retire(&self) {
        self.tell(Word::Retire);
    }

    fn tell(&self, word: Word) {
        assert!(self.words.send(word).is_ok(), "the peer still plays");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What plays.
struct Driver {
    player: Player,
    whom: PopId,
    clock: Arc<AtomicI64>,
    said: Arc<Mutex<Vec<Bytes>>>,
    linked: Arc<AtomicBool>,
    link: LinkId,
    line: Option<TlsStream<TcpStream>>,
    buffer: BytesMut,
}

impl Driver {
    async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>, dirty: Arc<Notify>) {
        loop {
            let at = self.player.replica.poll_timeout();
            let wake = at.map(|at| Duration::from_millis(at.0.saturating_sub(self.now().0).max(1)));
            tokio::select! {
                // What it is told goes before what it counts after that.
                biased;
                word = words.recv() => match word {
                    None => return,
                    Some(Word::Link(line)) => self.goes_on(*line).await,
                    Some(Word::Frames(frames)) => for frame in frames {
                        self.write(&frame).await;
                    },
                    Some(Word::Retire) => self.feed(Input::Retire).await,
                },
                whole = read(&mut self.line, &mut self.buffer) => match whole {
                    true => self.take().await,
                    false => self.lose().await,
                },
                () = dirty.notified() => self.feed(Input::Dirty).await,
                () = sleep(wake.unwrap_or_default()), if wake.is_some() => self.feed(Input::Timeout).await,
            }
        }
    }

    fn now(&self) -> Time {
        now(self.clock.load(Ordering::Relaxed))
    }

    async fn goes_on(&mut self, line: TlsStream<TcpStream>) {
        self.lose().await;
        self.link.0 += 1;
        self.line = Some(line);
        self.linked.store(true, Ordering::Relaxed);
        self.feed(Input::Connected { link: self.link, peer: self.whom }).await;
    }

    async fn lose(&mut self) {
        self.buffer.clear();
        if self.line.take().is_some() {
            self.linked.store(false, Ordering::Relaxed);
            self.feed(Input::Disconnected { link: self.link }).await;
        }
    }

    /// Takes the whole frames that came.
    async fn take(&mut self) {
        while let Some(length) = self.buffer.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix) as usize) {
            if self.buffer.len() < 4 + length {
                return;
            }
            self.buffer.advance(4);
            let bytes = self.buffer.split_to(length).freeze();
            self.feed(Input::Frame { link: self.link, bytes }).await;
        }
    }

    async fn feed(&mut self, input: Input) {
        let now = self.now();
        let mut outputs = std::collections::VecDeque::from(self.player.feed(input, now));
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send { link, frame } if link == self.link => {
                    self.write(&frame).await;
                    outputs.extend(self.player.feed(Input::Sent { link, bytes: frame.len() }, now));
                    self.said.lock().unwrap().push(frame);
                }
                Output::Close { link, .. } if link == self.link => {
                    self.line = None;
                    self.linked.store(false, Ordering::Relaxed);
                    outputs.extend(self.player.feed(Input::Disconnected { link }, now));
                }
                Output::Send { .. } | Output::Close { .. } | Output::Publish { .. } | Output::Event(_) => {}
            }
        }
    }

    /// Writes a frame, where there is a link; that it is gone is told when reading.
    async fn write(&mut self, frame: &[u8]) {
        if let Some(line) = &mut self.line {
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            let _ = line.write_all(&[&length[..], frame].concat()).await;
            let _ = line.flush().await;
        }
    }
}

/// Reads what comes; false when nothing does any more.
async fn read(line: &mut Option<TlsStream<TcpStream>>, buffer: &mut BytesMut) -> bool {
    match line {
        Some(line) => line.read_buf(buffer).await.is_ok_and(|read| read > 0),
        None => std::future::pending().await,
    }
}
