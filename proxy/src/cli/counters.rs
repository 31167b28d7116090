//! `selvedge counters show`: what counters counted.

use std::fmt::Write;

use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::Counter;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the busiest keys of a counter, or one key.
    Show(Show),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  selvedge counters show not-found 192.0.2.9")]
pub(super) struct Show {
    /// The counter's name.
    name: String,
    /// One value for each part of the counter's key, in the config's order; for `client.net` an address will do.
    key: Vec<String>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn counters(command: &Command) -> Result<Render, Failure> {
    let Command::Show(show) = command;
    let key: Vec<String> = show.key.iter().map(|part| format!("key={}", escape(part))).collect();
    let path = format!("/v1/counters/{}?{}", escape(&show.name), key.join("&"));
    let counter: Counter = ask(crate::admin::get(&show.socket.path()?, &path))?;
    Ok(Render::new(page(&counter), &counter))
}

fn page(counter: &Counter) -> String {
    let Counter { name, place, window_ms, keys, top } = counter;
    let mut page = format!("{name}  the last {} s  {keys} keys  ({place})\n", window_ms / 1000);
    for key in top {
        let rows: Vec<String> = key.rows.iter().map(|row| format!("{} {}", row.pop, row.count)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(page, "  key {}  {}  (remembered: {})", key.hash, key.count, rows.join(", "));
    }
    page
}
