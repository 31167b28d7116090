//! `selvedge metrics budget`: how many series a config makes, before anybody has to store them.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::check;
use super::render::{Failure, Render};
use crate::observe::series::{FAMILIES, SERIES_MAX};

/// What `--help` ends with.
const EXAMPLE: &str = "\
Example:
  selvedge metrics budget edge.toml

Label values come from the config or from closed lists, so requests cannot make more.
Exit codes: 0 counted (a warning is no failure), 78 the config cannot be used.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Count the series that each metric can have with a config.
    #[command(after_help = EXAMPLE)]
    Budget {
        /// The config file.
        #[arg(value_name = "FILE", default_value_os_t = super::default_config())]
        config: PathBuf,
    },
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Budget {
    metrics: Vec<Entry>,
    total: usize,
    /// More than this is warned of.
    most: usize,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    series: usize,
}

pub(super) fn metrics(command: &Command) -> Result<Render, Failure> {
    let Command::Budget { config } = command;
    let config = check::config(config)?;
    let entry = |family: &crate::observe::series::Family| Entry {
        name: family.name,
        labels: family.labels,
        help: family.help,
        series: family.series(&config),
    };
    let metrics: Vec<Entry> = FAMILIES.iter().map(entry).collect();
    let total = metrics.iter().map(|entry| entry.series).sum();
    let budget = Budget { metrics, total, most: SERIES_MAX };
    Ok(Render::new(text(&budget), &budget))
}

fn text(budget: &Budget) -> String {
    let mut text = String::new();
    let width = budget.metrics.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    for Entry { name, labels, series, .. } in &budget.metrics {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{series:>8}  {name:<width$}  {}", labels.join(", "));
    }
    let _ = writeln!(text, "{:>8}  in all", budget.total);
    if budget.total > budget.most {
        let _ = writeln!(text, "warning: more than {} series; fewer sites, rules or limits make fewer", budget.most);
    }
    text
}
