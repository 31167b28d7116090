//! Peer links over loopback with real stores: they converge, they refuse strangers by name, and they go on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use selvedge::cli::demo::relay::Relay;
use selvedge::clock::Clock;
use selvedge::link::authority::{Authority, Issued, Validity};
use selvedge::link::nats::NatsConfig;
use selvedge::link::roster::{Roster, RosterPop, certificate_name};
use selvedge::link::secret::{Secret, SecretId};
use selvedge::link::tls::Identity;
use selvedge::link::watch::WatchStream;
use selvedge::link::{Cause, HANDSHAKE_MAX, LinkConfig, LinkEvent, LinkStatus, Links, Side};
use selvedge_state::{
    Actor, Incarnation, Key, PopId, Replica, ReplicaConfig, Rung, Store, StoreConfig, TableId, TableSpec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::eventually::{DEADLINE, eventually};

pub(crate) const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const NAMES: [&str; 3] = ["fra", "iad", "syd"];

/// What a cluster's nodes share, and the listeners that fix its addresses before anything runs.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    pub(crate) authority: Authority,
    secret: Secret,
    pub(crate) listeners: Vec<Option<TcpListener>>,
    pub(crate) addresses: Vec<SocketAddr>,
}

pub(crate) struct Node {
    store: Arc<Store>,
    table: TableId,
    clock: Clock,
    pub(crate) links: Arc<Links>,
    events: Arc<Mutex<Vec<String>>>,
    pub(crate) shutdown: watch::Sender<bool>,
}

