//! Three POPs as processes, with links by mutual TLS, as `selvedge init` makes them; each has one limit for each class.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selvedge_filters::limit::Bound;
use selvedge_filters::{Filters, Tables};
use selvedge_state::ERA;
use serde_json::Value;

use super::relay::Relay;
use super::{CLASSES, POPS, Rate};
use crate::programs::Program;
use crate::server::{Folder, Server, free_port};

/// How long they may take to hear one another.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// After an era began, until what it brings is there.
const MARGIN: Duration = Duration::from_secs(2);

/// Three POPs that run.
pub(super) struct Cluster {
    pub(super) ports: Vec<u16>,
    /// Before the peer port of the last one.
    pub(super) relay: Relay,
    bounds: Vec<(String, Bound)>,
    /// From when on each has its share of what is shared out.
    shared_out: SystemTime,
    /// Ended with it.
    _servers: Vec<Server>,
}

impl Cluster {
    /// Starts them, and waits until all hear one another.
    pub(super) fn start(folder: &Folder, program: &Path, origin: u16, rate: Rate) -> Result<Cluster, String> {
        let peer_ports = POPS.map(|_| free_port()).into_iter().collect::<Result<Vec<_>, String>>()?;
        let relay = Relay::start(*peer_ports.last().ok_or("no POPs")?)?;
        let out = folder.path().join("cluster");
        init(program, &out, &peer_ports, &relay)?;
        let mut cluster = Vec::new();
        let mut bounds = Vec::new();
        for (name, peer_port) in POPS.into_iter().zip(peer_ports) {
            let port = free_port()?;
            let text = config(name, [port, peer_port, origin], rate);
            bounds = bounds_of(&text)?;
            let path = folder.write(&format!("cluster/{name}/selvedge.toml"), &text)?;
            let arguments = vec!["run".to_owned(), "--config".to_owned(), path];
            cluster.push(Server::start(folder, &Program { name, path: program.to_owned(), arguments, port })?);
        }
        until_all_heard(program, &out)?;
        // A life has a share from the first era on that begins a minute after all know of one another.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let era = Duration::from_millis(ERA).as_secs().max(1);
        let began = (now.as_secs() / era + 2) * era;
        let shared_out = UNIX_EPOCH + Duration::from_secs(began) + MARGIN;
        let ports = cluster.iter().map(|server| server.port).collect();
        Ok(Cluster { ports, relay, bounds, shared_out, _servers: cluster })
    }

    /// What the limit of a class promises.
    pub(super) fn bound(&self, class: &str) -> Result<Bound, String> {
        let found = self.bounds.iter().find(|(name, _)| name == class);
        found.map(|(_, bound)| *bound).ok_or_else(|| format!("there is no limit {class:?}"))
    }

    /// Waits until each POP has its share of what is shared out.
    pub(super) fn until_shared_out(&self) {
        if let Ok(left) = self.shared_out.duration_since(SystemTime::now()) {
            eprintln!("(waiting {} s for the shares of POPs that have just started)", left.as_secs());
            sleep(left);
        }
    }
}

/// Roster, secret and certificates.
fn init(program: &Path, out: &Path, peer_ports: &[u16], relay: &Relay) -> Result<(), String> {
    let last = peer_ports.len() - 1;
    let reached = peer_ports.iter().enumerate().map(|(pop, port)| if pop == last { relay.port } else { *port });
    let addresses: Vec<String> =
        POPS.iter().zip(reached).map(|(pop, port)| format!("{pop}=127.0.0.1:{port}")).collect();
    let output = Command::new(program)
        .args(["init", "--pops", &POPS.join(","), "--addresses", &addresses.join(","), "--out"])
        .arg(out)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The config of a POP: its port for clients, its port for peers, the origin's port.
fn config(name: &str, [port, peer_port, origin]: [u16; 3], rate: Rate) -> String {
    let limits = CLASSES.map(|class| {
        format!(
            "[[limit]]\nname = \"{class}\"\nwhen = 'request.query[\"limit\"] == \"{class}\"'\nkey = []\n\
             rate = \"{}/1s\"\nburst = {}\nclass = \"{class}\"\n",
            rate.per_s, rate.burst
        )
    });
    format!(
        "[pop]\nname = \"{name}\"\n[listen]\nhttp = [\"127.0.0.1:{port}\"]\nthreads = 1\n[admin]\nsocket = \"admin.sock\"\nlog = \"off\"\n\
         [cluster]\nlisten = \"127.0.0.1:{peer_port}\"\nroster = \"roster.toml\"\ntls = {{ certificate = \"pop.pem\", key = \"pop.key\" }}\n\
         [storage]\nmemory = \"64MiB\"\n[origin.app]\nservers = [\"127.0.0.1:{origin}\"]\n[site.\"*\"]\norigin = \"app\"\n{}",
        limits.concat()
    )
}

/// What its limits promise, by their names, as the product computes it.
fn bounds_of(text: &str) -> Result<Vec<(String, Bound)>, String> {
    let config = crate::rules::load(text)?;
    let filters =
        Filters::new(&config, Tables::default(), &crate::rules::store()).map_err(|error| error.to_string())?;
    Ok(filters.limits().iter().filter_map(|limit| Some((limit.facts().name.clone(), limit.bound()?))).collect())
}

fn until_all_heard(program: &Path, out: &Path) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let sockets: Vec<PathBuf> = POPS.iter().map(|pop| out.join(pop).join("admin.sock")).collect();
    while !sockets.iter().all(|socket| heard(program, socket) == Some(POPS.len() as u64)) {
        if Instant::now() > deadline {
            return Err("the POPs do not hear one another".to_owned());
        }
        sleep(LOOK);
    }
    Ok(())
}

/// How many POPs one of them hears, itself included; `None` while it does not say.
fn heard(program: &Path, socket: &Path) -> Option<u64> {
    let output = Command::new(program).args(["status", "--json", "--socket"]).arg(socket).output().ok()?;
    let status: Value = serde_json::from_slice(&output.stdout).ok()?;
    status["cluster"]["heard"].as_u64()
}
