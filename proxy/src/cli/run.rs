//! `selvedge run`: serve a config file, or one origin with none.

use std::path::{Path, PathBuf};

use super::check::{everything, unusable};
use super::render::{Failure, Render};
use crate::handover::Inherited;
use crate::observe::log;
use crate::plan::{Ledger, LoadError, Loaded};
use crate::serve::{BootError, boot};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file.
    #[arg(long, value_name = "FILE", default_value_os_t = super::default_config())]
    config: PathBuf,
    /// Take over from the process that runs with the same admin socket: its sockets, what it knows, then its work. Where none
    /// runs, start as ever.
    #[arg(long)]
    take_over: bool,
    /// Serve this origin without a config file: all hosts, the cache on, no limits.
    #[arg(long, value_name = "URL", requires = "listen", conflicts_with = "config")]
    origin: Option<String>,
    /// Where to listen, with `--origin`.
    #[arg(long, value_name = "ADDRESS", requires = "origin")]
    listen: Option<String>,
    /// The admin socket, with `--origin`.
    #[arg(long, value_name = "PATH", requires = "origin")]
    socket: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<Render, Failure> {
    log::start();
    crate::stop::outlive_hangups();
    let loaded = match (&args.origin, &args.listen) {
        (Some(origin), Some(listen)) => single(origin, listen, args.socket.as_deref())?,
        _ => everything(&args.config)?,
    };
    let inherited = match args.take_over {
        true => Inherited::ask(&loaded.config.admin.socket).map_err(|error| Failure::Failed(error.to_string()))?,
        false => None,
    };
    let ready = boot(loaded, inherited).map_err(|error| match error {
        BootError::Tables(_) | BootError::Log(_) => {
            Failure::Config(format!("error: {error}"), serde_json::json!([{ "message": error.to_string() }]))
        }
        // The config may be right and the machine not: a port in use is no mistake in the file.
        error => Failure::Failed(error.to_string()),
    })?;
    ready.run().map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(Render::new(String::new(), &serde_json::json!({ "stopped": true })))
}

/// The config that `--origin` and `--listen` stand for, through the same loader as any other.
fn single(origin: &str, listen: &str, socket: Option<&Path>) -> Result<Loaded, Failure> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!(
        "[listen]\nhttp = [{}]\n\n[origin.origin]\nservers = [{}]\n\n[site.\"*\"]\norigin = \"origin\"\n",
        quoted(listen),
        quoted(origin)
    );
    let socket = socket.map_or_else(private_socket, Path::to_path_buf);
    // Whoever tries a cache on an origin wants to see it at work.
    text.push_str("\n[storage]\nheuristic_freshness = true\n");
    text.push_str(&format!("\n[admin]\nsocket = {}\n", quoted(&socket.to_string_lossy())));
    let read = |_: &Path| Ok(text.clone());
    let config = selvedge_conf::load(Path::new("command line"), &read, &|_| Ok(Vec::new()), &|_| None);
    let config = config.map_err(|report| unusable(&LoadError::Config(report)))?;
    Loaded::of(config, None, None, Ledger::default()).map_err(|(error, _)| unusable(&error))
}

/// A socket of this process alone: trying something out needs no rights in /run.
fn private_socket() -> PathBuf {
    std::env::temp_dir().join(format!("selvedge-{}.sock", std::process::id()))
}
