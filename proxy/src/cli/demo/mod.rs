//! `selvedge demo`: three POPs, an origin and a relay on this machine; to play with, or to be shown around (`--tour`).

mod control;
mod origin;
pub mod relay;
mod stage;
mod tour;
mod visitor;

use std::fmt::Write;
use std::path::PathBuf;

use super::render::{Failure, Render};
use stage::{DELAY, Stage};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Let the demo show itself: it does the five things, checks what comes of them, and ends.
    #[arg(long)]
    tour: bool,
    /// Put the POPs in front of this origin instead of the toy one.
    #[arg(long, value_name = "URL", conflicts_with = "tour")]
    origin: Option<String>,
    #[command(subcommand)]
    command: Option<control::Command>,
}

pub(super) fn demo(args: Args) -> Result<Render, Failure> {
    if let Some(command) = &args.command {
        return control::tell(command);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let stage = Stage::set(args.origin).await.map_err(Failure::Failed)?;
        if args.tour { tour::tour(stage).await } else { play(stage).await }
    })
}

/// Tells what there is to try, and waits for Ctrl-C.
async fn play(stage: Stage) -> Result<Render, Failure> {
    let control = stage.folder.join("demo.sock");
    let failed = |error: std::io::Error| Failure::Failed(format!("cannot open the demo's own socket: {error}"));
    let _ = std::io::Write::write_all(&mut std::io::stdout(), invitation(&stage, &control).as_bytes());
    let served = control::serve(&control, stage).await.map_err(failed)?;
    Ok(Render::new("stopped; all processes and files of the demo are gone".to_owned(), &served))
}

fn invitation(stage: &Stage, control: &std::path::Path) -> String {
    let mut text = String::new();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("selvedge"));
    let (program, control) = (program.display(), control.display());
    let here = stage.folder.display();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "selvedge demo: 3 POPs and an origin, all on 127.0.0.1. Files in {here} (removed at the end).\n"
    );
    for pop in &stage.pops {
        let far = if pop.name == "nyc" {
            format!("   ({} ms away from the others)", DELAY.as_millis())
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {}  http://{}   ready{far}", pop.name, pop.http);
    }
    let ports: Vec<String> = stage.pops.iter().map(|pop| pop.http.port().to_string()).collect();
    let http = stage.pops.first().map_or(String::new(), |pop| pop.http.to_string());
    let socket = |index: usize| stage.pops.get(index).map_or(String::new(), |pop| pop.socket.display().to_string());
    let (fra, ams) = (socket(0), socket(1));
    let _ = write!(
        text,
        "\nTry, in another terminal (or let `{program} demo --tour` do it and check the results):\n\
         \n  1 cache: the second answer is a hit\n\
         \x20   curl -si http://{http}/hello | grep -i cache-status\n\
         \n  2 limit: 20 a minute, burst 10, at all POPs together\n\
         \x20   for i in 1 2 3 4 5 6; do for port in {ports}; do curl -so /dev/null -w '%{{http_code}} ' http://127.0.0.1:$port/api/x; done; done\n\
         \n  3 ban: made at ams, known at all three\n\
         \x20   {program} bans add 127.0.0.1 --for 10s --socket {ams} && curl -i http://{http}/hello\n\
         \n  4 split: cut nyc off, look, heal\n\
         \x20   {program} demo cut --at {control}; sleep 3; {program} status --socket {fra}; {program} demo heal --at {control}\n\
         \n  5 crash: kill ams with -9; it comes back and relearns its counts\n\
         \x20   {program} demo kill ams --at {control}; {program} limits show --socket {ams}\n\
         \nCtrl-C stops everything.\n",
        ports = ports.join(" "),
    );
    text
}
