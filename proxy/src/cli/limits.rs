//! `selvedge limits`: what limits count, what they may admit beyond, and did.

use std::fmt::Write;

use selvedge_conf::Class;

use super::overrides::{self, Set, Which, key_text};
use super::render::{Failure, Render, instant};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{Key, Limit, Row};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show all limits, or one, or one key of one.
    Show(Show),
    /// The keys of a limit that were counted most.
    Top(Top),
    /// Another rate or number in flight for one key of a limit, or no limit, at every POP and for some time.
    Set(Set),
    /// Let one key of a limit start afresh at every POP.
    Reset(Which),
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The limit's name.
    name: Option<String>,
    /// One value for each part of the limit's key, in the config's order; for `client.net` an address will do. Or a hash, as it is
    /// shown: `#0123456789abcdef`.
    #[arg(requires = "name")]
    key: Vec<String>,
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, clap::Args)]
pub(super) struct Top {
    /// The limit's name.
    name: String,
    /// How many keys.
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    n: u16,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn limits(command: &Command) -> Result<Render, Failure> {
    match command {
        Command::Show(command) => show(command),
        Command::Top(command) => top(command),
        Command::Set(command) => overrides::set(command),
        Command::Reset(which) => overrides::reset(which),
    }
}

fn top(top: &Top) -> Result<Render, Failure> {
    let path = format!("/v1/limits/{}?top={}", escape(&top.name), top.n);
    let limit: Limit = ask(crate::admin::get(&top.socket.path()?, &path))?;
    let keys: String = limit.top.iter().map(key_line).collect();
    let text = if keys.is_empty() { format!("{}: nothing is counted now", limit.name) } else { keys };
    Ok(Render::new(text, &limit.top))
}

fn show(show: &Show) -> Result<Render, Failure> {
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
        let _ = match &limit.overshot {
            Some(so_far) => writeln!(page, "  so far: {:.2}, known since {}", so_far.by, instant(so_far.at)),
            None => writeln!(page, "  so far: nothing, since the start"),
        };
    }
    if limit.bound.is_none() && limit.class == Class::Strict.text() {
        let _ = writeln!(page, "  beyond the quota: what is on its way costs more than was reserved, and nothing else");
    }
    if limit.partial {
        let _ = writeln!(page, "  PARTIAL: more keys than fit are counted");
    }
    for held in &limit.overrides {
        let _ = write!(page, "  override {}", overrides::line(held));
    }
    for reset in &limit.resets {
        let _ = write!(page, "  {}", overrides::reset_line(reset));
    }
    for key in &limit.top {
        let _ = write!(page, "  key {}", key_line(key));
    }
    page
}

fn key_line(key: &Key) -> String {
    let not_heard = |row: &Row| if row.silent { " not heard" } else { "" };
    let rows: Vec<String> = key.rows.iter().map(|row| format!("{} {}{}", row.pop, row.count, not_heard(row))).collect();
    let name = key.key.as_ref().map_or_else(|| "(not seen here)".to_owned(), |_| key_text(key.key.as_ref(), &key.hash));
    let refused = if key.refused { "  REFUSED" } else { "" };
    format!("#{}  {name}  {} ({})  level {:.1}{refused}\n", key.hash, key.count, rows.join(", "), key.level)
}