/// What these nodes say to those who watch them; then they wait until it is enough.
async fn greet(peer: PopId, mut stream: WatchStream) {
    let _ = stream.write_all(format!("hello {}\n", peer.0).as_bytes()).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Connects to a node by hand, with or without a certificate, and naming protocols: one of this name, at this address.
async fn connect(
    ca: &str,
    issued: Option<&Issued>,
    protocols: &[&[u8]],
    (name, address): (&str, SocketAddr),
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match issued {
        None => config.with_no_client_auth(),
        Some(issued) => {
            let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), socket).await
}

/// Connects to a node with the certificate that is in a POP's folder.
pub(crate) async fn dial_from(folder: &Path, to: (&str, SocketAddr)) -> std::io::Result<TlsStream<TcpStream>> {
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let issued = Issued { certificate: file("pop.pem"), key: file("pop.key") };
    connect(&file("ca.pem"), Some(&issued), &[], to).await
}

pub(crate) fn year() -> Validity {
    Validity::days(SystemTime::now(), 365)
}

impl Cluster {
    pub(crate) fn new(pops: usize) -> Self {
        let listeners: Vec<_> = (0..pops).map(|_| TcpListener::bind(LOCAL).unwrap()).collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("edge", year()).unwrap(),
            secret: Secret::generate().unwrap(),
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap()).collect(),
            listeners: listeners.into_iter().map(Some).collect(),
        }
    }

    pub(crate) fn roster(&self) -> Roster {
        let pop = |(index, address): (usize, &SocketAddr)| RosterPop {
            id: PopId(u16::try_from(index).unwrap() + 1),
            name: NAMES[index].into(),
            region: None,
            address: address.to_string(),
            shield: None,
        };
        let pops = self.addresses.iter().enumerate().map(pop).collect();
        Roster::new("edge".into(), 1, self.secret.id(), pops).unwrap()
    }

    fn identity(&self, authority: &Authority, name: &str, validity: Validity) -> Identity {
        let issued = authority.issue(name, validity).unwrap();
        let file = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let ca = file("ca.pem", self.authority.certificate());
        Identity::read(&ca, &file("pop.pem", &issued.certificate), &file("pop.key", &issued.key)).unwrap()
    }

    /// Connects to a node by hand, with or without a certificate.
    async fn dial(&self, to: &Node, issued: Option<&Issued>) -> std::io::Result<TlsStream<TcpStream>> {
        self.dial_for(to, issued, &[]).await
    }

    /// The same, naming protocols.
    pub(crate) async fn dial_for(
        &self,
        to: &Node,
        issued: Option<&Issued>,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let address = to.links.status().local_address;
        connect(self.authority.certificate(), issued, protocols, ("iad.edge.selvedge", address)).await
    }

    /// Starts the POP with the certificate it should have.
    pub(crate) fn start(&mut self, index: usize) -> Node {
        let identity = self.identity(&self.authority, &certificate_name("edge", NAMES[index]), year());
        self.start_as(index, identity, "edge", self.secret.id())
    }

    fn start_as(&mut self, index: usize, identity: Identity, cluster: &str, secret: SecretId) -> Node {
        let me = PopId(u16::try_from(index).unwrap() + 1);
        let listener = self.listeners[index].take().unwrap();
        self.start_node(Actor { pop: me, node: 0 }, identity, (cluster, secret), listener, None)
    }

    /// Starts a node of a POP that reaches the others over NATS.
    pub(crate) fn start_over(&self, index: usize, node: u32, nats: &selvedge_conf::Nats) -> Node {
        let identity = self.identity(&self.authority, &certificate_name("edge", NAMES[index]), year());
        let actor = Actor { pop: PopId(u16::try_from(index).unwrap() + 1), node };
        let nats = NatsConfig::load(nats).unwrap();
        let listener = TcpListener::bind(LOCAL).unwrap();
        self.start_node(actor, identity, ("edge", self.secret.id()), listener, Some(nats))
    }

    fn start_node(
        &self,
        actor: Actor,
        identity: Identity,
        (cluster, secret): (&str, SecretId),
        listener: TcpListener,
        nats: Option<NatsConfig>,
    ) -> Node {
        let roster = self.roster();
        let (me, incarnation) = (actor.pop, Incarnation(1));
        let store = Arc::new(Store::new(StoreConfig {
            me: actor,
            incarnation,
            cluster: cluster.into(),
            secret: self.secret.bytes(),
            secret_beside: None,
            salt: 0,
            keys_max: 50_000,
            bans_max: 1000,
            roster: u16::try_from(self.addresses.len()).unwrap(),
        }));
        let spec = TableSpec {
            uid: "login".into(),
            shape: "client.net".into(),
            fine: Rung::fine_for(0.001, 1000.0),
            coarse: Rung::coarse_for(Duration::from_secs(60)),
            replicated: true,
        };
        let table = store.table(&spec).unwrap();
        let replica = Replica::new(
            ReplicaConfig {
                cluster: cluster.into(),
                secret_id: secret.0,
                secret_beside: None,
                roster_revision: roster.revision(),
                me: actor,
                incarnation,
                boot: u64::from(actor.node) << 16 | u64::from(me.0),
                peers: roster.peers(me).map(|pop| pop.id).collect(),
                seed: u64::from(actor.node) << 16 | u64::from(me.0),
            },
            Arc::clone(&store),
        );
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let config = LinkConfig {
            roster,
            me: actor,
            address: None,
            nats,
            identity,
            listener,
            on_event: Box::new(move |event: &LinkEvent| log.lock().unwrap().push(format!("{event:?}"))),
            on_watch: Box::new(|peer, stream| Box::pin(greet(peer, stream))),
            on_fetch: Box::new(|_, _| Box::pin(async {})),
        };
        let clock = Clock::start();
        let (shutdown, watching) = watch::channel(false);
        let links = Links::start(config, replica, Arc::clone(&store), clock.clone(), watching).unwrap();
        Node { store, table, clock, links, events, shutdown }
    }
}

impl Node {
    pub(crate) fn key_of(&self, n: u32) -> Key {
        self.store.key(&[&n.to_le_bytes()])
    }

    /// Counts once for each of so many keys, each at its time: a tick leaves out cells that are over for a while.
    pub(crate) fn add_many(&self, keys: u32) {
        (0..keys).for_each(|n| self.store.add(self.table, self.key_of(n), 1, self.clock.now()));
    }

    pub(crate) fn count_of(&self, n: u32) -> u64 {
        self.store.count(self.table, self.key_of(n), 120_000, self.clock.now())
    }

    /// Nodes it hears and nodes it knows, itself included.
    pub(crate) fn heard(&self) -> (u16, u16) {
        let peers = self.store.peers(self.clock.now());
        (peers.heard, peers.roster)
    }

    /// What of a limit is for those it hears.
    pub(crate) fn part(&self) -> f64 {
        self.store.peers(self.clock.now()).part
    }

    pub(crate) async fn hears(&self, heard: u16, known: u16) {
        eventually(DEADLINE, || async {
            let told = || format!("hears {:?}; events {:?}", self.heard(), self.events.lock().unwrap());
            if self.heard() == (heard, known) { Ok(()) } else { Err(told()) }
        })
        .await;
    }

