//! The same limit by HAProxy's peers: three processes with one thread each, and stick tables that `peers` sections share.
//!
//! A table of peers is one table: what a peer pushes takes the place of what the others have, and nothing is added up ("without
//! aggregation", HAProxy's configuration manual). So there are several ways to write a limit over all of them, and all are measured.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::relay::Relay;
use super::{POPS, Rate};
use crate::programs::Program;
use crate::server::{Folder, Server, free_port};

/// How long peers may take to know one another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// How the limit is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// One table for all, in which a rule counts what passes (`sc-inc-gpc0`, `gpc0_rate`).
    Passed,
    /// One table for all, which counts all requests (`http_req_rate`): the manual's shortest way.
    Asked,
    /// A table for each process, which it alone writes; a rule adds up the rates of all (`table_gpc0_rate`, `add`): what users do about it.
    Summed,
}

/// Three processes that run.
pub(super) struct Peers {
    pub(super) ports: Vec<u16>,
    /// Between the last one and the others, whoever dials.
    pub(super) relays: Vec<Relay>,
    /// Ended with it.
    _servers: Vec<Server>,
}

impl Peers {
    /// Starts them, and waits until all are connected.
    pub(super) fn start(folder: &Folder, program: &Path, way: Way, origin: u16, rate: Rate) -> Result<Peers, String> {
        let own = POPS.map(|_| free_port()).into_iter().collect::<Result<Vec<_>, _>>()?;
        let relays = own.iter().map(|port| Relay::start(*port)).collect::<Result<Vec<_>, _>>()?;
        let mut servers = Vec::new();
        let mut sockets = Vec::new();
        for name in POPS {
            let (port, socket) = (free_port()?, folder.path().join(format!("{name}-haproxy.sock")));
            let text = config(name, &section(name, &own, &relays), way, &socket, [port, origin], rate);
            let config = folder.write(&format!("{name}-haproxy.cfg"), &text)?;
            let arguments = vec!["-db".to_owned(), "-f".to_owned(), config];
            servers
                .push(Server::start(folder, &Program { name: "haproxy", path: program.to_owned(), arguments, port })?);
            sockets.push(socket);
        }
        let deadline = Instant::now() + PATIENCE;
        while !sockets.iter().all(|socket| established(socket) == Some(POPS.len() - 1)) {
            if Instant::now() > deadline {
                return Err("HAProxy's peers do not connect to one another".to_owned());
            }
            sleep(LOOK);
        }
        let ports = servers.iter().map(|server| server.port).collect();
        Ok(Peers { ports, relays, _servers: servers })
    }
}

/// The peers as one of them is told: itself where it listens, and the others directly, but for the last one and to it by relays.
fn section(name: &str, own: &[u16], relays: &[Relay]) -> String {
    let last = POPS.last().copied();
    let told = POPS.into_iter().zip(own).zip(relays).map(|((pop, own), relay)| {
        let is_relayed = pop != name && (Some(pop) == last || Some(name) == last);
        format!("  peer {pop} 127.0.0.1:{}\n", if is_relayed { relay.port } else { *own })
    });
    std::iter::once("peers edge\n".to_owned()).chain(told).collect()
}

fn config(name: &str, peers: &str, way: Way, socket: &Path, [port, origin]: [u16; 2], rate: Rate) -> String {
    let limit = rate.per_s;
    let table = |table: &str, store: &str| {
        format!("backend {table}\n  stick-table type integer size 16 expire 10m store {store} peers edge\n")
    };
    let passed = "  http-request sc-inc-gpc0(0)\n";
    let (rules, tables) = match way {
        Way::Passed => (
            format!(
                "  http-request track-sc0 int(1) table all\n  http-request deny deny_status 429 if {{ sc_gpc0_rate(0) ge {limit} }}\n{passed}"
            ),
            table("all", "gpc0,gpc0_rate(1s)"),
        ),
        Way::Asked => (
            format!(
                "  http-request track-sc0 int(1) table all\n  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}\n"
            ),
            table("all", "http_req_rate(1s)"),
        ),
        Way::Summed => {
            let mut rules = String::from("  http-request set-var(txn.sum) int(0)\n");
            for pop in POPS {
                rules += &format!("  http-request set-var(txn.sum) int(1),table_gpc0_rate({pop}),add(txn.sum)\n");
            }
            rules += &format!(
                "  http-request deny deny_status 429 if {{ var(txn.sum) -m int ge {limit} }}\n  http-request track-sc0 int(1) table {name}\n{passed}"
            );
            (rules, POPS.map(|pop| table(pop, "gpc0,gpc0_rate(1s)")).concat())
        }
    };
    format!(
        "global\n  nbthread 1\n  maxconn 4096\n  localpeer {name}\n  stats socket {socket}\n\
         defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 3s\n  timeout http-keep-alive 60s\n\
         {peers}frontend in\n  bind 127.0.0.1:{port}\n{rules}  default_backend out\n\
         {tables}backend out\n  http-reuse always\n  server origin 127.0.0.1:{origin}\n",
        socket = socket.display()
    )
}

/// How many peers a process is connected to; `None` while it does not say.
fn established(socket: &Path) -> Option<usize> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(b"show peers\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said.matches("last_status=ESTA").count())
}
