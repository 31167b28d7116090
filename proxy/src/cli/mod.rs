//! The command line: one binary for everything. Every command takes `--json`, says what it found on standard output and what
//! went wrong on standard error, and ends with an exit code that scripts can use.

mod bans;
mod cache;
mod check;
mod cluster;
mod cost;
mod counters;
pub mod demo;
mod explain;
pub mod init;
mod limits;
mod lists;
mod metrics;
mod overrides;
mod page;
mod purge;
mod reload;
mod remembered;
mod render;
mod run;
mod schema;
mod sessions;
mod socket;
mod status;
mod tail;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use render::{Failure, Render};

/// An edge that holds its own state: a caching reverse proxy whose POPs count together.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, max_term_width = 100)]
struct Args {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: from a config file, or one origin without any.
    Run(run::Args),
    /// Check a config file, and the files it names, without serving.
    Check(check::Args),
    /// Run the tests that a config has of its rules.
    Test(test::Args),
    /// Say what would come of a request, and why.
    Explain(explain::Args),
    /// Print the JSON Schema of config files, for editors.
    Schema,
    /// Write configs, roster, CA and certificates for a cluster.
    Init(init::Args),
    /// Let a running node load its config again.
    Reload(reload::Args),
    /// Show what a running node says of itself and its peers.
    Status(status::Args),
    /// Limits of a running node, and what is said of their keys at run time, at every POP at once.
    #[command(subcommand)]
    Limits(limits::Command),
    /// What a node tells its operators in numbers.
    #[command(subcommand)]
    Metrics(metrics::Command),
    /// Keep a node apart from its peers for a while, or let it join them again.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Bans, at every POP at once.
    #[command(subcommand)]
    Bans(bans::Command),
    /// Have stored responses not be served any more, at every POP.
    Purge(purge::Args),
    /// What a running node has stored.
    #[command(subcommand)]
    Cache(cache::Command),
    /// Sessions of a running node, and how they are put to an end at every POP.
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Counters of a running node.
    #[command(subcommand)]
    Counters(counters::Command),
    /// Lists of a running node, and what is said of their elements at run time, at every POP at once.
    #[command(subcommand)]
    Lists(lists::Command),
    /// Show requests as they are answered.
    Tail(tail::Args),
    /// Three POPs and an origin on this machine, to try things on.
    Demo(demo::Args),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let Args { json, command } = Args::parse();
    // One crypto provider for clients, peers and origins. Fails only when one is installed already, which is then this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::Test(args) => test::test(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Schema => schema::schema(),
        Command::Init(args) => init::command(args),
        Command::Reload(args) => reload::reload(&args),
        Command::Status(args) => status::status(&args),
        Command::Metrics(command) => metrics::metrics(&command),
        Command::Limits(command) => limits::limits(&command),
        Command::Cluster(command) => cluster::cluster(&command),
        Command::Bans(command) => bans::bans(&command),
        Command::Purge(args) => purge::purge(&args),
        Command::Cache(command) => cache::cache(&command),
        Command::Sessions(command) => sessions::sessions(&command),
        Command::Counters(command) => counters::counters(&command),
        Command::Lists(command) => lists::lists(&command),
        Command::Tail(args) => tail::tail(&args, json),
        Command::Demo(args) => demo::demo(args),
    };
    render::print(outcome, json)
}

/// Where a config file is looked for when none is named.
fn default_config() -> PathBuf {
    PathBuf::from("/etc/selvedge/selvedge.toml")
}
