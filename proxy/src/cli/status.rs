//! `selvedge status`: one page about a node and its peers.

use std::fmt::Write;

use super::overrides;
use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::report::{Cluster, ConfigStatus, Kept, Nats, PurgesKept, RevocationsKept, RunsKept, Status};

/// A wall clock that is this far away is not just being followed: it was set, ms.
const WALL_OFF_MS: u64 = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn status(args: &Args) -> Result<Render, Failure> {
    let socket = args.socket.path()?;
    let status: Status = ask(crate::admin::get(&socket, "/v1/status"))?;
    Ok(Render::new(page(&status), &status))
}

fn page(status: &Status) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "{}  selvedge {}  {}  up {} s",
        status.pop,
        status.version,
        if status.ready { "ready" } else { "not ready" },
        status.uptime_ms / 1000
    );
    let listening: Vec<String> = status.listening.iter().map(ToString::to_string).collect();
    let _ = writeln!(page, "listens on {}", listening.join(", "));
    if status.wall_ahead_ms.unsigned_abs() >= WALL_OFF_MS {
        let (off, way) =
            (status.wall_ahead_ms.unsigned_abs(), if status.wall_ahead_ms < 0 { "behind" } else { "ahead of" });
        let _ = writeln!(
            page,
            "WALL CLOCK STEPPED: it is {off} ms {way} node time, which takes it up at once after a restart"
        );
    }
    config_page(&mut page, &status.config, status.now);
    let cache = &status.cache;
    let _ = writeln!(
        page,
        "cache {} objects, {} of {} bytes; {} bans",
        cache.objects, cache.bytes, cache.bytes_max, status.bans
    );
    if let Some(disk) = &cache.disk {
        let off = if disk.on { "" } else { "; OFF, see the log" };
        let _ = writeln!(page, "on the disk {} objects, {} of {} bytes{off}", disk.objects, disk.bytes, disk.bytes_max);
    }
    if !status.partial.is_empty() {
        let _ = writeln!(page, "PARTIAL: more keys than fit are counted by {}", status.partial.join(", "));
    }
    for held in &status.overrides {
        let _ = write!(page, "limit override {}", overrides::line(held));
    }
    if let Some(kept) = &status.kept {
        kept_page(&mut page, kept, status.now);
    }
    if let Some(took) = &status.took_over {
        let ago = status.now.saturating_sub(took.at) / 1000;
        let _ = writeln!(page, "took over from a running process {ago} s ago: {} things", took.taken);
        if let Some(error) = &took.error {
            let _ = writeln!(page, "  NOT ALL TAKEN: {error}");
        }
    }
    for origin in &status.origins {
        for server in &origin.servers {
            let state = if server.ejected {
                "EJECTED"
            } else if server.addresses.is_empty() {
                "UNRESOLVED"
            } else if server.drains {
                "drains"
            } else {
                "ok"
            };
            let _ = writeln!(page, "origin {}  {}  {state}", origin.name, server.name);
        }
        if let Some(shield) = &origin.shield {
            let _ = writeln!(page, "origin {}  through {}  {}", origin.name, shield.pop, shield.state);
        }
    }
    match &status.cluster {
        Some(cluster) => cluster_page(&mut page, cluster, status.now),
        None => page.push_str("alone: no [cluster] in the config\n"),
    }
    page
}

fn config_page(page: &mut String, config: &ConfigStatus, now: u64) {
    let ago = |then: u64| now.saturating_sub(then) / 1000;
    let path = config.path.as_ref().map_or("the command line".to_owned(), |path| path.display().to_string());
    let _ = writeln!(page, "config {} of {path}, loaded {} s ago", config.revision, ago(config.loaded_at));
    if !config.needs_restart.is_empty() {
        let _ = writeln!(page, "needs a restart: {}", config.needs_restart.join(", "));
    }
    if let Some(error) = &config.last_error {
        let _ = writeln!(page, "RELOAD FAILED {} s ago:", ago(config.failed_at.unwrap_or(now)));
        error.lines().for_each(|line| page.extend(["  ", line, "\n"]));
    }
}

