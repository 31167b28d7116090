//! What runs beside the requests: peer links, the admin socket, name resolution, reloads, and the sweeping of expired state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use selvedge_conf::Measure;
use selvedge_filters::revocation::{self, Held};
use selvedge_state::{Replica, Standing};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::edge::origin::resolve;
use crate::handover::{self, Begun, End, Offer, Rest};
use crate::keep;
use crate::link::membership::Membership;
use crate::link::{LinkConfig, LinkEvent, Links};
use crate::node::Node;
use crate::observe::log;
use crate::plan::{self, Cause, reload};
use crate::stop::{Last, hangup, heard};

/// How often expired state is swept, and what was said at run time is heeded. Each sweep does a bounded piece of work.
const SWEEP: Duration = Duration::from_millis(250);

/// Between two looks at whether the peers were heard.
const LOOK: Duration = Duration::from_millis(50);

/// How long the process before may take to answer that this one serves.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long what is left of quotas may take to come, before clients are accepted without it.
const RIGHTS_WITHIN: Duration = Duration::from_secs(2);

/// How long the first lookup of origin names may hold up readiness.
const FIRST_LOOKUP: Duration = Duration::from_secs(2);

/// The service that owns everything beside the requests.
pub(crate) struct Background {
    parts: Option<Parts>,
}

/// Everything beside the requests, for one node.
pub(crate) struct Parts {
    pub(crate) node: Arc<Node>,
    pub(crate) links: Option<(Membership, std::net::TcpListener, Replica)>,
    pub(crate) admin: std::os::unix::net::UnixListener,
    /// What it gives to a process that takes over from it.
    pub(crate) offer: Option<Offer>,
    /// What the process that it took over from still says.
    pub(crate) rest: Option<Rest>,
    /// Lets the front accept connections.
    pub(crate) opened: watch::Sender<bool>,
    pub(crate) last: Last,
}

impl Background {
    /// A service of these parts.
    pub(crate) fn new(parts: Parts) -> Background {
        Background { parts: Some(parts) }
    }
}

#[async_trait]
impl Service for Background {
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _listeners_per_fd: usize) {
        if let Some(parts) = self.parts.take() {
            parts.run().await;
        }
    }

    fn name(&self) -> &str {
        "background"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

impl Parts {
    async fn run(self) {
        let Parts { node, links, admin, offer, rest, opened, last } = self;
        let mut asked = last.asked();
        let reloads = tokio::spawn(reload_on_signal(Arc::clone(&node)));
        if let Some((membership, listener, replica)) = links {
            match start_links(&node, membership, listener, replica, last.drained()) {
                Ok(links) => {
                    let _ = node.links.set(links);
                }
                Err(error) => log::links_failed(&error),
            }
        }
        tokio::spawn(sweep(Arc::clone(&node)));
        tokio::spawn(hear_peers(Arc::clone(&node)));
        let keeping = tokio::spawn(keep::keep(Arc::clone(&node)));
        // A name that does not resolve must not keep the other origins from being served.
        let origins: Vec<_> = node.plan.load().named().cloned().collect();
        let _ = timeout(FIRST_LOOKUP, resolve::once(&origins)).await;
        resolve::keep(&origins);
        drop(origins);
        let watcher = tokio::spawn(plan::watch(Arc::clone(&node)));
        node.ready.store(true, Ordering::Relaxed);
        let Succession { before, tenure, inherited } = match rest {
            Some(_) if *asked.borrow() => Succession { tenure: Tenure::Never, ..Succession::default() },
            Some(rest) => begin(rest, &node, &mut asked).await,
            None => Succession::default(),
        };
        if tenure == Tenure::Never {
            // The process before goes on; what is the node's is not this one's.
            node.ready.store(false, Ordering::Relaxed);
            keeping.abort();
            last.asker().send_replace(true);
            return;
        }
        let admin = tokio::spawn(crate::admin::serve(admin, Arc::clone(&node)));
        let socket = admin.abort_handle();
        let end = End { ask: last.asker(), drained: last.drained(), admin, before };
        if let Some(inherited) = inherited.filter(|_| has_quotas(&node)) {
            tokio::select! {
                _ = timeout(RIGHTS_WITHIN, inherited) => {}
                () = heard(&mut asked) => {}
            }
        }
        opened.send_replace(true);
        let handing = offer.map(|offer| tokio::spawn(handover::serve(offer, Arc::clone(&node), end)));
        log::ready(&node);
        heard(&mut asked).await;
        node.ready.store(false, Ordering::Relaxed);
        log::stopping();
        reloads.abort();
        watcher.abort();
        // What the last requests count is told, too.
        heard(&mut last.drained()).await;
        if !node.has_handed_over() {
            // Before what is told last, and kept last: what is left of quotas is the next life's.
            node.store.close_rights(None, node.clock.now());
        }
        if let Some(links) = node.links.get() {
            links.stopped().await;
        }
        if let Some(handing) = handing {
            // It heard that the process ends, too. How it went is in the log.
            let _ = handing.await;
        }
        // After the links, so that it holds what peers said last.
        keeping.abort();
        keep::close(&node).await;
        socket.abort();
        if !node.has_handed_over() {
            // The files of sockets would only be stale; a failure to remove them is mended by the next start.
            let paths = [node.socket.clone(), handover::beside(&node.socket)];
            paths.iter().for_each(|path| drop(std::fs::remove_file(path)));
        }
        drop(last);
    }
}

fn has_quotas(node: &Node) -> bool {
    node.plan.load().config.limits.iter().any(|limit| matches!(limit.measure, Measure::Quota(_)))
}

/// How this process came to the node.
#[derive(Debug, Default)]
struct Succession {
    /// Hears the rest of what the process before says.
    before: Option<JoinHandle<()>>,
    tenure: Tenure,
    /// Hears when what that one had left of quotas is here.
    inherited: Option<oneshot::Receiver<()>>,
}

/// Whose the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tenure {
    /// This process's.
    #[default]
    Alone,
    /// Another one's, now as before.
    Never,
}

