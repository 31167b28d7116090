//! `selvedge sessions`: what is known of clients between their requests, and how it is put to an end.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use hyper::Method;

use super::purge::place;
use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{
    HeldSession, KnownSession, NewRevocation, Revoked, SessionAt, Sessions, ShownSession, Whose, Writer,
};

/// What `--help` of `revoke` ends with.
const EXAMPLE: &str = "\
Examples:
  selvedge sessions revoke 0f3c9a5be4d17268a0b1c2d3e4f50617 --wait 5s
  selvedge sessions revoke --user ann --realm shop

It holds at the node that is asked before the command ends, and at the others as soon as they hear of it; --wait asks them.
Exit codes: 0 revoked (and applied everywhere, with --wait), 1 it cannot be revoked, or --wait ended before every POP said that it has
applied it, 69 no edge answers, 78 the config cannot be used.";

/// What a page asks for at most.
const PAGE_MAX: usize = 1_000;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the sessions that a node holds, by their ids.
    Ls(Ls),
    /// Show one session at each POP: who wrote what, and who is behind.
    Show {
        /// Its id, as `session` in the access log and Selvedge-Session-Id have it.
        id: String,
        #[command(flatten)]
        socket: Socket,
    },
    /// Have sessions, users, tenants or tokens be valid nowhere any more.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// Those that have this attribute; may be given several times, and all have to hold.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Go on behind this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(super) struct Revoke {
    /// Ids of sessions, as `session` in the access log and Selvedge-Session-Id have them.
    #[arg(value_name = "ID", group = "what")]
    ids: Vec<String>,
    /// All sessions and tokens of a user that were issued until now. This and the following may be given several times.
    #[arg(long = "user", value_name = "NAME", group = "what")]
    users: Vec<String>,
    /// All sessions and tokens of a tenant that were issued until now.
    #[arg(long = "tenant", value_name = "NAME", group = "what")]
    tenants: Vec<String>,
    /// A token, by its `jti`.
    #[arg(long = "token", value_name = "JTI", group = "what")]
    tokens: Vec<String>,
    /// The realm of users, tenants and tokens; may be left out where the config has one.
    #[arg(long, value_name = "REALM")]
    realm: Option<String>,
    /// Wait until every POP has applied it, so long at most; at most 60s, 10s if nothing else is said.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", value_parser = selvedge_conf::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn sessions(command: &Command) -> Result<Render, Failure> {
    match command {
        Command::Ls(ls) => list(ls),
        Command::Show { id, socket } => {
            let path = format!("/v1/sessions/{}", escape(id));
            let shown: ShownSession = ask(crate::admin::get(&socket.path()?, &path))?;
            let render = Render::new(page(&shown), &shown);
            Ok(if shown.missing.is_empty() { render } else { render.failed() })
        }
        Command::Revoke(revoke) => {
            let wait = revoke.wait.unwrap_or_default();
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let new = NewRevocation { revoke: whose(revoke), realm: revoke.realm.clone(), wait_ms };
            let (socket, path) = (revoke.socket.path()?, "/v1/sessions/revoke");
            let revoked: Revoked = ask(crate::admin::send_patiently(&socket, Method::POST, path, &new, wait))?;
            let render = Render::new(done(&revoked), &revoked);
            Ok(if revoked.missing.is_empty() { render } else { render.failed() })
        }
    }
}

fn whose(revoke: &Revoke) -> Vec<Whose> {
    let each = |names: &[String], whose: fn(String) -> Whose| names.iter().cloned().map(whose).collect::<Vec<_>>();
    let mut all = each(&revoke.ids, Whose::Session);
    all.extend(each(&revoke.users, Whose::User));
    all.extend(each(&revoke.tenants, Whose::Tenant));
    all.extend(each(&revoke.tokens, Whose::Token));
    all
}

/// Asks for one page after the other: each is a bounded piece of work for the node, and may find nothing.
fn list(ls: &Ls) -> Result<Render, Failure> {
    let socket = ls.socket.path()?;
    let mut all = Sessions { sessions: Vec::new(), next: ls.after.clone() };
    loop {
        let left = ls.limit.saturating_sub(all.sessions.len());
        let mut found = next_page(&socket, ls, (all.next.as_deref(), left))?;
        all.sessions.append(&mut found.sessions);
        all.next = found.next;
        if all.next.is_none() || all.sessions.len() >= ls.limit {
            break;
        }
    }
    let mut text: String = all.sessions.iter().map(line).collect();
    match &all.next {
        Some(next) => text.push_str(&format!("there may be more: --after {next}\n")),
        None if all.sessions.is_empty() => text.push_str("no sessions\n"),
        None => {}
    }
    Ok(Render::new(text, &all))
}