fn kept_page(page: &mut String, kept: &Kept, now: u64) {
    let ago = |then: u64| now.saturating_sub(then) / 1000;
    let written = match (kept.written_at, kept.bytes) {
        (Some(at), Some(bytes)) => format!("{bytes} bytes written {} s ago", ago(at)),
        _ => "nothing written yet".to_owned(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(page, "state in {}: {written}", kept.path.display());
    if let Some(restored) = &kept.restored {
        let _ = writeln!(page, "  {} things taken over from {} s ago", restored.taken, ago(restored.at));
    }
    if let Some(inherited) = kept.inherited.as_ref().filter(|inherited| inherited.keys > 0) {
        let _ = writeln!(page, "  quotas of {} keys taken over", inherited.keys);
    }
    if let Some(void) = &kept.void {
        let _ = writeln!(page, "  QUOTAS LOST until their periods end: {} keys, after a crash", void.keys);
    }
    if let Some(cause) = &kept.refused {
        let _ = writeln!(page, "  NOT TAKEN OVER: {cause}");
    }
    match &kept.purges {
        Some(PurgesKept { error: Some(error), .. }) => {
            let _ = writeln!(page, "  PURGES NOT LOGGED: {error}; nothing is served from disk until the next start");
        }
        Some(PurgesKept { serves: false, .. }) => {
            page.push_str("  nothing is served from disk until all others said what they purged\n")
        }
        _ => {}
    }
    if let Some(forgotten) = kept.purges.as_ref().and_then(|purges| purges.forgotten.as_ref()) {
        let _ = writeln!(page, "  nothing that was stored on disk before is served: {forgotten}");
    }
    logs_page(page, kept);
    if let Some(error) = &kept.error {
        let _ = writeln!(page, "  NOT WRITTEN: {error}");
    }
}

fn logs_page(page: &mut String, kept: &Kept) {
    // Writing to a String cannot fail.
    if let Some(RunsKept { keys, bytes, error }) =
        kept.runs.as_ref().filter(|runs| runs.bytes > 0 || runs.error.is_some())
    {
        let _ = writeln!(page, "  {keys} idempotency keys, {bytes} bytes");
        if let Some(error) = error {
            let _ = writeln!(page, "  NOT RUN, requests with an idempotency key: {error}");
        }
    }
    if let Some(RevocationsKept { bytes: _, error, damaged }) = &kept.revocations {
        if let Some(error) = error {
            let _ = writeln!(page, "  REVOCATIONS NOT LOGGED until the next snapshot: {error}");
        }
        if let Some(damaged) = damaged {
            let _ = writeln!(page, "  REVOCATIONS LOST, as far as no other POP has heard of them: {damaged}");
        }
    }
}

fn nats_page(page: &mut String, nats: &Nats, node: u32, now: u64) {
    // Writing to a String cannot fail.
    let _ = match nats.connected_at {
        Some(at) => writeln!(
            page,
            "NATS connected {} s ago; this is node {node}, {} others there; {} messages lost",
            now.saturating_sub(at) / 1000,
            nats.nodes,
            nats.lost
        ),
        None => writeln!(page, "NO NATS: this node goes on alone, and tries again"),
    };
    if let Some(error) = &nats.error {
        let _ = writeln!(page, "  last trouble: {error}");
    }
}

fn cluster_page(page: &mut String, cluster: &Cluster, now: u64) {
    let apart = if cluster.apart { "   KEEPS APART: `selvedge cluster join` ends it" } else { "" };
    // Where a POP has several nodes, or may, they are told apart.
    let several = cluster.nats.is_some() || cluster.node > 0 || cluster.peers.iter().any(|peer| peer.node > 0);
    let what = if several { "nodes" } else { "POPs" };
    let Cluster { heard, roster, lag_ms, .. } = cluster;
    let _ = writeln!(page, "cluster  {heard} of {roster} {what} heard, lag {lag_ms} ms{apart}");
    if let Some(nats) = &cluster.nats {
        nats_page(page, nats, cluster.node, now);
    }
    if let Some(beside) = &cluster.secret_beside {
        let _ = writeln!(page, "secret {} in force, {beside} beside it", cluster.secret);
    }
    match cluster.standing.as_str() {
        "warming" => page
            .push_str("warming: not every POP has said yet what it knows; limits go by the share of those that have\n"),
        "clock" => {
            let _ = writeln!(
                page,
                "CLOCK: most POPs are {} ms from this one's time, so it counts for itself alone; a restart takes the wall clock as it is",
                cluster.offset_ms
            );
        }
        _ => {}
    }
    let _ = writeln!(page, "\n  {:<12} {:<12} {:>8} {:>8} {:>8} {:>8}", "POP", "link", "lag", "rtt", "clock", "behind");
    let millis = |value: Option<u64>| value.map_or("-".to_owned(), |ms| format!("{ms} ms"));
    for peer in &cluster.peers {
        let (lag, rtt) = (millis(peer.lag_ms), millis(peer.rtt_ms));
        let clock = peer.offset_ms.map_or("-".to_owned(), |ms| format!("{ms:+} ms"));
        let name = if several { format!("{}/{}", peer.pop, peer.node) } else { peer.pop.clone() };
        let _ = write!(page, "  {name:<12} {:<12} {lag:>8} {rtt:>8} {clock:>8} {:>8}", peer.state, peer.behind);
        if peer.draining.is_some() {
            let _ = write!(page, "  handing over");
        }
        if peer.clock == "differs" {
            let _ = write!(page, "  CLOCK DIFFERS");
        }
        if let Some(secret) = peer.secret.as_ref().filter(|secret| **secret != cluster.secret) {
            let _ = write!(page, "  SECRET {secret}");
        }
        let _ = match &peer.error {
            Some(error) => writeln!(page, "  {error}"),
            None => writeln!(page),
        };
    }
    for refused in &cluster.refused {
        let _ = writeln!(page, "refused {}: {}", refused.address, refused.cause);
    }
}
