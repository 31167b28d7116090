//! `selvedge limits show`: what limits count, and what they may admit beyond.

use std::fmt::Write;

use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::Limit;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show all limits, or one, or one key of one.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The limit's name.
    name: Option<String>,
    /// One value for each part of the limit's key, in the config's order; for `client.net` an address will do.
    #[arg(requires = "name")]
    key: Vec<String>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn limits(command: &Command) -> Result<Render, Failure> {
    let Command::Show(show) = command;
    let socket = show.socket.path()?;
    let Some(name) = &show.name else {
        let limits: Vec<Limit> = ask(crate::admin::get(&socket, "/v1/limits"))?;
        let text = if limits.is_empty() { "no limits".to_owned() } else { limits.iter().map(page).collect() };
        return Ok(Render::new(text, &limits));
    };
    let key: Vec<String> = show.key.iter().map(|part| format!("key={}", escape(part))).collect();
    let path = format!("/v1/limits/{}?{}", escape(name), key.join("&"));
    let limit: Limit = ask(crate::admin::get(&socket, &path))?;
    Ok(Render::new(page(&limit), &limit))
}

fn page(limit: &Limit) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "{}  {}  {}  {}  {}  {} keys  ({})",
        limit.name, limit.measure, limit.scope, limit.class, limit.mode, limit.keys, limit.place
    );
    if let Some(bound) = &limit.bound {
        let _ = match bound.overdraft {
            Some(overdraft) => writeln!(page, "  beyond burst and rate: at most {overdraft}, whatever is late or lost"),
            None => writeln!(
                page,
                "  beyond burst and rate: at most {:.2} by slots of {} ms, and what arrives in {} ms",
                bound.slots, bound.slot_ms, bound.lag_ms
            ),
        };
    }
    if limit.partial {
        let _ = writeln!(page, "  PARTIAL: more keys than fit are counted");
    }
    for key in &limit.top {
        let rows: Vec<String> = key.rows.iter().map(|row| format!("{} {}", row.pop, row.count)).collect();
        let _ = writeln!(page, "  key {}  {} ({})  level {:.1}", key.hash, key.count, rows.join(", "), key.level);
    }
    page
}
