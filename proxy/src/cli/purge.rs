//! `selvedge purge`: have what is stored not served any more, at every POP.

use std::time::Duration;

use hyper::Method;

use super::render::{Failure, Render, instant, printable};
use super::socket::{Socket, ask};
use crate::admin::report::{Missing, NewPurge, Purged, Receipt, What};

/// What `--help` ends with.
const EXAMPLE: &str = "\
Examples:
  selvedge purge --url https://www.example.com/news?page=2
  selvedge purge --tag article-17 --tag front-page --wait 5s
  selvedge purge --prefix www.example.com/img --soft

It holds at the node that is asked before the command ends, and at the others as soon as they hear of it; --wait asks them.
Exit codes: 0 purged (and applied everywhere, with --wait), 1 it cannot be purged, or --wait ended before every POP said that it has
applied it, 69 no edge answers, 78 the config cannot be used.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(super) struct Args {
    /// A tag, as in Surrogate-Key or Cache-Tag. This and the following may be given several times.
    #[arg(long = "tag", value_name = "TAG", group = "what")]
    tags: Vec<String>,
    /// A group of a host, as in Cache-Groups.
    #[arg(long = "group", value_name = "HOST/GROUP", group = "what")]
    groups: Vec<String>,
    /// A URL, with all its variants.
    #[arg(long = "url", value_name = "URL", group = "what")]
    urls: Vec<String>,
    /// Everything under whole segments of a path.
    #[arg(long = "prefix", value_name = "HOST/PATH", group = "what")]
    prefixes: Vec<String>,
    /// Everything of a host.
    #[arg(long = "host", value_name = "HOST", group = "what")]
    hosts: Vec<String>,
    /// Everything.
    #[arg(long, group = "what")]
    all: bool,
    /// Have it be stale, not gone: it is validated, and served meanwhile as far as its origin allows.
    #[arg(long)]
    soft: bool,
    /// Wait until every POP has applied it, so long at most; at most 60s, 10s if nothing else is said.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", value_parser = selvedge_conf::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn purge(args: &Args) -> Result<Render, Failure> {
    let wait = args.wait.unwrap_or_default();
    let new =
        NewPurge { purges: all(args), soft: args.soft, wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) };
    let socket = args.socket.path()?;
    let purged: Purged = ask(crate::admin::send_patiently(&socket, Method::POST, "/v1/purge", &new, wait))?;
    let render = Render::new(text(&purged), &purged);
    Ok(if purged.missing.is_empty() { render } else { render.failed() })
}

fn all(args: &Args) -> Vec<What> {
    let each = |texts: &[String], what: fn(String) -> What| texts.iter().cloned().map(what).collect::<Vec<_>>();
    let mut all = each(&args.tags, What::Tag);
    all.extend(each(&args.groups, What::Group));
    all.extend(each(&args.urls, What::Url));
    all.extend(each(&args.prefixes, What::Prefix));
    all.extend(each(&args.hosts, What::Host));
    all.extend(args.all.then_some(What::All(true)));
    all
}

fn text(purged: &Purged) -> String {
    let reach = if purged.soft { "stale" } else { "purged" };
    let mut text = String::new();
    for purge in &purged.purges {
        let (kind, of) = match &purge.of {
            What::Url(of) => ("url", of.as_str()),
            What::Tag(of) => ("tag", of.as_str()),
            What::Group(of) => ("group", of.as_str()),
            What::Prefix(of) => ("prefix", of.as_str()),
            What::Host(of) => ("host", of.as_str()),
            What::All(_) => ("all", ""),
        };
        let shown = printable(of);
        let named = [kind, &shown].join(" ");
        text.push_str(&format!("{reach}  {}  (purge {} of {})\n", named.trim_end(), purge.seq, purged.by.pop));
    }
    text.push_str(&receipts(&purged.receipts, &purged.missing));
    text
}

/// Who has applied it, and of whom that is not known.
pub(super) fn receipts(receipts: &[Receipt], missing: &[Missing]) -> String {
    let applied = receipts
        .iter()
        .map(|receipt| format!("applied  {}  {}\n", place(&receipt.pop, Some(receipt.node)), instant(receipt.at)));
    let missing = missing
        .iter()
        .map(|missing| format!("MISSING  {}  {}\n", place(&missing.pop, missing.node), printable(&missing.cause)));
    applied.chain(missing).collect()
}

/// A node; the first of a POP is most often the only one, and is called by its POP alone.
pub(super) fn place(pop: &str, node: Option<u32>) -> String {
    match node {
        None | Some(0) => pop.to_owned(),
        Some(node) => format!("{pop} node {node}"),
    }
}
