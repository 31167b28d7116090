//! From a config to a running process: everything is made and bound first, so that whatever is wrong is said before the first
//! request; then it runs until it is asked to stop.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use selvedge_conf::{Cluster, Config};
use selvedge_state::{
    Actor, Estate, Incarnation, PopId, Replica, ReplicaConfig, SnapshotHead, Store, StoreBounds, StoreConfig, Time,
};
use tokio::sync::watch;

use crate::background::{Background, Parts};
use crate::cache::{Cache, Disk, DiskError, DiskSettings, Settings};
use crate::clock::Clock;
use crate::edge::{Edge, TRIES, Waiting};
use crate::front::{BindError, Certificates, Comer, Door, Front, Gate, Keyring, Listening, bind};
use crate::handover::{self, Inherited, Offer, Purpose, Rest, Sockets};
use crate::keep::{Before, Bounds, Company, Folder, FolderError, Found, Keeper, PurgeLog};
use crate::link::membership::Membership;
use crate::link::secret::Secret;
use crate::node::{Node, Pops};
use crate::observe::{AccessLog, Metrics, log};
use crate::plan::{Ground, Groups, Loaded, Plan, Reloads};
use crate::stop::Stop;
use crate::witness::Witness;

/// Connections kept open to origins by each thread.
const ORIGIN_POOL: usize = 1024;

