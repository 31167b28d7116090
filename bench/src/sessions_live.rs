//! Sessions at running processes: CPU time of a cached answer with a session and without one; and what the tests' own program found when it
//! had clients roam and retry for long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::figures::{Figures, median, rounded};
use crate::programs::{Program, installed, origin, selvedge};
use crate::server::{Folder, Server, load_with};

/// Two sites, of which one has sessions.
const SITES: &str = r#"
[site."with.example"]
origin = "app"

[session.web]
keys = ["session.key"]
attributes = { user = "string" }
sites = ["with.example"]

[[rule]]
name = "start"
sites = ["with.example"]
when = 'request.path == "/start"'
do = { session = { start = true, set = { user = '"ann"' } } }
"#;

/// CPU microseconds of a cached answer at either site, in turns, of requests with the same fields.
pub(crate) fn cpu(
    named: Option<PathBuf>,
    (rounds, seconds): (usize, u64),
    figures: &mut Figures,
) -> Result<(), String> {
    let folder = Folder::new()?;
    let (Some(origin), Some(wrk)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx (the origin) or wrk (the client) is not installed: CPU time is left out");
        return Ok(());
    };
    let origin = Server::start(&folder, &origin)?;
    folder.write("session.key", "0123456789abcdef0123456789abcdef\n")?;
    let program: Program = selvedge(&folder, named, origin.port)?;
    let config = folder.path().join("selvedge.toml");
    let text = std::fs::read_to_string(&config).map_err(|error| error.to_string())?;
    folder.write("selvedge.toml", &format!("{text}{SITES}"))?;
    let server = Server::start(&folder, &program)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // The first load of each fills the cache and is not counted.
    for round in 0..=rounds {
        let over = Duration::from_secs(if round == 0 { 1 } else { seconds });
        // A new one each time, so that none is old enough to be written anew.
        let cookie = format!("Cookie: {}", cookie(server.port)?);
        let takes = |host: &str| load_with(&wrk, &server, ("/hit", &[&format!("Host: {host}"), &cookie]), over);
        let (one, other) = (takes("with.example")?, takes("without.example")?);
        if round > 0 {
            with.push(one);
            without.push(other);
        }
    }
    if let (Some(with), Some(without)) = (median(with), median(without)) {
        figures.add("session_cpu_us", rounded(with));
        figures.add("no_session_cpu_us", rounded(without));
        figures.add("session_cpu_over_none", rounded(with / without));
    }
    Ok(())
}

/// The cookie of a session that begins.
fn cookie(port: u16) -> Result<String, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    let request = "GET /start HTTP/1.1\r\nHost: with.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).map_err(|error| error.to_string())?;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    let line = heard
        .lines()
        .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")));
    let cookie = line.and_then(|(_, value)| value.split(';').next()).map(str::to_owned);
    cookie.ok_or_else(|| format!("no session is started: {heard}"))
}

/// Tests of `proxy/tests/it` that count what they see, how many requests each is to have, by which name that is told to it, and what is taken of what it says.
const TESTS: [(&str, &str, &[&str]); 2] = [
    (
        "roam_live::whoever_roams_is_never_told_less_than_before_by_what_is_called_fresh",
        "SELVEDGE_ROAMS",
        &["roams", "ryw_violations", "fresh", "not_fresh", "arrived", "fetched", "faults"],
    ),
    (
        "idempotency_kills::no_request_is_run_twice_whoever_is_killed_or_cut_off",
        "SELVEDGE_RETRIES",
        &["requests", "double_executions", "repeats", "in_doubt", "kills"],
    ),
];

/// Has the tests' program do so many requests in each of its two long runs, and takes what they print.
pub(crate) fn live(tests: &Path, requests: u64, figures: &mut Figures) -> Result<(), String> {
    let mut group = Figures::default();
    for (test, name, wanted) in TESTS {
        let output = Command::new(tests)
            .args(["--exact", test, "--nocapture"])
            .env(name, requests.to_string())
            .output()
            .map_err(|error| format!("{}: {error}", tests.display()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{test} failed: {said}{}", String::from_utf8_lossy(&output.stderr)));
        }
        for name in wanted {
            let told = said
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok());
            group.add(name, told.ok_or_else(|| format!("{test} does not say {name}: {said}"))?);
        }
    }
    figures.group("live", group);
    Ok(())
}
