//! `selvedge bans`: refuse a client everywhere, at once.

use std::time::Duration;

use hyper::Method;

use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::report::{Ban, NewBan, Unban};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the bans in force.
    Ls {
        #[command(flatten)]
        socket: Socket,
    },
    /// Ban a client at every POP.
    Add {
        /// An address, or a network as clients are counted: IPv4 /32, IPv6 /64.
        subject: String,
        /// How long, as in the config: 30s, 15m, 1h.
        #[arg(long = "for", value_name = "DURATION", default_value = "15m", value_parser = duration)]
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

fn duration(text: &str) -> Result<Duration, String> {
    selvedge_conf::duration(text)
}