    fn key(&self) -> Key {
        self.store.key(&[b"192.0.2.0/24"])
    }

    pub(crate) fn add(&self, n: u32) {
        self.store.add(self.table, self.key(), n, self.clock.now());
    }

    pub(crate) fn count(&self) -> u64 {
        self.store.count(self.table, self.key(), 120_000, self.clock.now())
    }

    pub(crate) async fn counts(&self, expected: u64) {
        eventually(DEADLINE, || async {
            let count = self.count();
            let told = || format!("counted {count}, not {expected}; events {:?}", self.events.lock().unwrap());
            if count == expected { Ok(()) } else { Err(told()) }
        })
        .await;
    }

    pub(crate) async fn status(&self, what: &str, test: impl Fn(&LinkStatus) -> bool) {
        eventually(DEADLINE, || async {
            let status = self.links.status();
            let told = || format!("not {what}: {:?}, refused {:?}", status.peers, status.refused);
            if test(&status) { Ok(()) } else { Err(told()) }
        })
        .await;
    }

    pub(crate) async fn linked(&self, peers: usize) {
        self.status("linked", |status| status.peers.iter().filter(|peer| peer.up == 1).count() == peers).await;
    }

    pub(crate) async fn refuses(&self, side: Side, cause: impl Fn(&Cause) -> bool) {
        self.status("refused", |status| {
            status.refused.iter().any(|refusal| refusal.side == side && cause(&refusal.cause))
        })
        .await;
    }
}

#[tokio::test]
async fn three_pops_count_together() {
    let mut cluster = Cluster::new(3);
    let nodes = [cluster.start(0), cluster.start(1), cluster.start(2)];
    for node in &nodes {
        node.linked(2).await;
    }
    for (node, n) in nodes.iter().zip([1, 10, 100]) {
        node.add(n);
    }
    for node in &nodes {
        node.counts(111).await;
    }
    nodes[2].store.ban("192.0.2.9/32", nodes[2].clock.now().plus(60_000), 1, "probes", nodes[2].clock.now()).unwrap();
    eventually(DEADLINE, || async {
        nodes[0].store.banned("192.0.2.9/32", nodes[0].clock.now()).ok_or_else(|| "not banned at fra".to_owned())
    })
    .await;
    assert!(nodes.iter().all(|node| node.links.status().refused.is_empty()));
}

#[tokio::test]
async fn a_peer_that_starts_late_learns_what_was() {
    let mut cluster = Cluster::new(2);
    let fra = cluster.start(0);
    fra.add(7);
    let iad = cluster.start(1);
    iad.counts(7).await;
}

#[tokio::test]
async fn a_graceful_stop_flushes_first() {
    let mut cluster = Cluster::new(2);
    let (fra, iad) = (cluster.start(0), cluster.start(1));
    fra.linked(1).await;
    iad.linked(1).await;
    fra.add(5);
    fra.shutdown.send_replace(true);
    fra.links.stopped().await;
    iad.counts(5).await;
    iad.status("unlinked", |status| status.peers.iter().all(|peer| peer.up == 0)).await;
}

#[tokio::test]
async fn a_cut_line_heals() {
    let mut cluster = Cluster::new(2);
    let relay = Relay::start(LOCAL, cluster.addresses[1], Duration::from_millis(5)).unwrap();
    cluster.addresses[1] = relay.address();
    let (fra, iad) = (cluster.start(0), cluster.start(1));
    fra.add(1);
    iad.counts(1).await;
    relay.cut();
    iad.status("unlinked", |status| status.peers[0].up == 0).await;
    fra.add(2);
    iad.add(4);
    assert_eq!((fra.count(), iad.count()), (3, 5));
    relay.heal();
    fra.counts(7).await;
    iad.counts(7).await;
}

#[tokio::test]
async fn a_dialler_of_another_authority_is_refused_by_name() {
    let mut cluster = Cluster::new(3);
    let stranger = Authority::new("edge", year()).unwrap();
    let identity = cluster.identity(&stranger, "fra.edge.selvedge", year());
    let _fra = cluster.start_as(0, identity, "edge", cluster.secret.id());
    let (iad, syd) = (cluster.start(1), cluster.start(2));
    iad.refuses(Side::Accepted, |cause| *cause == Cause::OtherAuthority).await;
    // The others go on.
    iad.add(3);
    syd.counts(3).await;
}

