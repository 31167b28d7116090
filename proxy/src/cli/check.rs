//! `selvedge check`: everything that can be wrong with a config, without binding a socket.

use std::path::{Path, PathBuf};

use selvedge_conf::Config;
use serde_json::json;

use super::cost::Costs;
use super::render::{Failure, Render};
use crate::plan::{Ledger, LoadError, Loaded, load};
use crate::rehearse::Stage;

/// What `--help` ends with.
const EXAMPLE: &str = "\
Example:
  selvedge check edge.toml --cost

Exit codes: 0 it can be used, 78 it cannot.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The config file.
    #[arg(value_name = "FILE", default_value_os_t = super::default_config())]
    config: PathBuf,
    /// Say what each rule, limit, counter and unique may take at most, and which rules the index cannot look up.
    #[arg(long)]
    cost: bool,
}

pub(super) fn check(args: &Args) -> Result<Render, Failure> {
    let loaded = everything(&args.config)?;
    let config = &loaded.config;
    let counts = [
        ("sites", config.sites.len()),
        ("origins", config.origins.len()),
        ("rules", config.rules.len()),
        ("limits", config.limits.len()),
        ("tests", config.tests.len()),
    ];
    let words: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let mut text = format!("{}: ok ({})\n", args.config.display(), words.join(", "));
    let mut found = serde_json::Map::from_iter([("ok".to_owned(), json!(true))]);
    found.extend(counts.map(|(what, count)| (what.to_owned(), json!(count))));
    let sessions = config.sessions.iter().filter_map(|session| Some(format!("{}: {}", session.place, session.note()?)));
    let limits = config.limits.iter().filter_map(|limit| Some(format!("{}: {}", limit.place, limit.note()?)));
    let warnings: Vec<_> = sessions.chain(limits).collect();
    warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    found.insert("warnings".to_owned(), json!(warnings));
    if args.cost {
        let stage = Stage::new(config, loaded.shelf.tables(), 1).map_err(Failure::Failed)?;
        let costs = Costs::new(config, &stage.filters);
        text.push_str(&costs.text());
        found.insert("cost".to_owned(), json!(costs));
    }
    Ok(Render::new(text, &found))
}

/// Reads a config and the files it names, as a node does at its start and when it loads again.
///
/// # Errors
/// [`Failure::Config`] with every problem and its place.
pub(super) fn everything(path: &Path) -> Result<Loaded, Failure> {
    load(path, None, Ledger::default()).map_err(|(error, _)| unusable(&error))
}

/// Reads a config file alone.
///
/// # Errors
/// [`Failure::Config`] with every problem and its place.
pub(super) fn config(path: &Path) -> Result<Config, Failure> {
    crate::plan::read(path, &Ledger::default()).map_err(|error| unusable(&error))
}

/// The failure that a config with mistakes ends in.
pub(super) fn unusable(error: &LoadError) -> Failure {
    Failure::Config(error.text(), error.problems())
}