/// A config that is well written cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address for peers cannot be listened on.
    #[error("cannot listen for peers on {address}: {cause}")]
    BindPeers {
        /// The address from the config.
        address: std::net::SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// The admin socket cannot be made.
    #[error(transparent)]
    Socket(#[from] crate::admin::SocketError),
    /// The access log cannot be opened.
    #[error("access log: {0}")]
    Log(std::io::Error),
    /// The limits need more tables than the store has.
    #[error(transparent)]
    Tables(#[from] selvedge_state::TableFull),
    /// The metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// What runs cannot be taken over.
    #[error(transparent)]
    Refused(#[from] handover::Refused),
    /// Handles of sockets, for a process that takes over, cannot be had.
    #[error("cannot keep a socket at hand for the next process: {0}")]
    Handles(std::io::Error),
    /// The folder for what outlives the process cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder for the cache on the disk cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Everything bound and made, ready to run.
pub struct Ready {
    node: Arc<Node>,
    listening: Vec<Listening>,
    peers: Option<(Membership, std::net::TcpListener)>,
    admin: std::os::unix::net::UnixListener,
    /// None where no process can take over from this one.
    offer: Option<Offer>,
    rest: Option<Rest>,
}

/// Makes a node of a config that was loaded, and binds its addresses, but for those that a process before it gives.
///
/// # Errors
/// [`BootError`]; nothing runs then, and the process before goes on.
pub fn boot(loaded: Loaded, mut inherited: Option<Inherited>) -> Result<Ready, BootError> {
    let Loaded { entry, config, keyrings, authorities, shelf, membership, ledger } = loaded;
    let mut given = inherited.as_mut().map(|inherited| std::mem::take(&mut inherited.sockets)).unwrap_or_default();
    let (listening, certificates) = listen(&config, keyrings, &mut given)?;
    let clock = Clock::start();
    let started = clock.now();
    let peers =
        membership.zip(config.cluster.as_ref()).map(|(membership, cluster)| join(membership, cluster, &mut given));
    let peers = peers.transpose()?;
    let membership = peers.as_ref().map(|(membership, _)| membership);
    let me = membership.map_or(Actor { pop: PopId(0), node: 0 }, |membership| membership.me);
    let identity = identity(&config, membership, me, started, inherited.as_ref())?;
    let store = Arc::new(store(&config, membership, &identity)?);
    let Identity { folder, found, secret, beside, head } = identity;
    let incarnation = head.incarnation;
    let metrics = Metrics::new()?;
    metrics.config_loaded(&config, started);
    log::notes(&config);
    let groups = Groups::default();
    let pops = pops(&config, membership);
    let reloads = Reloads::new(entry, config.clone(), ledger, started);
    let ground = Ground { store: &store, metrics: &metrics, groups: &groups };
    let plan = Plan::new(config, (authorities, membership), shelf, ground, None)?;
    plan.filters.begin(&store, started);
    let config = &plan.config;
    let before = before(inherited.as_ref(), &found);
    // The tables are there now.
    let mut keeper =
        folder.map(|folder| Keeper::start(folder, &found, head.clone(), config.storage.state_every, &store));
    let is_first = inherited.is_none();
    let taken = inherited.map(|inherited| inherited.restore(&store, head.clone(), beside.as_ref().map(Secret::id)));
    let (rest, took_over) = taken.transpose()?.unzip();
    // After all that is known from before, and before anybody says anything.
    keep_logs(keeper.as_mut(), config, (&clock, beside.as_ref()), &store);
    let purge_log = keeper.as_mut().and_then(|keeper| keeper.log(company(config), before, &store));
    let node = Node {
        clock,
        me,
        incarnation,
        secrets: (secret.id(), beside.as_ref().map(Secret::id)),
        keeper,
        cache: cache(config, purge_log.as_ref(), incarnation, &store)?,
        purge_log,
        waiting: Waiting::default(),
        log: Arc::new(AccessLog::open(&config.admin.log).map_err(BootError::Log)?),
        listening: clients(&listening),
        witness: Witness::default(),
        socket: config.admin.socket.clone(),
        repeats: Default::default(),
        links: OnceLock::new(),
        ready: false.into(),
        handed_over: false.into(),
        took_over: took_over.into(),
        plan: ArcSwap::from_pointee(plan),
        reloads,
        groups,
        certificates,
        metrics,
        pops,
        started,
        store,
    };
    let admin = unix(&mut given, Purpose::Admin(node.socket.clone()), &node.socket)?;
    let secret = peers.is_none().then_some(secret);
    let offer = offer(&node, &listening, peers.as_ref(), &admin, (&mut given, secret, head));
    let offer = offer.inspect_err(|error| log::no_handover(error)).ok();
    // Last of all: what is inherited is gone from the disk, and a start that fails must not lose it. From a process that runs it comes later.
    if is_first {
        inherit(&node, &found, peers.as_ref().map(|(membership, _)| membership.roster.revision()));
    }
    Ok(Ready { node: Arc::new(node), listening, peers, admin, offer, rest })
}

/// An empty store, which knows what is void before anything comes back from disk.
fn store(
    config: &Config,
    membership: Option<&Membership>,
    Identity { secret, beside, head, .. }: &Identity,
) -> Result<Store, getrandom::Error> {
    let store = StoreConfig {
        me: head.actor,
        incarnation: head.incarnation,
        cluster: head.cluster.clone(),
        secret: secret.bytes(),
        secret_beside: beside.as_ref().map(Secret::bytes),
        salt: getrandom::u64()?,
        keys_max: config.storage.keys_max,
        bans_max: config.storage.bans_max,
        roster: membership.map_or(1, |membership| u16::try_from(membership.roster.pops().count()).unwrap_or(u16::MAX)),
    };
    let store = Store::with_bounds(store, bounds(config));
    store.set_voids(membership.map_or(&[], |membership| membership.roster.voids()));
    Ok(store)
}

/// Takes over what the life before had left of quotas.
fn inherit(node: &Node, found: &Found, roster: Option<u64>) {
    match &node.keeper {
        Some(keeper) => keeper.inherit(found, roster, &node.store, node.started),
        None if roster.is_none() => {
            node.store.inherit(Estate::of_one_alone(None), node.started);
        }
        None => {}
    }
}

/// Has what is revoked, and what is run under idempotency keys, written down, where anything outlives the process.
fn keep_logs(
    keeper: Option<&mut Keeper>,
    config: &Config,
    (clock, beside): (&Clock, Option<&Secret>),
    store: &Arc<Store>,
) {
    let (keys, bytes) = (config.storage.idempotency_keys_max, config.storage.idempotency_disk);
    if let Some(keeper) = keeper {
        keeper.keep_runs(Bounds { keys, bytes }, clock);
        keeper.log_revocations(beside.map(Secret::id), store, clock.now());
    }
}

/// A unix socket: the one that was given, or a new one.
fn unix(
    given: &mut Sockets,
    purpose: Purpose,
    path: &std::path::Path,
) -> Result<std::os::unix::net::UnixListener, BootError> {
    Ok(match given.take(&purpose) {
        Some(socket) => socket.into(),
        None => crate::admin::socket(path)?,
    })
}

/// What this process hands over in its turn.
fn offer(
    node: &Node,
    listening: &[Listening],
    peers: Option<&(Membership, std::net::TcpListener)>,
    admin: &std::os::unix::net::UnixListener,
    (given, secret, head): (&mut Sockets, Option<Secret>, SnapshotHead),
) -> Result<Offer, BootError> {
    let path = handover::beside(&node.socket);
    let listener = unix(given, Purpose::Handover(path.clone()), &path)?;
    let mut sockets = Sockets::default();
    let keep = || {
        listening.iter().try_for_each(|listening| listening.keep(&mut sockets))?;
        let asked = node.plan.load().config.cluster.as_ref().map(|cluster| cluster.listen);
        if let (Some((_, peers)), Some(asked)) = (peers, asked) {
            sockets.keep(Purpose::Peers(asked), peers)?;
        }
        sockets.keep(Purpose::Admin(node.socket.clone()), admin)?;
        sockets.keep(Purpose::Handover(path), &listener)
    };
    keep().map_err(BootError::Handles)?;
    Ok(Offer { listener, sockets, secret, head })
}

fn bounds(config: &Config) -> StoreBounds {
    let selvedge_conf::Storage { uniques_max, lists_max, ledgers_max, sessions_max, revocations_max, .. } =
        config.storage;
    StoreBounds { uniques_max, lists_max, ledgers_max, sessions_max, revocations_max, ..StoreBounds::default() }
}

/// The life before this one.
fn before(inherited: Option<&Inherited>, found: &Found) -> Before {
    let running = inherited.map(|inherited| Before::Running(inherited.incarnation()));
    running.or(found.life().map(Before::Ended)).unwrap_or(Before::Unknown)
}

fn cache(
    config: &Config,
    purges: Option<&Arc<PurgeLog>>,
    life: Incarnation,
    store: &Arc<Store>,
) -> Result<&'static Cache, DiskError> {
    let settings = Settings {
        memory: config.storage.memory,
        object_max: usize::try_from(config.storage.object_max).unwrap_or(usize::MAX),
        wait: config.storage.fill_wait,
    };
    Ok(Cache::leak(settings, disk(config, purges, life, store)?, Arc::clone(store)))
}

/// The disk tier of the cache.
fn disk(
    config: &Config,
    purges: Option<&Arc<PurgeLog>>,
    life: Incarnation,
    store: &Arc<Store>,
) -> Result<Option<Disk>, DiskError> {
    let Some((disk, purges)) = config.storage.disk.as_ref().zip(purges) else { return Ok(None) };
    let settings = DiskSettings {
        path: disk.path.clone(),
        capacity: disk.size,
        object_max: usize::try_from(disk.object_max).unwrap_or(usize::MAX),
    };
    Disk::open(&settings, Arc::clone(purges), life, Arc::clone(store)).map(Some)
}

/// Whom the disk tier of the cache has to hear before it serves, if there is one.
fn company(config: &Config) -> Option<Company> {
    let disk = config.storage.disk.as_ref()?;
    Some(if config.cluster.is_none() || disk.alone { Company::Alone } else { Company::Peers })
}

type Bound = (Vec<Listening>, Vec<Arc<Certificates>>);

fn listen(config: &Config, keyrings: Vec<Arc<Keyring>>, given: &mut Sockets) -> Result<Bound, BootError> {
    let mut listening = Vec::new();
    for address in &config.listen.http {
        listening.push(bind(*address, Comer::Client(None), given)?);
    }
    let certificates: Vec<_> = keyrings.into_iter().map(|keyring| Arc::new(Certificates::new(keyring))).collect();
    for (https, certificates) in config.listen.https.iter().zip(&certificates) {
        listening.push(bind(https.address, Comer::Client(Some(Arc::clone(certificates))), given)?);
    }
    if let Some(shield) = config.cluster.as_ref().and_then(|cluster| cluster.shield) {
        listening.push(bind(shield, Comer::Child, given)?);
    }
    Ok((listening, certificates))
}

fn join(
    membership: Membership,
    cluster: &Cluster,
    given: &mut Sockets,
) -> Result<(Membership, std::net::TcpListener), BootError> {
    let listener = match given.take(&Purpose::Peers(cluster.listen)) {
        Some(socket) => socket.into(),
        None => std::net::TcpListener::bind(cluster.listen)
            .map_err(|cause| BootError::BindPeers { address: cluster.listen, cause })?,
    };
    Ok((membership, listener))
}

fn pops(config: &Config, membership: Option<&Membership>) -> Pops {
    let alone = || vec![(PopId(0), config.pop.name.clone())];
    Pops::new(membership.map_or_else(alone, |membership| membership.roster.names()))
}

/// Who a node is, and what it left behind the last time.
struct Identity {
    folder: Option<Folder>,
    found: Found,
    secret: Secret,
    beside: Option<Secret>,
    /// What its snapshots say of themselves.
    head: SnapshotHead,
}

fn identity(
    config: &Config,
    membership: Option<&Membership>,
    me: Actor,
    now: Time,
    inherited: Option<&Inherited>,
) -> Result<Identity, BootError> {
    let folder = config.storage.state.as_deref().map(Folder::open).transpose()?;
    let known = inherited.and_then(Inherited::secret);
    let secret = match (membership, &folder) {
        (Some(membership), _) => membership.secret.clone(),
        (None, Some(folder)) => folder.secret(known)?,
        (None, None) => known.map_or_else(Secret::generate, Ok)?,
    };
    let beside = membership.and_then(|membership| membership.secret_beside.clone());
    let cluster = membership.map_or_else(String::new, |membership| membership.roster.cluster().to_owned());
    let head = SnapshotHead { cluster, secret_id: secret.id().0, actor: me, incarnation: Incarnation(0), at: now };
    // What a process that runs tells is newer than any file.
    let folder_asked = folder.as_ref().filter(|_| inherited.is_none());
    let found = folder_asked.map_or(Found::Nothing, |folder| folder.find(&head, beside.as_ref().map(Secret::id)));
    // The high half of 32 random bits is as random.
    let before = inherited.map(Inherited::incarnation);
    let head = SnapshotHead { incarnation: found.next_life(now, before, (getrandom::u32()? >> 16) as u16), ..head };
    Ok(Identity { folder, found, secret, beside, head })
}

impl Ready {
    /// The node, for those who want to know what became of the config.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Serves until the process is asked to stop.
    ///
    /// # Errors
    /// When the system gives no randomness for the replica.
    pub fn run(self) -> Result<(), BootError> {
        let Ready { node, listening, peers, admin, offer, rest } = self;
        let replica = peers.as_ref().map(|(membership, _)| replica(&node, membership)).transpose()?;
        let (stop, busy, last) = Stop::new();
        // As long as the process before has what is left of quotas, it accepts, and this one does not.
        let (opened, opens) = watch::channel(rest.is_none());
        let conf = server_conf(&node);
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        let mut proxy = http_proxy(&server.configuration, Edge::new(Arc::clone(&node)));
        let bounds = node.plan.load().config.listen.bounds.clone();
        proxy.server_options = Some(crate::edge::server_options(&bounds));
        let threads = server.configuration.threads;
        let door = door(Arc::clone(&node), opens);
        server.add_service(Front::new(listening, Arc::new(proxy), bounds, threads, busy, door));
        let links = peers.zip(replica).map(|((membership, listener), replica)| (membership, listener, replica));
        let log = Arc::clone(&node.log);
        server.add_service(Background::new(Parts { node, links, admin, offer, rest, opened, last }));
        server.run(RunArgs { shutdown_signal: Box::new(stop) });
        log.flush();
        Ok(())
    }
}

/// Who decides about connections, and hears of those that fail.
fn door(node: Arc<Node>, opens: watch::Receiver<bool>) -> Door {
    let (shown, known) = (Arc::clone(&node), Arc::clone(&node));
    let gate = Gate {
        config: Box::new(move || Some(shown.links.get()?.shield())),
        child: Box::new(move |chain| known.links.get()?.child(chain)),
    };
    let admit = Box::new(move |peer| crate::edge::admit(&node, peer));
    Door { admit, report: Box::new(log::accept_failed), opens, gate }
}

/// Where clients connect.
fn clients(listening: &[Listening]) -> Vec<std::net::SocketAddr> {
    let clients = listening.iter().filter(|listening| matches!(listening.comer, Comer::Client(_)));
    clients.map(|listening| listening.address).collect()
}

fn replica(node: &Node, membership: &Membership) -> Result<Replica, getrandom::Error> {
    let config = ReplicaConfig {
        cluster: membership.roster.cluster().to_owned(),
        secret_id: membership.secret.id().0,
        secret_beside: membership.secret_beside.as_ref().map(|secret| secret.id().0),
        roster_revision: membership.roster.revision(),
        me: node.me,
        incarnation: node.incarnation,
        boot: getrandom::u64()?,
        peers: membership.roster.peers(membership.me.pop).map(|pop| pop.id).collect(),
        seed: getrandom::u64()?,
    };
    Ok(Replica::new(config, Arc::clone(&node.store)))
}

/// Pingora's own settings. Its pid file and upgrade socket have fixed names in /tmp by default; ours lie beside the admin
/// socket, so that several nodes on one machine do not meet.
fn server_conf(node: &Node) -> ServerConf {
    let beside = |ending: &str| {
        let mut name = node.socket.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name).to_string_lossy().into_owned()
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    ServerConf {
        threads: match node.plan.load().config.listen.threads {
            0 => cores(),
            threads => threads,
        },
        upstream_keepalive_pool_size: ORIGIN_POOL,
        // The POP that it is fetched through comes first, twice where a kept connection to it is gone.
        max_retries: TRIES + 2,
        pid_file: beside(".pid"),
        upgrade_sock: beside(".upgrade"),
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}
