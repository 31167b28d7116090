//! The program's own log: for people on a terminal, JSON lines elsewhere, always on standard error.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

use selvedge_filters::purge::{Reach, Wanted};
use selvedge_state::{Event, PurgeError, Time};

use super::Metrics;
use crate::admin::report::{Reloaded, Whose};
use crate::keep::{Broken, Forgotten};
use crate::link::LinkEvent;
use crate::node::{Node, Pops};
use crate::plan::{Cause, ReloadError};

/// What is logged unless `SELVEDGE_LOG` says otherwise. Pingora reports each client that goes away as an error, hence its level.
const DEFAULT: &str =
    "info,pingora_proxy=off,pingora_core=error,pingora_cache=error,async_nats=error,h2=error,rustls=error";

/// Starts the log. Later calls change nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env("SELVEDGE_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Fails only when a subscriber is set already, which then stays.
    let _ = if stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().with_ansi(false).try_init()
    };
}

/// The node serves.
pub fn ready(node: &Node) {
    let listening: Vec<String> = node.listening.iter().map(ToString::to_string).collect();
    tracing::info!(pop = node.plan.load().config.pop.name, listening = listening.join(" "), admin = %node.socket.display(), "ready");
}

/// State that outlived the process before was found.
pub fn restored(restored: &crate::admin::report::Restored) {
    let crate::admin::report::Restored { at, taken, left, .. } = restored;
    tracing::info!(at, taken, left, "state of the process before was taken");
}

/// State that outlived another process is not taken; the node goes on without it.
pub fn snapshot_refused(folder: &std::path::Path, cause: &str) {
    tracing::error!(folder = %folder.display(), cause, "the snapshot there is not taken");
}

/// The folder of the cache on the disk is this process's; `forgotten` is why what was there is removed, if so.
pub fn disk_opened(folder: &std::path::Path, (objects, bytes): (u64, u64), forgotten: Option<&crate::keep::Forgotten>) {
    let folder = folder.display();
    match forgotten {
        None => tracing::info!(%folder, objects, bytes, "the cache on the disk is open"),
        Some(cause) => tracing::info!(%folder, %cause, "the cache on the disk is open and begins empty"),
    }
}

/// The cache on the disk is off until the next start.
pub fn disk_off(folder: &std::path::Path, cause: &str) {
    tracing::error!(folder = %folder.display(), cause, "the cache on the disk is off until the next start");
}

/// A file of the cache on the disk is not what was written, and is gone.
pub fn disk_damaged(file: &std::path::Path, cause: &str) {
    tracing::warn!(file = %file.display(), cause, "a file of the cache is damaged: it is gone");
}

/// What became of what the life before had left of quotas.
pub fn inherited(kept: &crate::admin::report::Kept) {
    if let Some(inherited) = &kept.inherited {
        tracing::info!(keys = inherited.keys, left = inherited.left, "quotas of the process before were taken over");
    }
    if let Some(void) = &kept.void {
        tracing::warn!(
            keys = void.keys,
            left = void.left,
            "the process before did not end in order: what it had left of quotas is lost until their periods end"
        );
    }
}

/// What is left of quotas cannot be passed on from one life to the next.
pub fn estate_lost(folder: &std::path::Path, error: &std::io::Error) {
    tracing::error!(folder = %folder.display(), %error, "what is left of quotas is not passed on to the next start");
}

/// Nothing is known of purges in the lives before this one, so all that they stored on disk is gone.
pub(crate) fn purges_forgotten(folder: &std::path::Path, forgotten: &Forgotten) {
    tracing::warn!(folder = %folder.display(), cause = %forgotten, "nothing that was stored on disk before is served");
}

/// Purges are not logged any more.
pub(crate) fn purges_unlogged(path: &std::path::Path, broken: &Broken) {
    tracing::error!(path = %path.display(), cause = %broken, "nothing is served from disk until the next start");
}

/// A log that must not be gone by is still there.
pub(crate) fn purges_remembered(folder: &std::path::Path, error: &std::io::Error) {
    tracing::error!(folder = %folder.display(), %error, "the log of purges cannot be removed; do not go back to what is stored on disk");
}

