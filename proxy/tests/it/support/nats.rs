//! NATS itself: the `nats-server` that is installed, on ports that the system chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{DEADLINE, eventually};

/// Debian keeps it where a user's path may not lead.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// A running server; killed when dropped.
pub(crate) struct NatsServer {
    folder: TempDir,
    child: Child,
    more: String,
    /// Where clients connect.
    pub(crate) clients: SocketAddr,
    /// Where other servers connect, if they may: by routes, gateways or as leaf nodes.
    pub(crate) servers: Option<SocketAddr>,
}

impl NatsServer {
    /// A server with more config.
    pub(crate) async fn start(more: &str) -> NatsServer {
        NatsServer::start_in(tempfile::tempdir().expect("a folder"), None, more.to_owned()).await
    }

    async fn start_in(folder: TempDir, port: Option<u16>, more: String) -> NatsServer {
        // -1 lets the system choose; which one it was stands in a file, and once that is there also in the log, where all are.
        let port = port.map_or("-1".to_owned(), |port| port.to_string());
        let ports = folder.path().display();
        let config = format!("host: 127.0.0.1\nport: {port}\nports_file_dir: \"{ports}\"\n{more}\n");
        std::fs::write(folder.path().join("nats.conf"), config).expect("a config");
        let mut child = spawn(folder.path());
        let file = folder.path().join(format!("nats-server_{}.ports", child.id().expect("a process")));
        let clients = eventually(DEADLINE, async || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("nats-server ended with {status}: {}", log_in(folder.path()));
            }
            let text = std::fs::read(&file).map_err(|error| error.to_string())?;
            let ports: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let url = ports["nats"][0].as_str().ok_or("no port")?;
            local(url).ok_or(format!("no port in {url}"))
        })
        .await;
        let log = log_in(folder.path());
        let ways = ["route", "gateways", "leafnode"].map(|way| format!("Listening for {way} connections on "));
        let servers = log.lines().filter(|line| ways.iter().any(|way| line.contains(way))).find_map(local);
        NatsServer { folder, child, more, clients, servers }
    }

    /// Its address for a config, on this host.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.clients)
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(mut self) -> Killed {
        self.child.kill().await.expect("a process to kill");
        let more =
            self.servers.map_or(self.more.clone(), |at| self.more.replace("port: -1", &format!("port: {}", at.port())));
        Killed { folder: self.folder, port: self.clients.port(), more }
    }

    /// Sends the process a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a process").to_string();
        let kill = Command::new("kill").arg(format!("-{name}")).arg(id).status().await.expect("kill");
        assert!(kill.success());
    }

    pub(crate) fn log(&self) -> String {
        log_in(self.folder.path())
    }
}

/// A server that was killed.
pub(crate) struct Killed {
    folder: TempDir,
    port: u16,
    more: String,
}

impl Killed {
    /// Starts it again as and where it was.
    pub(crate) async fn restart(self) -> NatsServer {
        NatsServer::start_in(self.folder, Some(self.port), self.more).await
    }
}

fn spawn(folder: &Path) -> Child {
    for program in PROGRAMS {
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.join("nats.conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        match command.kill_on_drop(true).spawn() {
            Ok(child) => return child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("cannot start {program}: {error}"),
        }
    }
    panic!("these tests need `nats-server`: please install it (Debian: apt install nats-server)")
}

/// The port at the end of a text, on this host.
fn local(text: &str) -> Option<SocketAddr> {
    let port = text.rsplit_once(':')?.1.parse().ok()?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn log_in(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
