//! `selvedge check`: everything that can be wrong with a config, without binding a socket.

use std::path::{Path, PathBuf};

use selvedge_conf::Config;
use serde_json::json;

use super::render::{Failure, Render};
use crate::edge::origin::Origin;
use crate::front::Certificates;
use crate::link::membership::Membership;
use crate::serve::BootError;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file.
    #[arg(value_name = "FILE", default_value_os_t = super::default_config())]
    config: PathBuf,
}

pub(super) fn check(args: &Args) -> Result<Render, Failure> {
    let config = load(&args.config)?;
    files(&config).map_err(|error| unusable(&args.config, &error))?;
    let text = format!(
        "{}: ok ({} sites, {} origins, {} limits)",
        args.config.display(),
        config.sites.len(),
        config.origins.len(),
        config.limits.len()
    );
    let found = json!({ "ok": true, "sites": config.sites.len(), "origins": config.origins.len(), "limits": config.limits.len() });
    Ok(Render::new(text, &found))
}

/// Reads a config file with the system's files and environment.
///
/// # Errors
/// [`Failure::Config`] with every problem and its place.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    let read = |path: &Path| std::fs::read_to_string(path);
    let environment = |name: &str| std::env::var(name).ok();
    selvedge_conf::load(path, &read, &environment).map_err(|report| mistaken(&report))
}

/// The failure that a config with mistakes ends in.
pub(super) fn mistaken(report: &selvedge_conf::Report) -> Failure {
    Failure::Config(report.render(false), json!(report.problems()))
}

/// The same failure for files that the config names.
pub(super) fn unusable(config: &Path, error: &BootError) -> Failure {
    let text = format!("{}: {error}", config.display());
    Failure::Config(format!("error: {text}"), json!([{ "file": config, "message": error.to_string() }]))
}

/// Reads the certificates, CA files and cluster files that a config names.
fn files(config: &Config) -> Result<(), BootError> {
    for https in &config.listen.https {
        Certificates::load(&https.certificates)?;
    }
    for (group, origin) in (0..).zip(&config.origins) {
        Origin::new(origin.clone(), group)?;
    }
    if let Some(cluster) = &config.cluster {
        Membership::load(&config.pop.name, cluster)?;
    }
    Ok(())
}