/// What is run under idempotency keys cannot be written down; told once until it can be.
pub(crate) fn runs_unwritten(folder: &std::path::Path, error: &std::io::Error) {
    tracing::error!(folder = %folder.display(), %error, "requests with an Idempotency-Key are not run: what is about to be run cannot be written down");
}

/// What was run under idempotency keys before may not be known.
pub(crate) fn runs_unknown(path: &std::path::Path, cause: &dyn std::fmt::Display) {
    tracing::error!(path = %path.display(), %cause, "requests with an Idempotency-Key are not run: what was run before is not known; without this file they are run again");
}

/// The response to a request with a key cannot be read.
pub(crate) fn run_lost(folder: &std::path::Path, error: &std::io::Error) {
    tracing::error!(folder = %folder.display(), %error, "a response that was kept for repeats cannot be read");
}

/// A snapshot could not be written.
pub fn snapshot_failed(path: &std::path::Path, error: &std::io::Error) {
    tracing::error!(path = %path.display(), %error, "cannot write a snapshot; trying again");
}

/// What is revoked here is not written down until a snapshot is.
pub(crate) fn revocations_unlogged(folder: &std::path::Path, error: &str) {
    tracing::error!(folder = %folder.display(), error, "what is revoked here is not logged; a crash before the next snapshot may take back what no other POP has heard of");
}

/// More is revoked than fits by name.
pub(crate) fn revocations_full(what: &str, before: selvedge_state::Time) {
    let before =
        jiff::Timestamp::from_millisecond(i64::try_from(before.0).unwrap_or(i64::MAX)).map(|at| at.to_string());
    tracing::warn!(
        what,
        before = before.unwrap_or_default(),
        "more is revoked than [storage] revocations_max: all of this kind that was issued before is over"
    );
}

/// What was revoked before a crash was taken in.
pub(crate) fn revocations_restored(file: &std::path::Path, taken: u64) {
    tracing::info!(file = %file.display(), taken, "what was revoked since the last snapshot was taken in");
}

/// Something of what was revoked before this process began cannot be read.
pub(crate) fn revocations_lost(folder: &std::path::Path, cause: &str) {
    tracing::error!(folder = %folder.display(), cause, "the log of revocations is not whole; what was revoked since the last snapshot and no other POP has heard of may be valid again");
}

/// Sockets and state came from a process that runs.
pub(crate) fn took_over(version: &str, took: &crate::admin::report::TookOver) {
    let crate::admin::report::TookOver { taken, left, error, .. } = took;
    match error {
        None => tracing::info!(version, taken, left, "took over from the running process"),
        Some(error) => tracing::error!(version, error, "took over from the running process, but not what it knew"),
    }
}

/// The process that was taken over from has ended, or says nothing more.
pub(crate) fn predecessor_ended(took: Option<&crate::admin::report::TookOver>) {
    match took.and_then(|took| took.error.as_deref()) {
        None => tracing::info!("the process before has ended, and told all that it knew"),
        Some(error) => tracing::warn!(error, "the process before did not tell all that it knew"),
    }
}

/// The process that was taken over from is gone too soon.
pub(crate) fn predecessor_lost(error: Option<&std::io::Error>) {
    let error = error.map_or_else(|| "it said something else".to_owned(), ToString::to_string);
    tracing::warn!(error, "the process before did not say that it ends");
}

/// No process can take over from this one.
pub(crate) fn no_handover(error: &dyn std::fmt::Display) {
    tracing::warn!(%error, "another process will not be able to take over from this one");
}

/// Somebody else's process asked to take over.
pub(crate) fn stranger(uid: u32) {
    tracing::warn!(uid, "a process of another user asked to take over; refused");
}

/// The successor did not hear the last of what this process knew.
pub(crate) fn successor_missed(error: &std::io::Error) {
    tracing::error!(%error, "the process that took over did not hear the last of what this one knew");
}

