//! What runs beside the requests: peer links, the admin socket, name resolution, reloads, and the sweeping of expired state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use selvedge_state::Replica;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::edge::origin::resolve;
use crate::handover::{self, End, Offer, Rest};
use crate::keep;
use crate::link::membership::Membership;
use crate::link::{LinkConfig, LinkEvent, Links};
use crate::node::Node;
use crate::observe::log;
use crate::plan::{Cause, reload, watch};
use crate::stop::{Last, hangup};

/// How often expired state is swept. Each sweep does a bounded piece of work.
const SWEEP: Duration = Duration::from_millis(250);

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
    pub(crate) offer: Offer,
    /// What the process that it took over from still says.
    pub(crate) rest: Option<Rest>,
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
        let Parts { node, links, admin, offer, rest, last } = self;
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
        let keeping = tokio::spawn(keep::keep(Arc::clone(&node)));
        // A name that does not resolve must not keep the other origins from being served.
        let origins = node.plan.load().origins.clone();
        let _ = timeout(FIRST_LOOKUP, resolve::once(&origins)).await;
        resolve::keep(&origins);
        drop(origins);
        let watcher = tokio::spawn(watch(Arc::clone(&node)));
        node.ready.store(true, Ordering::Relaxed);
        if let Some(rest) = rest {
            let (node, (left, heard)) = (Arc::clone(&node), oneshot::channel());
            tokio::task::spawn_blocking(move || handover::follow(rest, &node, left));
            // Operators hear of one process or the other, never of both in turns.
            let _ = heard.await;
        }
        let admin = tokio::spawn(crate::admin::serve(admin, Arc::clone(&node)));
        let socket = admin.abort_handle();
        let end = End { ask: last.asker(), drained: last.drained(), admin };
        let handing = tokio::spawn(handover::serve(offer, Arc::clone(&node), end));
        log::ready(&node);
        let _ = asked.wait_for(|stop| *stop).await;
        node.ready.store(false, Ordering::Relaxed);
        log::stopping();
        reloads.abort();
        watcher.abort();
        if node.handed_over.get().is_none() {
            // Nobody else has these sockets: a client that comes now is to be refused, not left waiting.
            handing.abort();
        }
        // What the last requests count is told, too.
        let _ = last.drained().wait_for(|drained| *drained).await;
        if let Some(links) = node.links.get() {
            links.stopped().await;
        }
        // After the links, so that it holds what peers said last.
        keeping.abort();
        keep::write(&node).await;
        socket.abort();
        match node.handed_over.get() {
            // How that went is in the log.
            Some(_) => drop(handing.await),
            // The files of sockets would only be stale; a failure to remove them is mended by the next start.
            None => [node.socket.clone(), handover::beside(&node.socket)]
                .iter()
                .for_each(|path| drop(std::fs::remove_file(path))),
        }
        drop(last);
    }
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
    let config = LinkConfig { roster, me, address, identity, listener, nats, on_event, on_watch };
    Links::start(config, replica, Arc::clone(&node.store), node.clock.clone(), shutdown)
}

async fn reload_on_signal(node: Arc<Node>) {
    let Some(mut signals) = hangup() else { return };
    while signals.recv().await.is_some() {
        // What went wrong is logged and in the status already.
        let _ = reload(&node, Cause::Signal).await;
    }
}

async fn sweep(node: Arc<Node>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.store.sweep(node.clock.now());
    }
}