#[tokio::test]
async fn an_expired_dialler_is_refused_and_told() {
    let mut cluster = Cluster::new(2);
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    let identity =
        cluster.identity(&cluster.authority, "fra.edge.selvedge", Validity { from: now - 2 * day, until: now - day });
    let fra = cluster.start_as(0, identity, "edge", cluster.secret.id());
    let iad = cluster.start(1);
    iad.refuses(Side::Accepted, |cause| matches!(cause, Cause::Expired(_))).await;
    fra.refuses(Side::Dialled, |cause| matches!(cause, Cause::ByPeer(_))).await;
}

#[tokio::test]
async fn a_peer_with_the_name_of_another_pop_is_refused() {
    let mut cluster = Cluster::new(3);
    let identity = cluster.identity(&cluster.authority, "syd.edge.selvedge", year());
    let _iad = cluster.start_as(1, identity, "edge", cluster.secret.id());
    let fra = cluster.start(0);
    let expected = Cause::OtherName { expected: "iad.edge.selvedge".into(), presented: "syd.edge.selvedge".into() };
    fra.refuses(Side::Dialled, |cause| *cause == expected).await;
}

#[tokio::test]
async fn a_client_outside_the_roster_is_refused() {
    let mut cluster = Cluster::new(2);
    let identity = cluster.identity(&cluster.authority, "gru.edge.selvedge", year());
    let _fra = cluster.start_as(0, identity, "edge", cluster.secret.id());
    let iad = cluster.start(1);
    iad.refuses(Side::Accepted, |cause| *cause == Cause::NotInRoster("gru.edge.selvedge".into())).await;
}

#[tokio::test]
async fn another_secret_is_refused_at_the_hello() {
    let mut cluster = Cluster::new(2);
    let identity = cluster.identity(&cluster.authority, "fra.edge.selvedge", year());
    let _fra = cluster.start_as(0, identity, "edge", SecretId(1));
    let iad = cluster.start(1);
    iad.refuses(Side::Accepted, |cause| matches!(cause, Cause::Hello(_))).await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_links_go_on() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let address = iad.links.status().local_address;
    for bytes in [&b"GET / HTTP/1.1\r\nhost: iad\r\n\r\n"[..], &[0xff; 4096], &[0x16, 3, 1, 0, 4, 0xff, 0, 0, 0]] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // It may be closed before all is written.
        let _ = socket.write_all(bytes).await;
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    }
    iad.refuses(Side::Accepted, |cause| *cause == Cause::NotTls).await;
    let fra = cluster.start(0);
    iad.add(2);
    fra.counts(2).await;
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let _silent = TcpStream::connect(iad.links.status().local_address).await.unwrap();
    iad.refuses(Side::Accepted, |cause| *cause == Cause::Slow(HANDSHAKE_MAX)).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    if let Ok(mut stream) = cluster.dial(&iad, None).await {
        // In TLS 1.3 the refusal comes after the client's handshake.
        assert!(stream.read_u8().await.is_err());
    }
    iad.refuses(Side::Accepted, |cause| *cause == Cause::NoCertificate).await;
}

#[tokio::test]
async fn a_peer_that_announces_a_long_frame_loses_the_link() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let fra = cluster.authority.issue("fra.edge.selvedge", year()).unwrap();
    let mut stream = cluster.dial(&iad, Some(&fra)).await.unwrap();
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let told = |trouble: &str| trouble.starts_with("a frame of 4294967295 bytes");
    iad.status("closed for a long frame", |status| {
        let peer = &status.peers[0];
        peer.up == 0 && peer.trouble.as_ref().is_some_and(|(_, trouble)| told(trouble))
    })
    .await;
    let fra = cluster.start(0);
    fra.add(1);
    iad.counts(1).await;
}

#[tokio::test]
async fn a_peer_that_speaks_nonsense_harms_nobody() {
    let mut cluster = Cluster::new(2);
    let iad = cluster.start(1);
    let fra = cluster.authority.issue("fra.edge.selvedge", year()).unwrap();
    let mut stream = cluster.dial(&iad, Some(&fra)).await.unwrap();
    for length in [0_u32, 1, 7, 300] {
        let frame = vec![0xa5; length as usize];
        // The link may be closed before all is written.
        let _ = stream.write_all(&[&length.to_be_bytes()[..], &frame].concat()).await;
    }
    let _ = stream.flush().await;
    drop(stream);
    let fra = cluster.start(0);
    fra.add(1);
    iad.counts(1).await;
    assert_eq!(iad.links.status().faults, 0);
}
