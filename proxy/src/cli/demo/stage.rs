//! The stage: three POPs as processes of their own, an origin, and one relay in front of the third POP's peer port.
//!
//! All of it is on loopback and under one folder, which goes when the stage does.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::origin::Origin;
use super::relay::Relay;
use crate::admin::ClientError;
use crate::admin::report::Status;
use crate::cli::init::{InitPlan, PopPlan, init};

/// The POPs' names; the last one is far away.
pub(super) const NAMES: [&str; 3] = ["fra", "ams", "nyc"];

/// One way to the far POP.
pub(super) const DELAY: Duration = Duration::from_millis(120);

/// First choice of client ports; any other will do.
const HTTP_PORT: u16 = 8081;

/// The program that is running, even if its file was replaced since.
const OURSELVES: &str = "/proc/self/exe";

/// How long the stage may take to be set.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that is about to change.
const LOOK: Duration = Duration::from_millis(20);

/// The limits of the demo's config.
const LIMITS: &str = r#"
[[limit]]
name = "api"                            # 20 a minute for each client, at all POPs together
when = 'request.path.startsWith("/api/")'
key = ["client.net"]
rate = "20/1m"
burst = 10
on_partition = "fair_share"

[[limit]]
name = "hello"                          # wide enough to count and never to refuse
when = 'request.path == "/hello"'
key = ["client.net"]
rate = "60000/1m"
burst = 6000
"#;

/// What is running.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) pops: Vec<Pop>,
    pub(super) relay: Relay,
    pub(super) origin: Option<Origin>,
}

/// One POP.
pub(super) struct Pop {
    pub(super) name: &'static str,
    pub(super) http: SocketAddr,
    pub(super) socket: PathBuf,
    config: PathBuf,
    child: Option<Child>,
}

impl Stage {
    /// Sets the stage: writes configs and certificates, starts the processes, waits until all hear each other.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn set(origin_url: Option<String>) -> Result<Stage, String> {
        let folder = std::env::temp_dir().join(format!("selvedge-demo-{}", std::process::id()));
        let origin = match &origin_url {
            Some(_) => None,
            None => Some(Origin::start().await.map_err(|error| format!("the toy origin cannot start: {error}"))?),
        };
        let url = origin_url.or_else(|| origin.as_ref().map(|origin| format!("http://{}", origin.address)));
        let peer_ports = free_ports(NAMES.len() + 1).map_err(|error| format!("no free ports: {error}"))?;
        let (Some(far), Some(front)) = (peer_ports.get(NAMES.len() - 1), peer_ports.last()) else {
            return Err("no free ports".to_owned());
        };
        let relay = Relay::start(*front, *far, DELAY).map_err(|error| format!("the relay cannot start: {error}"))?;
        let plan = plan(&folder, url.unwrap_or_default(), &peer_ports, relay.address());
        let mut stage = Stage { folder, pops: Vec::new(), relay, origin };
        let written = init(&plan).map_err(|error| error.to_string())?;
        for ((name, plan), config) in NAMES.into_iter().zip(&plan.pops).zip(written.configs) {
            let socket = config.with_file_name("admin.sock");
            stage.pops.push(Pop { name, http: plan.http, socket, config, child: None });
        }
        for pop in &mut stage.pops {
            pop.start()?;
        }
        stage.until_all_heard().await?;
        Ok(stage)
    }

    /// Waits until every POP hears all of them.
    ///
    /// # Errors
    /// When they do not in time.
    pub(super) async fn until_all_heard(&mut self) -> Result<(), String> {
        self.until_heard(&[3, 3, 3]).await
    }

    /// Waits until each POP hears so many, itself included.
    ///
    /// # Errors
    /// When they do not in time, or one of them has ended.
    pub(super) async fn until_heard(&mut self, expected: &[u16; 3]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut heard = Vec::new();
            for pop in &mut self.pops {
                pop.check()?;
                let status = pop.status().await.ok();
                heard.push(
                    status.filter(|status| status.ready).and_then(|status| status.cluster).map_or(0, |it| it.heard),
                );
            }
            if heard == expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the POPs hear {heard:?} of each other instead of {expected:?}; logs in {}",
                    self.folder.display()
                ));
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The children are killed as their handles are dropped; what a dying one still writes is not missed.
        self.pops.clear();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Pop {
    /// Starts the process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&mut self) -> Result<(), String> {
        let wrong = |error: io::Error| format!("{} cannot start: {error}", self.name);
        let log = File::options().create(true).append(true).open(self.log()).map_err(wrong)?;
        let child = Command::new(OURSELVES)
            .arg("run")
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(wrong)?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub(super) async fn kill(&mut self) -> Result<(), String> {
        let Some(child) = &mut self.child else { return Err(format!("{} is not running", self.name)) };
        child.kill().await.map_err(|error| format!("{} cannot be killed: {error}", self.name))
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn status(&self) -> Result<Status, ClientError> {
        crate::admin::get(&self.socket, "/v1/status").await
    }

    fn log(&self) -> PathBuf {
        self.config.with_file_name("log")
    }

    fn check(&mut self) -> Result<(), String> {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        ended.map_or(Ok(()), |status| {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            Err(format!("{} ended with {status}:\n{log}", self.name))
        })
    }
}

fn plan(folder: &Path, origin: String, peer_ports: &[SocketAddr], relay: SocketAddr) -> InitPlan {
    let regions = ["eu", "eu", "us"];
    let pops =
        NAMES.into_iter().zip(regions).zip(peer_ports).enumerate().map(|(index, ((name, region), listen))| PopPlan {
            name: name.to_owned(),
            region: Some(region.to_owned()),
            http: client_port(index),
            listen: *listen,
            address: if index == NAMES.len() - 1 { relay } else { *listen }.to_string(),
            admin: PathBuf::from("admin.sock"),
        });
    InitPlan {
        out: folder.to_owned(),
        cluster: "demo".to_owned(),
        pops: pops.collect(),
        origin,
        // What a POP knows after it was killed has to come from the others here.
        state: None,
        limits: LIMITS.to_owned(),
    }
}

/// A port that is easy to remember, or else any free one.
fn client_port(index: usize) -> SocketAddr {
    let wanted = HTTP_PORT.saturating_add(u16::try_from(index).unwrap_or(0));
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
    let free = TcpListener::bind(wanted).and_then(|listener| listener.local_addr());
    free.or_else(|_| free_ports(1).map(|ports| ports.first().copied().unwrap_or(wanted))).unwrap_or(wanted)
}

/// Ports that nobody listens on now, all different.
fn free_ports(count: usize) -> io::Result<Vec<SocketAddr>> {
    let listeners = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<Vec<_>>>()?;
    listeners.iter().map(TcpListener::local_addr).collect()
}