/// A process that was to take over did not, or not to the end.
pub(crate) fn successor_failed(error: &std::io::Error) {
    tracing::error!(%error, "a process that was to take over did not");
}

/// A process has taken over; this one finishes what it has.
pub(crate) fn handed_over() {
    tracing::info!("another process has taken over");
}

/// What is well written in a config, and may surprise.
pub(crate) fn notes(config: &selvedge_conf::Config) {
    for session in &config.sessions {
        if let Some(note) = session.note() {
            tracing::warn!(place = %session.place, "{note}");
        }
    }
    if let Some((challenge, note)) =
        config.challenge.as_ref().and_then(|challenge| Some((challenge, challenge.note()?)))
    {
        tracing::warn!(place = %challenge.place, "{note}");
    }
    for limit in &config.limits {
        if let Some(note) = limit.note() {
            tracing::warn!(place = %limit.place, "{note}");
        }
    }
}

/// The node was asked to end.
pub fn stopping() {
    tracing::info!("stopping: finishing the requests in progress");
}

/// Another config is in force.
pub(crate) fn reloaded(reloaded: &Reloaded, cause: Cause) {
    let Reloaded { from, to, changed, needs_restart } = reloaded;
    let changed: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
    let (changed, cause) = (changed.join(" "), cause.as_str());
    if needs_restart.is_empty() {
        tracing::info!(from, to, changed, cause, "config reloaded");
    } else {
        let keys = needs_restart.join(" ");
        tracing::warn!(from, to, changed, cause, needs_restart = keys, "config reloaded, but for what needs a restart");
    }
}

/// A config could not be used; the one before it goes on.
pub(crate) fn reload_failed(error: &ReloadError, cause: Cause) {
    tracing::error!(error = error.first, cause = cause.as_str(), "config not reloaded; the old one goes on");
}

/// A client's connection could not be accepted; the next one may be.
pub fn accept_failed(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
}

/// A rule of the connection phase that wants to be named here matched. At most one line a second: clients make connections, and
/// must not make log lines at will. The metric counts all of them.
pub fn connection_rule(rule: &str, client: std::net::IpAddr, now: Time) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let second = now.0 / 1000;
    if LAST.swap(second, Ordering::Relaxed) != second {
        tracing::info!(rule, %client, "a rule matched a connection");
    }
}

/// An operator keeps the node apart, or lets it join again.
pub fn apart(apart: bool) {
    match apart {
        true => tracing::warn!("this POP keeps apart: it exchanges nothing with the others"),
        false => tracing::info!("this POP exchanges with the others again"),
    }
}

/// Something was purged here.
pub(crate) fn purged(wanted: &[Wanted], reach: Reach, by: &str) {
    let first = wanted.first().map(|wanted| wanted.name().to_string()).unwrap_or_default();
    tracing::info!(purges = wanted.len(), first, reach = reach.as_str(), by, "purged");
}

/// Something was revoked here at somebody's word.
pub(crate) fn revoked(all: &[Whose], realm: Option<&str>, by: &str) {
    let (sessions, others): (Vec<_>, Vec<_>) = all.iter().partition(|whose| matches!(whose, Whose::Session(_)));
    let first = all.first().map(|whose| match whose {
        Whose::Session(name) | Whose::User(name) | Whose::Tenant(name) | Whose::Token(name) => name,
    });
    tracing::info!(sessions = sessions.len(), others = others.len(), first, realm, by, "revoked");
}

/// Something that an origin said to purge was not.
pub(crate) fn purge_failed(error: &PurgeError) {
    tracing::error!(%error, "what a response said to purge is not");
}

/// The peer links cannot start; the node goes on alone.
pub fn links_failed(error: &std::io::Error) {
    tracing::error!(%error, "peer links cannot start; this POP counts alone");
}

