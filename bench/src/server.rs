//! A server under load: started, waited for, its CPU time read, ended.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::programs::{Program, wrk};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ticks a second of the CPU times in /proc: 100 on every Linux this runs on (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICKS_PER_S: f64 = 100.0;

/// A folder for configs, gone with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Folder, String> {
        let path = std::env::temp_dir().join(format!("selvedge-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and gives back its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.display().to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed from the temporary folder is left to the system.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct Server {
    name: &'static str,
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    pub(crate) fn start(folder: &Folder, program: &Program) -> Result<Server, String> {
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.path.display()))?;
        let mut server = Server { name: program.name, port: program.port, child };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{} ended with {status}", program.name));
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not listen", program.name));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// CPU time used so far, user and system, all threads: fields 14 and 15 of /proc/PID/stat.
    fn cpu_seconds(&self) -> Result<f64, String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).map_err(|error| error.to_string())?;
        // The second field is the program's name in brackets and may hold blanks.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let mut fields = after.split_whitespace().skip(11).map(|field| field.parse::<f64>().unwrap_or(0.0));
        Ok((fields.next().unwrap_or(0.0) + fields.next().unwrap_or(0.0)) / TICKS_PER_S)
    }

    /// Resident memory now, MiB: all of it, code and files included (`VmRSS` of proc(5)).
    pub(crate) fn resident_mib(&self) -> Result<f64, String> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("");
        let kib: Option<f64> = line.split_whitespace().next().and_then(|kib| kib.parse().ok());
        Ok(kib.ok_or_else(|| format!("{} has no memory", self.name))? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loads a server and gives back its CPU microseconds per request.
pub(crate) fn load(client: &Path, server: &Server, path: &str, over: Duration) -> Result<f64, String> {
    load_with(client, server, (path, &[]), over)
}

/// The same with these fields in each request.
pub(crate) fn load_with(
    client: &Path,
    server: &Server,
    request: (&str, &[&str]),
    over: Duration,
) -> Result<f64, String> {
    let before = server.cpu_seconds()?;
    let said = wrk(client, server.port, request, over.as_secs())?;
    let used = server.cpu_seconds()? - before;
    let requests = requests(&said).ok_or_else(|| format!("{}: wrk said {said:?}", server.name))?;
    Ok(used * 1e6 / requests)
}

/// The number of requests in wrk's report. None when any of them failed.
pub(crate) fn requests(said: &str) -> Option<f64> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return None;
    }
    let line = said.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok().filter(|requests| *requests > 0.0)
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
