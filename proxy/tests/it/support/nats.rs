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
    /// Where clients connect.
    pub(crate) clients: SocketAddr,
    /// Where other servers connect, if it is one of a cluster.
    pub(crate) routes: Option<SocketAddr>,
}

impl NatsServer {
    /// A server with more config.
    pub(crate) async fn start(more: &str) -> NatsServer {
        NatsServer::start_in(tempfile::tempdir().expect("a folder"), 0, more).await
    }

    async fn start_in(folder: TempDir, port: u16, more: &str) -> NatsServer {
        // -1 lets the system choose; which one it was stands in a file.
        let port = if port == 0 { "-1".to_owned() } else { port.to_string() };
        let ports = folder.path().display();
        let config = format!("host: 127.0.0.1\nport: {port}\nports_file_dir: \"{ports}\"\n{more}\n");
        std::fs::write(folder.path().join("nats.conf"), config).expect("a config");
        let mut child = spawn(folder.path());
        let file = folder.path().join(format!("nats-server_{}.ports", child.id().expect("a process")));
        let (clients, routes) = eventually(DEADLINE, async || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("nats-server ended with {status}: {}", log_in(folder.path()));
            }
            let text = std::fs::read(&file).map_err(|error| error.to_string())?;
            let ports: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let address = |name: &str| {
                let url = ports[name][0].as_str()?;
                let port = url.rsplit_once(':')?.1.parse().ok()?;
                Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            };
            Ok((address("nats").ok_or("no port")?, address("cluster")))
        })
        .await;
        NatsServer { folder, child, clients, routes }
    }

    /// Its address for a config, on this host.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.clients)
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(mut self) -> Killed {
        self.child.kill().await.expect("a process to kill");
        Killed { folder: self.folder, port: self.clients.port() }
    }

    pub(crate) fn log(&self) -> String {
        log_in(self.folder.path())
    }
}

/// A server that was killed.
pub(crate) struct Killed {
    folder: TempDir,
    port: u16,
}

impl Killed {
    /// Starts it again where it was.
    pub(crate) async fn restart(self) -> NatsServer {
        NatsServer::start_in(self.folder, self.port, "").await
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

fn log_in(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
