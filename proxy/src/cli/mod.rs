//! The command line: one binary for everything. Every command takes `--json`, says what it found on standard output and what
//! went wrong on standard error, and ends with an exit code that scripts can use.

mod bans;
mod check;
pub mod demo;
pub mod init;
mod limits;
mod render;
mod run;
mod schema;
mod socket;
mod status;

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
    /// Print the JSON Schema of config files, for editors.
    Schema,
    /// Write configs, roster, CA and certificates for a cluster.
    Init(init::Args),
    /// Show what a running node says of itself and its peers.
    Status(status::Args),
    /// Limits of a running node.
    #[command(subcommand)]
    Limits(limits::Command),
    /// Bans, at every POP at once.
    #[command(subcommand)]
    Bans(bans::Command),
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
        Command::Schema => schema::schema(),
        Command::Init(args) => init::command(args),
        Command::Status(args) => status::status(&args),
        Command::Limits(command) => limits::limits(&command),
        Command::Bans(command) => bans::bans(&command),
        Command::Demo(args) => demo::demo(args),
    };
    render::print(outcome, json)
}

/// Where a config file is looked for when none is named.
fn default_config() -> PathBuf {
    PathBuf::from("/etc/selvedge/selvedge.toml")
}