fn next_page(socket: &Path, ls: &Ls, (after, left): (Option<&str>, usize)) -> Result<Sessions, Failure> {
    let mut path = format!("/v1/sessions?limit={}", left.min(PAGE_MAX));
    ls.attributes.iter().for_each(|attribute| path.push_str(&format!("&attribute={}", escape(attribute))));
    if let Some(after) = after {
        path.push_str(&format!("&after={}", escape(after)));
    }
    ask(crate::admin::get(socket, &path))
}

fn line(session: &HeldSession) -> String {
    let HeldSession { id, started, seen, over, attributes, counters, revoked } = session;
    let mut line = format!("{id}  started {}  seen {}  ", instant(*started), instant(*seen));
    let _ = match revoked {
        Some(by) => write!(line, "{}", revoked_by(by)),
        None => write!(line, "over {}", instant(*over)),
    };
    for (name, value) in attributes {
        let _ = write!(line, "  {}={}", printable(name), printable(value));
    }
    for (name, count) in counters {
        let _ = write!(line, "  {} {count}", printable(name));
    }
    line.push('\n');
    line
}

fn revoked_by(by: &str) -> String {
    match by {
        "floor" => "REVOKED with all that were started as early".to_owned(),
        by => format!("REVOKED by its {by}"),
    }
}

fn page(shown: &ShownSession) -> String {
    let mut page = format!("session {}\n", printable(&shown.id));
    shown.at.iter().for_each(|at| at_one(&mut page, at));
    for missing in &shown.missing {
        let place = place(&missing.pop, missing.node);
        page.push_str(&format!("MISSING  {place}  {}\n", printable(&missing.cause)));
    }
    page
}

fn at_one(page: &mut String, at: &SessionAt) {
    let place = place(&at.pop, Some(at.node));
    let revoked = at.revoked.as_ref().map(|by| format!("  {}", revoked_by(by))).unwrap_or_default();
    let _ = match &at.known {
        None => writeln!(page, "{place}  nothing is known of it{revoked}"),
        Some(KnownSession { started, seen, over, ends, .. }) => writeln!(
            page,
            "{place}  started {}  seen {}  over {}, at the latest {}{revoked}",
            instant(*started),
            instant(*seen),
            instant(*over),
            instant(*ends)
        ),
    };
    if !at.behind.is_empty() {
        let _ = writeln!(page, "  BEHIND: more is known elsewhere of what was written by {}", list_of(&at.behind));
    }
    let Some(known) = &at.known else { return };
    for attribute in &known.attributes {
        let value = attribute.value.as_ref().map_or("(removed)".to_owned(), |value| format!("= {}", printable(value)));
        let (name, by) = (printable(&attribute.name), named(&attribute.by));
        let _ = writeln!(page, "  {name} {value}   {by} {}", instant(attribute.at));
    }
    for counter in &known.counters {
        let by: Vec<String> = counter.by.iter().map(|(by, count)| format!("{} {count}", named(by))).collect();
        let _ = writeln!(page, "  {} {}   ({})", printable(&counter.name), counter.count, by.join(", "));
    }
    for written in &known.written {
        let _ = writeln!(page, "  known up to {} {}", named(&written.by), instant(written.at));
    }
}

fn named(writer: &Writer) -> String {
    place(&writer.pop, Some(writer.node))
}

fn list_of(writers: &[Writer]) -> String {
    writers.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn done(revoked: &Revoked) -> String {
    let mut text = String::new();
    for whose in &revoked.revoked {
        let (kind, name) = match whose {
            Whose::Session(name) => ("session", name),
            Whose::User(name) => ("user", name),
            Whose::Tenant(name) => ("tenant", name),
            Whose::Token(name) => ("token", name),
        };
        let realm = revoked.realm.as_ref().filter(|_| kind != "session");
        let realm = realm.map(|realm| format!(" of {}", printable(realm))).unwrap_or_default();
        let _ = writeln!(text, "revoked  {kind} {}{realm}", printable(name));
    }
    text.push_str(&super::purge::receipts(&revoked.receipts, &revoked.missing));
    text
}
