//! `selvedge lists`: what lists hold, and what is said of their elements at run time, at every POP at once.

use std::fmt::Write;
use std::time::Duration;

use hyper::Method;

use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{List, ListEntry, NewListEntry};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The lists of the running config.
    Ls {
        #[command(flatten)]
        socket: Socket,
    },
    /// One list: its file, and each element of which something is said now, by whom, and until when.
    Show {
        /// The list's name.
        name: String,
        #[command(flatten)]
        socket: Socket,
    },
    /// Put an element into a list at every POP, for some time.
    Add(Change),
    /// Take an element out of a list at every POP, for some time, whatever its file and earlier additions say.
    Rm(Change),
}

/// What is said of an element.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  selvedge lists add office 192.0.2.9 --for 8h")]
pub(super) struct Change {
    /// The list's name.
    name: String,
    /// For a list of addresses an address, or an IPv6 network of /64; for one of strings a text of at most 128 bytes.
    element: String,
    /// How long, as in the config: 30s, 15m, 1h.
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = selvedge_conf::duration)]
    duration: Duration,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn lists(command: &Command) -> Result<Render, Failure> {
    match command {
        Command::Ls { socket } => {
            let lists: Vec<List> = ask(crate::admin::get(&socket.path()?, "/v1/lists"))?;
            let text = if lists.is_empty() { "no lists".to_owned() } else { lists.iter().map(head).collect() };
            Ok(Render::new(text, &lists))
        }
        Command::Show { name, socket } => {
            let list: List = ask(crate::admin::get(&socket.path()?, &path(name)))?;
            Ok(Render::new(page(&list), &list))
        }
        Command::Add(change) => say(change, Method::POST),
        Command::Rm(change) => say(change, Method::DELETE),
    }
}

fn say(change: &Change, method: Method) -> Result<Render, Failure> {
    let for_ms = u64::try_from(change.duration.as_millis()).unwrap_or(u64::MAX);
    let new = NewListEntry { element: change.element.clone(), for_ms };
    let entry: ListEntry = ask(crate::admin::send(&change.socket.path()?, method, &path(&change.name), &new))?;
    Ok(Render::new(line(&entry), &entry))
}

fn path(name: &str) -> String {
    format!("/v1/lists/{}", escape(name))
}

fn head(list: &List) -> String {
    let file = list.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    let said = list.entries.len();
    format!(
        "{}  {}  {} elements of {file}, {said} said at run time  ({})\n",
        list.name, list.kind, list.base, list.place
    )
}

fn page(list: &List) -> String {
    let mut page = head(list);
    for entry in &list.entries {
        // Writing to a String cannot fail.
        let _ = write!(page, "  {}", line(entry));
    }
    page
}

fn line(entry: &ListEntry) -> String {
    let ListEntry { element, present, until, made_at, made_by } = entry;
    let what = if *present { "in" } else { "out" };
    format!("{}  {what}  by {made_by} at {}, until {}\n", printable(element), instant(*made_at), instant(*until))
}
