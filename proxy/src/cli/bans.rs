//! `selvedge bans`: refuse a client everywhere, at once.

use std::time::Duration;

use hyper::Method;

use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{Ban, BanHistory, BanStep, NewBan, Unban};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the bans in force.
    Ls {
        #[command(flatten)]
        socket: Socket,
    },
    /// The bans of each client, or of one, that are remembered: also those that are over and count for the next one.
    History {
        /// An address, or a network as clients are counted.
        subject: Option<String>,
        #[command(flatten)]
        socket: Socket,
    },
    /// Ban a client at every POP.
    Add {
        /// An address, or a network as clients are counted: IPv4 /32, IPv6 /64.
        subject: String,
        /// How long, as in the config: 30s, 15m, 1h.
        #[arg(long = "for", value_name = "DURATION", default_value = "15m", value_parser = selvedge_conf::duration)]
        duration: Duration,
        /// Why, for the list; 64 bytes at most.
        #[arg(long, default_value = "operator")]
        reason: String,
        #[command(flatten)]
        socket: Socket,
    },
    /// Lift a ban at every POP.
    Rm {
        /// The address or network.
        subject: String,
        #[command(flatten)]
        socket: Socket,
    },
}

pub(super) fn bans(command: &Command) -> Result<Render, Failure> {
    match command {
        Command::Ls { socket } => {
            let bans: Vec<Ban> = ask(crate::admin::get(&socket.path()?, "/v1/bans"))?;
            let text = if bans.is_empty() { "no bans".to_owned() } else { bans.iter().map(line).collect() };
            Ok(Render::new(text, &bans))
        }
        Command::History { subject, socket } => {
            let asked = subject.as_ref().map(|subject| format!("?subject={}", escape(subject))).unwrap_or_default();
            let all: Vec<BanHistory> = ask(crate::admin::get(&socket.path()?, &format!("/v1/bans/history{asked}")))?;
            let text =
                if all.is_empty() { "no bans are remembered".to_owned() } else { all.iter().map(history).collect() };
            Ok(Render::new(text, &all))
        }
        Command::Add { subject, duration, reason, socket } => {
            let for_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let new = NewBan { subject: subject.clone(), for_ms, reason: reason.clone() };
            let ban: Ban = ask(crate::admin::send(&socket.path()?, Method::POST, "/v1/bans", &new))?;
            Ok(Render::new(line(&ban), &ban))
        }
        Command::Rm { subject, socket } => {
            let old = Unban { subject: subject.clone() };
            let ban: Ban = ask(crate::admin::send(&socket.path()?, Method::DELETE, "/v1/bans", &old))?;
            Ok(Render::new(format!("{} is no longer banned", ban.subject), &ban))
        }
    }
}

fn line(ban: &Ban) -> String {
    let late = ban.applied_at.saturating_sub(ban.made_at);
    let lasts = ban.until.saturating_sub(ban.applied_at).div_ceil(1000);
    format!("{}  by {}, known here after {late} ms, {lasts} s from then  ({})\n", ban.subject, ban.made_by, ban.reason)
}

/// The bans of one client, the last one first, and what comes next.
fn history(history: &BanHistory) -> String {
    let BanHistory { steps, in_force, remembered_until, steps_ms, next_ms } = history;
    let mut text = String::new();
    for (nth, step) in steps.iter().enumerate() {
        match nth {
            0 => text.push_str(&format!("{}  {}", step.ban.subject, told(step, *in_force))),
            _ => text.push_str(&format!("  before  {}", told(step, false))),
        }
    }
    if let Some(next) = next_ms {
        let ladder: Vec<String> = steps_ms.iter().map(|step| seconds(*step)).collect();
        let until = instant(*remembered_until);
        let (ladder, next) = (ladder.join(", "), seconds(*next));
        text.push_str(&format!(
            "  bans of that limit last {ladder}; the next one {next}, if it comes before {until}\n"
        ));
    }
    text
}

/// One ban as a step of its ladder.
fn told(BanStep { ban, by, lifted_at, lifted_by }: &BanStep, in_force: bool) -> String {
    let by = by.as_ref().map_or_else(|| format!("operator ({})", printable(&ban.reason)), |by| printable(by));
    let end = match (lifted_at, in_force) {
        (Some(at), _) => format!("lifted at {} {}", lifted_by.as_deref().unwrap_or_default(), instant(*at)),
        (None, true) => format!("in force until {}", instant(ban.until)),
        (None, false) => format!("over since {}", instant(ban.until)),
    };
    format!("level {}  {end}  by {by}, made at {} {}\n", ban.level, ban.made_by, instant(ban.made_at))
}

fn seconds(millis: u64) -> String {
    format!("{} s", millis as f64 / 1000.0)
}
