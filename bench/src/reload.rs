//! Reload under load: wrk keeps 64 connections busy while the config is exchanged, good and bad in turns. Counted are the
//! reloads that were taken and refused as they should be, and the requests that failed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{Figures, median, rounded};
use crate::programs::{installed, origin, selvedge, wrk};
use crate::server::{Folder, Server, requests};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of load.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Rules in each config.
    #[arg(long, default_value_t = 1000)]
    rules: usize,
    /// The selvedge binary; the one beside this program unless named.
    #[arg(long)]
    selvedge: Option<PathBuf>,
}

/// What the exchanges came to.
#[derive(Default)]
struct Exchanges {
    taken: usize,
    refused: usize,
    millis: Vec<f64>,
}

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let folder = Folder::new()?;
    let (Some(origin), Some(client)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx (the origin) or wrk (the client) is not installed: all figures are left out");
        return Ok(figures);
    };
    let origin = Server::start(&folder, &origin)?;
    let program = selvedge(&folder, args.selvedge.clone(), origin.port)?;
    let server = Server::start(&folder, &program)?;
    let first = std::fs::read_to_string(folder.path().join("selvedge.toml")).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !folder.path().join("admin.sock").exists() {
        if Instant::now() > deadline {
            return Err("the edge has no admin socket".to_owned());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let over = AtomicBool::new(false);
    let (said, exchanges) = thread::scope(|threads| {
        let exchanges = threads.spawn(|| exchange(&folder, &program.path, &first, args.rules, &over));
        let said = wrk(&client, server.port, ("/hit", &[]), args.seconds);
        over.store(true, Ordering::Relaxed);
        (said, exchanges.join().map_err(|_| "the exchanges broke off".to_owned()))
    });
    let (said, exchanges) = (said?, exchanges??);
    let done = requests(&said).ok_or_else(|| format!("requests failed: wrk said {said:?}"))?;
    figures.add("requests", done);
    figures.add("failed_requests", 0);
    figures.add("reloads_taken", exchanges.taken);
    figures.add("reloads_refused", exchanges.refused);
    if let Some(millis) = median(exchanges.millis) {
        figures.add("reload_ms", rounded(millis));
    }
    Ok(figures)
}

/// Exchanges configs until it is over: every other one is bad. Each must be taken or refused as it should.
fn exchange(
    folder: &Folder,
    program: &PathBuf,
    first: &str,
    rules: usize,
    over: &AtomicBool,
) -> Result<Exchanges, String> {
    let mut exchanges = Exchanges::default();
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let bad = round % 2 == 1;
        let written = folder.write("next.toml", &config(first, rules, round, bad))?;
        std::fs::rename(&written, folder.path().join("selvedge.toml")).map_err(|error| error.to_string())?;
        let start = Instant::now();
        let outcome = Command::new(program)
            .args(["reload", "--socket"])
            .arg(folder.path().join("admin.sock"))
            .output()
            .map_err(|error| format!("selvedge reload: {error}"))?;
        match (outcome.status.code(), bad) {
            (Some(0), false) => {
                exchanges.taken += 1;
                exchanges.millis.push(start.elapsed().as_secs_f64() * 1e3);
            }
            (Some(78), true) => exchanges.refused += 1,
            (code, _) => {
                let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
                return Err(format!("reload {round} ended with {code:?}: {said}"));
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(exchanges)
}

/// The first config with rules that change from round to round; in a bad one the last rule is misspelt.
fn config(first: &str, rules: usize, round: usize, bad: bool) -> String {
    let mut text = first.to_owned();
    for rule in 0..rules {
        let method = if bad && rule + 1 == rules { "metod" } else { "method" };
        text.push_str(&format!(
            "[[rule]]\nname = \"rule-{rule}\"\nwhen = 'request.{method} == \"POST\" && request.path.startsWith(\"/{round}/{rule}/\")'\n\
             do = {{ deny = 403 }}\n"
        ));
    }
    text
}