/// Says to the process before that this one serves, and waits until that one takes no more work: operators hear of one or the other, never of
/// both in turns. What it still tells comes meanwhile.
async fn begin(rest: Rest, node: &Arc<Node>, asked: &mut watch::Receiver<bool>) -> Succession {
    let (follower, (begun, answer), (came, inherited)) = (Arc::clone(node), oneshot::channel(), oneshot::channel());
    let following = tokio::task::spawn_blocking(move || handover::follow(rest, &follower, (begun, came)));
    let begun = tokio::select! {
        begun = timeout(ANSWER_WITHIN, answer) => begun,
        // It was told that this one serves, so it is for this one to end the node.
        () = heard(asked) => return Succession::default(),
    };
    let tenure = match begun {
        Ok(Ok(Begun::Not)) => Tenure::Never,
        // One that hangs has heard it all the same.
        Ok(Ok(Begun::Alone) | Err(_)) | Err(_) => Tenure::Alone,
    };
    Succession { before: Some(following), tenure, inherited: Some(inherited) }
}

fn start_links(
    node: &Arc<Node>,
    membership: Membership,
    listener: std::net::TcpListener,
    replica: Replica,
    shutdown: ShutdownWatch,
) -> std::io::Result<Arc<Links>> {
    let Membership { roster, address, identity, nats, .. } = membership;
    let me = node.me;
    let watcher = Arc::clone(node);
    let on_event = Box::new(move |event: &LinkEvent| log::link_event(event, &watcher.metrics, &watcher.pops));
    let watched = Arc::clone(node);
    let on_watch = Box::new(move |_, stream| {
        let answer: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(crate::admin::answer_peer(Arc::clone(&watched), stream));
        answer
    });
    let asked = Arc::clone(node);
    let on_fetch = Box::new(move |_, stream| {
        let answer: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(crate::admin::answer_fetch(Arc::clone(&asked), stream));
        answer
    });
    let config = LinkConfig { roster, me, address, identity, listener, nats, on_event, on_watch, on_fetch };
    Links::start(config, replica, Arc::clone(&node.store), node.clock.clone(), shutdown)
}

async fn reload_on_signal(node: Arc<Node>) {
    let Some(mut signals) = hangup() else { return };
    while signals.recv().await.is_some() {
        // What went wrong is logged and in the status already.
        let _ = reload(&node, Cause::Signal).await;
    }
}

/// Waits until each peer has said what it knows, or had the time to: what may be served from disk has to have heard of their purges.
async fn hear_peers(node: Arc<Node>) {
    let Some(log) = &node.purge_log else { return };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while node.store.peers(node.clock.now()).standing != Standing::Settled {
        looks.tick().await;
    }
    log.heard_peers();
}

/// Drops what expired, and takes note of what other POPs said of keys of limits.
async fn sweep(node: Arc<Node>) {
    let (mut ticks, mut heeded, mut full) = (interval(SWEEP), 0, Vec::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.store.sweep(node.clock.now());
        let heard = node.store.registers_heard();
        if heard != heeded {
            heeded = heard;
            node.plan.load().filters.heed(&node.store, node.clock.now());
        }
        for Held { what, floor, .. } in revocation::held(&node.store) {
            // Once: it rises with each that does not fit.
            if let Some(floor) = floor.filter(|_| !full.contains(&what)) {
                full.push(what);
                log::revocations_full(what, floor);
            }
        }
    }
}
