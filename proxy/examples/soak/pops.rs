//! The POPs: their processes, and a relay for each direction in which one dials another.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use selvedge::admin;
use selvedge::admin::report::Status;
use selvedge::cli::demo::relay::{Relay, Way};
use selvedge::cli::init::{InitPlan, PopPlan, init};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::place::Place;

const LOOK: Duration = Duration::from_millis(100);

/// One way between two POPs.
const DELAY: Duration = Duration::from_millis(10);

/// What the POPs count and list.
const CONFIG: &str = r#"
[[counter]]
name = "seen"
when = 'request.host == "soak"'
key = ['request.headers["x-key"]']
window = "6h"

[list.marked]
kind = "strings"
"#;

pub(crate) struct Pops {
    pub(crate) all: Vec<Pop>,
    /// By dialler, then by whom it dials.
    relays: Vec<Vec<Option<Relay>>>,
    folder: PathBuf,
}

pub(crate) struct Pop {
    pub(crate) name: String,
    pub(crate) http: SocketAddr,
    pub(crate) socket: PathBuf,
    log: PathBuf,
    process: Mutex<Process>,
}

struct Process {
    command: Command,
    child: Option<Child>,
    lives: Vec<u64>,
}

impl Pops {
    pub(crate) async fn start(place: &Place, seed: u64) -> Result<Pops, String> {
        let folder = std::env::temp_dir().join(format!("selvedge-soak-{}", std::process::id()));
        let wrong = |error: std::io::Error| error.to_string();
        let origin = origin(place).await.map_err(wrong)?;
        let plans = (0..place.pops()).map(|pop| {
            let listen = place.of(pop, 7946);
            PopPlan {
                name: format!("p{pop}"),
                region: None,
                http: place.of(pop, 8080),
                listen,
                address: listen.to_string(),
                admin: PathBuf::from("admin.sock"),
            }
        });
        let plan = InitPlan {
            out: folder.clone(),
            cluster: format!("soak-{seed}"),
            pops: plans.collect(),
            origin: format!("http://{origin}"),
            state: Some(PathBuf::from("state")),
            limits: CONFIG.to_owned(),
        };
        let written = init(&plan).map_err(|error| error.to_string())?;
        let (mut relays, mut all) = (Vec::new(), Vec::new());
        for (near, (pop, config)) in plan.pops.iter().zip(written.configs).enumerate() {
            let roster = config.with_file_name("roster.toml");
            let mut text = fs::read_to_string(&roster).map_err(wrong)?;
            let mut row = Vec::new();
            for (far, other) in plan.pops.iter().enumerate() {
                if near == far {
                    row.push(None);
                    continue;
                }
                let relay = Relay::start(SocketAddr::new(place.hub(), 0), other.listen, DELAY).map_err(wrong)?;
                text = text.replace(&format!("\"{}\"", other.listen), &format!("\"{}\"", relay.address()));
                row.push(Some(relay));
            }
            fs::write(&roster, text).map_err(wrong)?;
            relays.push(row);
            all.push(Pop::new(place, near, pop, config)?);
        }
        let pops = Pops { all, relays, folder };
        for pop in &pops.all {
            pop.start().await?;
        }
        Ok(pops)
    }

    /// Does something to the wires between two POPs, whoever dialled: `There` is from the first one.
    fn wires(&self, near: usize, far: usize, mut with: impl FnMut(&Relay, Way)) {
        for (dialler, dialled, way) in [(near, far, Way::There), (far, near, Way::Back)] {
            if let Some(Some(relay)) = self.relays.get(dialler).and_then(|row| row.get(dialled)) {
                with(relay, way);
            }
        }
    }

    pub(crate) fn cut(&self, near: usize, far: usize) {
        self.wires(near, far, |relay, _| relay.cut());
    }

    /// From now on nothing that the first one says arrives at the second one.
    pub(crate) fn hold(&self, near: usize, far: usize) {
        self.wires(near, far, |relay, way| relay.hold(way));
    }

    pub(crate) fn heal(&self, near: usize, far: usize) {
        self.wires(near, far, |relay, _| relay.heal());
    }

    pub(crate) async fn until_all_heard(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let mut heard = Vec::new();
            for pop in &self.all {
                pop.check().await?;
                heard.push(pop.status().await.and_then(|status| status.cluster).map_or(0, |it| usize::from(it.heard)));
            }
            if heard.iter().all(|heard| *heard == self.all.len()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the POPs hear {heard:?} of each other"));
            }
            sleep(LOOK).await;
        }
    }

    /// Resident memory of each process, KiB.
    pub(crate) async fn memory(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for pop in &self.all {
            let pid = pop.process.lock().await.child.as_ref().and_then(Child::id).unwrap_or_default();
            let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            all.push(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        }
        all
    }
}

impl Drop for Pops {
    fn drop(&mut self) {
        // Processes are killed as their handles are dropped; their logs stay when something went wrong.
        self.all.clear();
        if !std::thread::panicking() && std::env::var_os("SOAK_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Pop {
    fn new(place: &Place, at: usize, plan: &PopPlan, config: PathBuf) -> Result<Pop, String> {
        let ours = std::env::current_exe().map_err(|error| error.to_string())?;
        // target/debug/examples/soak, target/debug/selvedge
        let program = ours.parent().and_then(|folder| folder.parent()).ok_or("no target folder")?.join("selvedge");
        let mut command = place.command(at, &program);
        command.arg("run").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let (socket, log) = (config.with_file_name("admin.sock"), config.with_file_name("log"));
        let process = Mutex::new(Process { command, child: None, lives: Vec::new() });
        Ok(Pop { name: plan.name.clone(), http: plan.http, socket, log, process })
    }

    pub(crate) async fn start(&self) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("{} cannot start: {error}", self.name);
        let log = File::options().create(true).append(true).open(&self.log).map_err(wrong)?;
        let mut process = self.process.lock().await;
        process.child = Some(process.command.stderr(log).spawn().map_err(wrong)?);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.status().await.filter(|status| status.ready) {
                process.lives.push(status.incarnation);
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(format!("{} does not get ready:\n{}", self.name, self.log()))
    }

    /// kill -9, and gone.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        let mut process = self.process.lock().await;
        let Some(mut child) = process.child.take() else { return Ok(()) };
        child.kill().await.map_err(|error| format!("{} cannot be killed: {error}", self.name))
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) async fn signal(&self, signal: &str) -> Result<(), String> {
        let pid = self.process.lock().await.child.as_ref().and_then(Child::id).ok_or("there is no process")?;
        let done = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// The numbers of its lives.
    pub(crate) async fn lives(&self) -> Vec<u64> {
        self.process.lock().await.lives.clone()
    }

    pub(crate) async fn status(&self) -> Option<Status> {
        admin::get(&self.socket, "/v1/status").await.ok()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn check(&self) -> Result<(), String> {
        let mut process = self.process.lock().await;
        match process.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
            Some(status) => Err(format!("{} ended with {status}:\n{}", self.name, self.log())),
            None => Ok(()),
        }
    }
}

/// An origin that says OK.
async fn origin(place: &Place) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((place.hub(), 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen: Vec<u8> = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    seen.extend(buffer.iter().take(read));
                    while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                        seen.drain(..end + 4);
                        let said = b"HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: 0\r\n\r\n";
                        if stream.write_all(said).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(address)
}
