//! What a process holds whose cache is full of objects of all sizes, over what its config says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::figures::{Figures, rounded};
use crate::programs::{Program, installed, origin, selvedge_at};
use crate::server::{Folder, Server, free_port, requests};

/// The memory of the cache, MiB.
const MEMORY_MIB: u64 = 256;

/// How many objects there are, and their sizes in bytes: equally often each order of magnitude.
const OBJECTS: usize = 300;
const SMALLEST: f64 = 100.0;
const LARGEST: f64 = 100e6;

/// Clients, each of which asks for one object after the other.
const CLIENTS: usize = 8;

/// A measurement lasts so many times as long as one of a hit: the cache has to be filled many times over.
const LONGER: u64 = 5;

/// How often the process is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// The most resident memory of the process while it is asked for objects by chance.
pub(super) fn measure(named: Option<PathBuf>, seconds: u64, seed: u64) -> Result<Figures, String> {
    let folder = Folder::new()?;
    let (Some(origin), Some(wrk)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx (the origin) or wrk (the client) is not installed: `resident` is left out");
        return Ok(Figures::default());
    };
    objects(&folder, seed)?;
    let origin = Server::start(&folder, &origin)?;
    let server = Server::start(&folder, &selvedge(&folder, named, origin.port)?)?;
    let script = script(&folder, seed)?;
    let (mebibytes, served) = load(&wrk, &server, &script, seconds.saturating_mul(LONGER))?;
    let mut group = Figures::default();
    group.add("requests", served);
    group.add("most_mib", rounded(mebibytes));
    group.add("resident_over_memory", rounded(mebibytes / MEMORY_MIB as f64));
    Ok(group)
}

/// Files without content of their own, each `n.bin` of some length.
fn objects(folder: &Folder, seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    for n in 0..OBJECTS {
        let bytes = SMALLEST * (LARGEST / SMALLEST).powf(rng.f64());
        let path = folder.path().join(format!("root/{n}.bin"));
        File::create(&path).and_then(|file| file.set_len(bytes as u64)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What each of wrk's threads asks for.
fn script(folder: &Folder, seed: u64) -> Result<String, String> {
    folder.write(
        "objects.lua",
        &format!(
            "function init(args) math.randomseed({seed}) end\n\
             function request() return wrk.format(\"GET\", \"/\" .. math.random(0, {}) .. \".bin\") end\n",
            OBJECTS - 1
        ),
    )
}

/// Loads the server; gives its most resident memory, MiB, and how many requests were answered.
fn load(wrk: &Path, server: &Server, script: &str, seconds: u64) -> Result<(f64, f64), String> {
    let url = format!("http://127.0.0.1:{}/", server.port);
    let mut client = Command::new(wrk)
        .args(["-t1", &format!("-c{CLIENTS}"), &format!("-d{seconds}s"), "-s", script, &url])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("wrk: {error}"))?;
    let mut most = 0.0_f64;
    while client.try_wait().map_err(|error| error.to_string())?.is_none() {
        most = most.max(server.resident_mib()?);
        sleep(EVERY);
    }
    let output = client.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok((most, requests(&said).ok_or_else(|| format!("wrk said {said:?}"))?))
}

/// Selvedge with two threads, everything cached.
fn selvedge(folder: &Folder, named: Option<PathBuf>, origin: u16) -> Result<Program, String> {
    let path = selvedge_at(named)?;
    let port = free_port()?;
    let config = folder.write(
        "resident.toml",
        &format!(
            "[listen]\nhttp = [\"127.0.0.1:{port}\"]\nthreads = 2\n[admin]\nsocket = \"resident.sock\"\nlog = \"off\"\n\
             [storage]\nmemory = \"{MEMORY_MIB}MiB\"\n[origin.app]\nservers = [\"127.0.0.1:{origin}\"]\n\
             [site.\"*\"]\norigin = \"app\"\n[[rule]]\nname = \"keep\"\ndo = {{ cache = {{ ttl = \"1h\" }} }}\n"
        ),
    )?;
    let arguments = vec!["run".to_owned(), "--config".to_owned(), config];
    Ok(Program { name: "selvedge", path, arguments, port })
}
