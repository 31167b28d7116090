//! `selvedge-bench NAME`: figures of Selvedge. Text goes to standard error; the last line of standard output is one JSON object.
//!
//! A figure that was not measured is left out, never invented. What the names mean stands in `bench/README.md`.

mod cache;
mod figures;
mod heap;
mod limits;
mod peers;
mod programs;
mod purge;
mod purge_checked;
mod reload;
mod rules;
mod server;
mod sessions;
mod sessions_live;
mod sim;
mod state;
mod zipf;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "selvedge-bench", version)]
struct Args {
    /// Accepted for scripts; the last line is JSON in any case.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    name: Name,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// The replicated state: a hit, a join, memory and wire.
    State(state::Args),
    /// A cluster in virtual time, under load and in trouble.
    Sim(sim::Args),
    /// A limit over ten POPs in virtual time, by the shape of its traffic: each class beside what others do.
    Limits(limits::Args),
    /// Rules: one, many, with and without the index; lists; loading.
    Rules(rules::Args),
    /// Requests that fail while configs are reloaded, good and bad in turns, under the load of wrk.
    Reload(reload::Args),
    /// The cache: a hit beside Pingora's own storage; how much of a load is answered, beside Varnish and LRU.
    Cache(cache::Args),
    /// Purges: a lookup beside a million of them, what each takes, how fast 100 POPs apply one; a million random operations, checked.
    Purge(purge::Args),
    /// Sessions: what is revoked among ten million, how fast 100 POPs know it, whether a client that roams is told less than it knew, and CPU per request.
    Sessions(sessions::Args),
    /// CPU per request beside HAProxy, on the same work in the same run.
    Peers(peers::Args),
}

fn main() -> ExitCode {
    let Args { json: _, name } = Args::parse();
    let measured = match name {
        Name::State(args) => state::measure(&args),
        Name::Sim(args) => sim::measure(&args),
        Name::Limits(args) => limits::measure(&args),
        Name::Rules(args) => rules::measure(&args),
        Name::Reload(args) => reload::measure(&args),
        Name::Cache(args) => cache::measure(&args),
        Name::Purge(args) => purge::measure(&args),
        Name::Sessions(args) => sessions::measure(&args),
        Name::Peers(args) => peers::measure(&args),
    };
    match measured {
        Ok(figures) => {
            println!("{}", figures.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
