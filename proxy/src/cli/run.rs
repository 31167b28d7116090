//! `selvedge run`: serve a config file, or one origin with none.

use std::path::{Path, PathBuf};

use selvedge_conf::Config;

use super::check::{load, mistaken, unusable};
use super::render::{Failure, Render};
use crate::observe::log;
use crate::serve::boot;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file.
    #[arg(long, value_name = "FILE", default_value_os_t = super::default_config())]
    config: PathBuf,
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
    let (name, config) = match (&args.origin, &args.listen) {
        (Some(origin), Some(listen)) => {
            (PathBuf::from("command line"), single(origin, listen, args.socket.as_deref())?)
        }
        _ => (args.config.clone(), load(&args.config)?),
    };
    let ready = boot(config).map_err(|error| match error {
        // The config may be right and the machine not: a port in use is no mistake in the file.
        crate::serve::BootError::Bind(_)
        | crate::serve::BootError::BindPeers { .. }
        | crate::serve::BootError::Socket(_) => Failure::Failed(error.to_string()),
        error => unusable(&name, &error),
    })?;
    ready.run().map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(Render::new(String::new(), &serde_json::json!({ "stopped": true })))
}

/// The config that `--origin` and `--listen` stand for, through the same loader as any other.
fn single(origin: &str, listen: &str, socket: Option<&Path>) -> Result<Config, Failure> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!(
        "[listen]\nhttp = [{}]\n\n[origin.origin]\nservers = [{}]\n\n[site.\"*\"]\norigin = \"origin\"\n",
        quoted(listen),
        quoted(origin)
    );
    let socket = socket.map_or_else(private_socket, Path::to_path_buf);
    text.push_str(&format!("\n[admin]\nsocket = {}\n", quoted(&socket.to_string_lossy())));
    let read = |_: &Path| Ok(text.clone());
    selvedge_conf::load(Path::new("command line"), &read, &|_| None).map_err(|report| mistaken(&report))
}

/// A socket of this process alone: trying something out needs no rights in /run.
fn private_socket() -> PathBuf {
    std::env::temp_dir().join(format!("selvedge-{}.sock", std::process::id()))
}
