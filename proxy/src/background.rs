//! What runs beside the requests: peer links, the admin socket, name resolution, reloads, and the sweeping of expired state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use selvedge_state::Replica;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::edge::origin::resolve;
use crate::keep;
use crate::link::membership::Membership;
use crate::link::{LinkConfig, LinkEvent, Links};
use crate::node::Node;
use crate::observe::log;
use crate::plan::{Cause, reload, watch};
use crate::stop::{Busy, hangup};

/// How often expired state is swept. Each sweep does a bounded piece of work.
const SWEEP: Duration = Duration::from_millis(250);

/// How long the first lookup of origin names may hold up readiness.
const FIRST_LOOKUP: Duration = Duration::from_secs(2);

/// The service that owns everything beside the requests.
pub(crate) struct Background {
    parts: Option<Parts>,
}

struct Parts {
    node: Arc<Node>,
    links: Option<(Membership, std::net::TcpListener, Replica)>,
    admin: std::os::unix::net::UnixListener,
    busy: Busy,
}

impl Background {
    /// Everything beside the requests, for one node.
    pub(crate) fn new(
        node: Arc<Node>,
        links: Option<(Membership, std::net::TcpListener, Replica)>,
        admin: std::os::unix::net::UnixListener,
        busy: Busy,
    ) -> Background {
        Background { parts: Some(Parts { node, links, admin, busy }) }
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
        let Parts { node, links, admin, busy } = self;
        let mut asked = busy.asked();
        let reloads = tokio::spawn(reload_on_signal(Arc::clone(&node)));
        if let Some((membership, listener, replica)) = links {
            match start_links(&node, membership, listener, replica, busy.asked()) {
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
        let socket = tokio::spawn(crate::admin::serve(admin, Arc::clone(&node)));
        node.ready.store(true, Ordering::Relaxed);
        log::ready(&node);
        let _ = asked.wait_for(|stop| *stop).await;
        node.ready.store(false, Ordering::Relaxed);
        log::stopping();
        reloads.abort();
        watcher.abort();
        if let Some(links) = node.links.get() {
            links.stopped().await;
        }
        // After the links, so that it holds what peers said last.
        keeping.abort();
        keep::write(&node).await;
        socket.abort();
        // The socket's file would only be stale; a failure to remove it is mended by the next start.
        let _ = std::fs::remove_file(&node.socket);
        drop(busy);
    }
}

fn start_links(
    node: &Arc<Node>,
    membership: Membership,
    listener: std::net::TcpListener,
    replica: Replica,
    shutdown: ShutdownWatch,
) -> std::io::Result<Arc<Links>> {
    let Membership { roster, identity, nats, .. } = membership;
    let me = node.me;
    let watcher = Arc::clone(node);
    let on_event = Box::new(move |event: &LinkEvent| log::link_event(event, &watcher.metrics, &watcher.pops));
    let watched = Arc::clone(node);
    let on_watch = Box::new(move |_, stream| {
        let answer: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(crate::admin::answer_peer(Arc::clone(&watched), stream));
        answer
    });
    let config = LinkConfig { roster, me, identity, listener, nats, on_event, on_watch };
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
