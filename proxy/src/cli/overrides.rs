//! `selvedge limits set` and `reset`: what an operator says of one key of a limit, at every POP at once.

use std::time::Duration;

use hyper::Method;

use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{NewOverride, OneKey, Override, Reset};

/// Which key of which limit.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The limit's name.
    pub(super) name: String,
    /// One value for each part of the limit's key, in the config's order; for `client.net` an address will do. Or a hash, as
    /// `show` and `top` print it: `#0123456789abcdef`.
    pub(super) key: Vec<String>,
    #[command(flatten)]
    pub(super) socket: Socket,
}

/// What is to hold for a key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    selvedge limits set login 192.0.2.9 --rate 100/1m --for 1h\n  \
    selvedge limits set login 192.0.2.9 --unlimited --for 8h\n  \
    selvedge limits set uploads 192.0.2.9 --in-flight 20 --for 1h\n  \
    selvedge limits set login 192.0.2.9 --clear")]
pub(super) struct Set {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    says: Says,
    /// Depth of the bucket. Default: a tenth of the rate, 1 at least.
    #[arg(long, conflicts_with_all = ["unlimited", "in_flight", "clear"], value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    /// How long, as in the config: 30s, 15m, 1h.
    #[arg(long = "for", value_name = "DURATION", value_parser = selvedge_conf::duration, required_unless_present = "clear", conflicts_with = "clear")]
    duration: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Says {
    /// Another rate, as in the config.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<String>,
    /// Another number of requests at once, of all POPs; 0 refuses each.
    #[arg(long, value_name = "N")]
    in_flight: Option<u32>,
    /// No limit.
    #[arg(long)]
    unlimited: bool,
    /// What the config says.
    #[arg(long)]
    clear: bool,
}

pub(super) fn set(set: &Set) -> Result<Render, Failure> {
    let Which { name, key, socket } = &set.which;
    let (socket, path) = (socket.path()?, format!("/v1/limits/{}/overrides", escape(name)));
    let Some(duration) = set.duration else {
        let old: Override = ask(crate::admin::send(&socket, Method::DELETE, &path, &OneKey { key: key.clone() }))?;
        return Ok(Render::new(
            format!("{}: as in the config again\n", of(&old.limit, old.key.as_ref(), &old.hash)),
            &old,
        ));
    };
    let for_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let Says { rate, in_flight, .. } = &set.says;
    let new = NewOverride { key: key.clone(), rate: rate.clone(), burst: set.burst, in_flight: *in_flight, for_ms };
    let held: Override = ask(crate::admin::send(&socket, Method::POST, &path, &new))?;
    Ok(Render::new(line(&held), &held))
}

pub(super) fn reset(which: &Which) -> Result<Render, Failure> {
    let path = format!("/v1/limits/{}/resets", escape(&which.name));
    let key = OneKey { key: which.key.clone() };
    let reset: Reset = ask(crate::admin::send(&which.socket.path()?, Method::POST, &path, &key))?;
    Ok(Render::new(format!("{}: starts afresh\n", of(&reset.limit, reset.key.as_ref(), &reset.hash)), &reset))
}

/// An override in one line.
pub(super) fn line(held: &Override) -> String {
    let says = match (&held.rate, held.burst, held.in_flight) {
        (Some(rate), Some(burst), _) => format!("{rate} burst {burst}"),
        (_, _, Some(most)) => format!("{most} in flight"),
        _ => "no limit".to_owned(),
    };
    format!(
        "{}: {says}, by {} at {}, until {}\n",
        of(&held.limit, held.key.as_ref(), &held.hash),
        held.made_by,
        instant(held.made_at),
        instant(held.until)
    )
}

/// A reset in one line.
pub(super) fn reset_line(reset: &Reset) -> String {
    format!("{}: reset at {}\n", of(&reset.limit, reset.key.as_ref(), &reset.hash), instant(reset.made_at))
}

/// A limit and a key, for people.
fn of(limit: &str, key: Option<&Vec<String>>, hash: &str) -> String {
    format!("{limit} {}", key_text(key, hash))
}

/// A key in clear where it is known, else its hash, either as commands take it.
pub(super) fn key_text(key: Option<&Vec<String>>, hash: &str) -> String {
    key.map_or_else(|| format!("#{hash}"), |key| printable(&key.join(" ")))
}

fn rate(text: &str) -> Result<String, String> {
    selvedge_conf::rate(text).map(|_| text.to_owned())
}