/// Something happened on the peer links: counted by name, and logged if an operator should hear of it.
pub fn link_event(event: &LinkEvent, metrics: &Metrics, pops: &Pops) {
    match event {
        LinkEvent::Replica(event) => replica_event(event, metrics, pops),
        LinkEvent::Up { pop, way } => {
            metrics.event("link_up");
            tracing::info!(peer = pops.name(*pop), %way, "link up");
        }
        LinkEvent::Down { pop, cause } => {
            metrics.event("link_down");
            tracing::warn!(peer = pops.name(*pop), %cause, "link down");
        }
        LinkEvent::FabricUp => {
            metrics.event("nats_up");
            tracing::info!("connected to NATS");
        }
        LinkEvent::FabricDown(cause) => {
            metrics.event("nats_down");
            tracing::warn!(cause, "no NATS; this node counts alone until it is back");
        }
        LinkEvent::FabricTrouble(cause) => {
            metrics.event("nats_trouble");
            tracing::warn!(cause, "NATS complains");
        }
        LinkEvent::Unlisted(cause) => {
            metrics.event("unlisted");
            tracing::warn!(cause, "cannot tell the other nodes where this one is reached");
        }
        LinkEvent::Unreachable { pop, cause } => {
            metrics.event("unreachable");
            tracing::debug!(peer = pops.name(*pop), cause, "cannot reach a peer; trying again");
        }
        LinkEvent::Refused(refusal) => {
            metrics.event("refused");
            // One line for the first of its like: a scanner must not fill the log.
            if refusal.times == 1 {
                tracing::warn!(from = refusal.from, cause = %refusal.cause, "peer connection refused");
            }
        }
        LinkEvent::AcceptFailed(cause) => {
            metrics.event("accept_failed");
            tracing::warn!(cause, "cannot accept a peer's connection");
        }
        LinkEvent::Fault(cause) => {
            metrics.event("fault");
            tracing::error!(cause, "a defect in the peer links was caught");
        }
    }
}

fn replica_event(event: &Event, metrics: &Metrics, pops: &Pops) {
    let (name, pop) = match event {
        Event::PeerUp { actor, .. } => ("peer_up", actor.pop),
        Event::PeerDown { actor } => ("peer_down", actor.pop),
        Event::RosterDiffers { pop, .. } => ("roster_differs", *pop),
        Event::SecretDiffers { pop, .. } => ("secret_differs", *pop),
        Event::SameIncarnation { actor, .. } => ("same_incarnation", actor.pop),
        Event::Retires { actor, .. } => ("retires", actor.pop),
        Event::Undecodable { pop, .. } => ("undecodable", *pop),
        Event::ForeignAuthor { pop, .. } => ("foreign_author", *pop),
        Event::ForeignAck { pop } => ("foreign_ack", *pop),
        Event::UnknownTable { pop, .. } => ("unknown_table", *pop),
        Event::ClockAhead { pop } => ("clock_ahead", *pop),
        Event::ClocksDiffer { actor, .. } => ("clocks_differ", actor.pop),
        Event::ClocksAgree { actor } => ("clocks_agree", actor.pop),
        Event::ClockWrong { .. } => {
            metrics.event("clock_wrong");
            return tracing::error!("{event}");
        }
        Event::ClockRight => {
            metrics.event("clock_right");
            return tracing::info!("{event}");
        }
        Event::Implausible { pop } => ("implausible", *pop),
        Event::Barred { pop, .. } => ("barred", *pop),
        Event::NoRoom { pop } => ("no_room", *pop),
        Event::Over { pop } => ("over", *pop),
        Event::VoidAuthor { pop, .. } => ("void_author", *pop),
        Event::FellBehind { pop } => ("fell_behind", *pop),
        Event::Void { .. } => {
            metrics.event("void");
            return tracing::error!("{event}");
        }
        Event::Broken { rule } => {
            metrics.event("broken");
            return tracing::error!(rule, "a rule of the replica is broken; it goes on");
        }
    };
    let peer = pops.name(pop);
    metrics.peer_event(&peer, name);
    match event {
        Event::PeerUp { .. } | Event::Retires { .. } | Event::ClocksAgree { .. } => tracing::info!(peer, "{event}"),
        _ => tracing::warn!(peer, "{event}"),
    }
}
