//! An edge under test: the built program with a config in a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use selvedge::admin::report::Status;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{DEADLINE, eventually};

/// A running edge; killed when dropped.
pub(crate) struct Edge {
    pub(crate) folder: Folder,
    child: Child,
    pub(crate) listening: Vec<SocketAddr>,
}

/// Where an edge's files are: its own temporary folder, or one it shares.
pub(crate) enum Folder {
    Own(TempDir),
    Shared(PathBuf),
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Own(folder) => folder.path(),
            Folder::Shared(path) => path,
        }
    }
}

/// The built program.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

impl Edge {
    /// An edge for all hosts in front of one origin, with more config after it.
    pub(crate) async fn before(origin: &str, more: &str) -> Edge {
        Edge::with(&format!(
            "[listen]\nhttp = [\"127.0.0.1:0\"]\n\n[origin.app]\nservers = [\"{origin}\"]\n\n[site.\"*\"]\norigin = \"app\"\n\n{more}"
        ))
        .await
    }

    /// An edge with this config; its admin socket and access log are in its folder.
    pub(crate) async fn with(config: &str) -> Edge {
        let folder = tempfile::tempdir().expect("a folder");
        let admin = "\n[admin]\nsocket = \"admin.sock\"\nlog = \"access.log\"\n";
        std::fs::write(folder.path().join("selvedge.toml"), format!("{config}{admin}")).expect("a config");
        Edge::start(Folder::Own(folder)).await
    }

    /// Starts a process that takes over from this one, in the same folder, and waits until it is ready.
    pub(crate) async fn successor(&self) -> Edge {
        let life = self.status().await.incarnation;
        let folder = Folder::Shared(self.folder.path().to_owned());
        Edge::begin(folder, &["--take-over"], "successor.log", |status| status.incarnation != life).await
    }

    /// Waits until the process has ended by itself; its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("an end in time");
        ended.expect("an end").code()
    }

    /// Starts the edge whose config is `selvedge.toml` in a folder, and waits until it is ready.
    pub(crate) async fn start(folder: Folder) -> Edge {
        Edge::begin(folder, &[], "log", |_| true).await
    }

    pub(crate) async fn begin(folder: Folder, words: &[&str], log: &str, is_it: impl Fn(&Status) -> bool) -> Edge {
        let at = folder.path().join(log);
        let log = std::fs::File::create(&at).expect("a log");
        let mut child = program()
            .arg("run")
            .arg("--config")
            .arg(folder.path().join("selvedge.toml"))
            .args(words)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program");
        let socket = folder.path().join("admin.sock");
        let status = eventually(DEADLINE, async || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the edge ended with {status}: {}", std::fs::read_to_string(&at).unwrap_or_default());
            }
            let status: Status =
                selvedge::admin::get(&socket, "/v1/status").await.map_err(|error| error.to_string())?;
            if status.ready && is_it(&status) { Ok(status) } else { Err("not ready".to_owned()) }
        })
        .await;
        Edge { folder, child, listening: status.listening }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening[0]
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(crate) async fn status(&self) -> Status {
        selvedge::admin::get(&self.socket(), "/v1/status").await.expect("a status")
    }

    /// Resident memory of the process, KiB (`VmRSS` of proc(5)); nothing where there is no such file.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Whether the process still runs.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process as `kill -9` does; its folder stays for the next life.
    pub(crate) async fn kill(mut self) -> Folder {
        self.child.kill().await.expect("a process to kill");
        self.folder
    }

    /// Sends the process a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a process");
        let kill = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().await.expect("kill");
        assert!(kill.success());
    }

    /// Asks the process to end, and waits until it did; its folder stays for the next life.
    pub(crate) async fn stop(mut self) -> Folder {
        self.signal("TERM").await;
        assert_eq!(self.child.wait().await.expect("an end").code(), Some(0));
        self.folder
    }

    /// Asks the process to end, and waits for its exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        self.signal("TERM").await;
        self.child.wait().await.expect("an end").code()
    }

    /// Runs a command of the CLI against this edge's socket, and gives back its exit code and output.
    pub(crate) async fn command(&self, words: &[&str]) -> (i32, String, String) {
        let output = program().args(words).arg("--socket").arg(self.socket()).output().await.expect("the program");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Loads another config: the one in its folder, with `to` where it says `from`.
    pub(crate) async fn edit(&self, from: &str, to: &str) {
        let path = self.folder.path().join("selvedge.toml");
        let config = std::fs::read_to_string(&path).expect("its config");
        assert!(config.contains(from), "{config}");
        std::fs::write(&path, config.replace(from, to)).expect("its folder");
        let (code, _, error) = self.command(&["reload"]).await;
        assert_eq!(code, 0, "{error}");
    }
}

/// All metrics of an edge, as text.
pub(crate) async fn metrics(edge: &Edge) -> String {
    let mut stream = tokio::net::UnixStream::connect(edge.socket()).await.expect("the admin socket");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").await.expect("to be heard");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("metrics");
    text
}
