//! `selvedge cache`: what is stored of a URL, why, and for how long.

use super::purge::place;
use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::{Cached, CachedAt, StoredResponse};

/// What `--help` ends with.
const EXAMPLE: &str = "\
Examples:
  selvedge cache show https://www.example.com/news?page=2
  selvedge cache show https://www.example.com/ --header 'accept-encoding: gzip'

All variants of the URL are shown, at every POP; * marks that of a request with the header fields that are given. Looking changes nothing.
Exit codes: 0 every POP said what it has, 1 one did not, or it is no URL, 69 no edge answers, 78 the config cannot be used.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what is stored of a URL at each POP: why, how fresh, under which tags.
    Show(Show),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Show {
    /// An absolute URL: https://www.example.com/path?query.
    url: String,
    /// A header field of the request whose variant is marked; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn cache(command: &Command) -> Result<Render, Failure> {
    let Command::Show(show) = command;
    let headers: String = show.headers.iter().map(|header| format!("&header={}", escape(header))).collect();
    let path = format!("/v1/cache?url={}{headers}", escape(&show.url));
    let cached: Cached = ask(crate::admin::get(&show.socket.path()?, &path))?;
    let render = Render::new(text(&cached), &cached);
    Ok(if cached.missing.is_empty() { render } else { render.failed() })
}

fn text(cached: &Cached) -> String {
    let mut text: String = cached.at.iter().map(page).collect();
    for missing in &cached.missing {
        let place = place(&missing.pop, missing.node);
        text.push_str(&format!("MISSING  {place}  {}\n", printable(&missing.cause)));
    }
    text
}

fn page(at: &CachedAt) -> String {
    let policy = at.policy.as_ref().map(|policy| format!("   policy {} ({})", policy.name, policy.place));
    let bypass = at.bypass.as_ref().map(|why| format!("   not asked by such a request: {}", printable(why)));
    let count = match at.stored.len() + at.more {
        0 => "nothing is stored".to_owned(),
        count => format!("{count} stored"),
    };
    let filling = if at.filling > 0 { format!(", {} on the way", at.filling) } else { String::new() };
    let mut page = format!(
        "{}  {count}{filling}{}{}\n",
        place(&at.pop, Some(at.node)),
        policy.unwrap_or_default(),
        bypass.unwrap_or_default()
    );
    at.stored.iter().for_each(|stored| page.push_str(&line(stored)));
    if at.more > 0 {
        page.push_str(&format!("    and {} more\n", at.more));
    }
    page
}

fn line(stored: &StoredResponse) -> String {
    let mark = if stored.chosen { '*' } else { ' ' };
    let because = match (&stored.because, &stored.policy) {
        (None, None) => String::new(),
        (Some(because), None) => format!(" ({because})"),
        (None, Some(policy)) => format!(" (policy {policy})"),
        (Some(because), Some(policy)) => format!(" ({because}, policy {policy})"),
    };
    let fresh = match stored.fresh_s {
        _ if stored.validated => "validated by each use".to_owned(),
        left if left >= 0 => format!("fresh for {left} s"),
        over => format!("stale since {} s", -over),
    };
    let range = stored.range.as_ref().map(|range| format!(" ({range})")).unwrap_or_default();
    let on = if stored.tier == "disk" { " on the disk" } else { "" };
    let StoredResponse { status, bytes, age_s, .. } = stored;
    let mut line = format!("  {mark} {status}  {bytes} bytes{range}{on}  age {age_s} s  {fresh}{because}\n");
    let windows = [
        (stored.stale_while_revalidate_s, "while it is fetched anew"),
        (stored.stale_if_error_s, "for errors"),
        (stored.stale_if_unreachable_s, "without the origin"),
    ];
    let windows: Vec<String> =
        windows.iter().filter(|(window, _)| *window > 0).map(|(window, what)| format!("{window} s {what}")).collect();
    let mut more = |name: &str, what: String| {
        if !what.is_empty() {
            line.push_str(&format!("      {name}  {}\n", printable(&what)));
        }
    };
    more("then stale", windows.join(", "));
    more("varies by", stored.vary.join(", "));
    more("tags", stored.tags.join(" "));
    more("groups", stored.groups.join(", "));
    if let Some(reach) = &stored.purged {
        more("PURGED", stored.purged_at.map_or_else(|| reach.clone(), |at| format!("{reach}  {}", instant(at))));
    }
    line
}
