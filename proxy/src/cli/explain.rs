//! `selvedge explain`: what would come of a request, and why.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use hyper::Method;
use selvedge_state::Time;

use super::check;
use super::render::{Failure, Render};
use super::{page, remembered, socket};
use crate::admin::escape;
use crate::admin::report::explanation::{Ask, Explanation, Remembered};
use crate::clock::Clock;
use crate::rehearse::{Stage, explain as explained};

/// Where a node's admin socket is, unless something else is said.
const SOCKET: &str = "/run/selvedge/admin.sock";

/// What `--help` ends with.
const EXAMPLE: &str = "\
Examples:
  selvedge explain GET https://www.example.com/wp-login.php --client-ip 192.0.2.9
  selvedge explain POST https://www.example.com/login -H 'content-type: application/x-www-form-urlencoded' \\
    --body 'user=anna' --config edge.toml
  selvedge explain --id 6ba2d1f1c9e04a37 --pop all

The request goes through the functions that serve real ones; nothing is sent, charged or counted. With --config it is explained from
the file over an empty state; with --socket, or when a node answers at /run/selvedge/admin.sock, with that node's config and counts.
--id finds a request that the edge answered by itself with an error or a redirect: the id is on its error page.
Exit codes: 0 explained, 1 it is no request or not remembered, 69 no edge answers, 78 the config cannot be used.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The method.
    #[arg(required_unless_present = "id")]
    method: Option<String>,
    /// An absolute URL: https://www.example.com/path?query.
    #[arg(required_unless_present = "id")]
    url: Option<String>,
    /// A request that was answered, by its id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["method", "url", "headers", "client_ip", "peer_ip", "body", "status", "at"])]
    id: Option<String>,
    /// Where to look for the id: another POP by its name, or all of them.
    #[arg(long, value_name = "all|NAME", requires = "id")]
    pop: Option<String>,
    /// A header field; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The client's address.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client_ip: IpAddr,
    /// The other end of the connection, when a trusted proxy speaks for the client: what rules about connections see.
    #[arg(long, value_name = "IP")]
    peer_ip: Option<IpAddr>,
    /// The request's body, for form fields.
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
    /// Ask the rules for responses too, as if the origin answered with this status.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..600))]
    status: Option<u16>,
    /// Node time, such as 2026-01-01T00:00:00Z; now when absent. Only from a file.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "socket")]
    at: Option<Time>,
    /// Explain from this config file. With --id: the config of the node that is asked.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask the node at this admin socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
}

pub(super) fn explain(args: &Args) -> Result<Render, Failure> {
    if let Some(id) = &args.id {
        return by_id(args, id);
    }
    if args.pop.is_some() {
        return Err(Failure::Failed("--pop says where to look for an --id".to_owned()));
    }
    let ask = Ask {
        method: args.method.clone().unwrap_or_default(),
        url: args.url.clone().unwrap_or_default(),
        headers: args.headers.clone(),
        body: args.body.clone(),
        client_ip: args.client_ip,
        peer_ip: args.peer_ip,
        status: args.status,
    };
    let default = Path::new(SOCKET);
    match (&args.config, &args.socket) {
        (Some(config), _) => offline(&ask, config, args.at),
        (None, Some(socket)) => live(&ask, socket),
        (None, None) if args.at.is_none() && answers(default) => live(&ask, default),
        (None, None) => offline(&ask, &super::default_config(), args.at),
    }
}

/// Whether a node is there. One that cannot be asked is there as well: the asking says why not.
fn answers(socket: &Path) -> bool {
    let gone = |error: std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
    !UnixStream::connect(socket).is_err_and(gone)
}

/// Asks a node.
fn live(ask: &Ask, socket: &Path) -> Result<Render, Failure> {
    let explanation: Explanation = socket::ask(crate::admin::send(socket, Method::POST, "/v1/explain", ask))?;
    Ok(page::render(&explanation, &format!("live at {}", socket.display())))
}

/// Asks a node about a request that it, or another one, answered.
fn by_id(args: &Args, id: &str) -> Result<Render, Failure> {
    let socket = match (&args.socket, &args.config) {
        (Some(socket), _) => socket.clone(),
        (None, Some(config)) => check::config(config)?.admin.socket,
        (None, None) => PathBuf::from(SOCKET),
    };
    let pop = args.pop.as_ref().map(|pop| format!("&pop={}", escape(pop))).unwrap_or_default();
    let path = format!("/v1/explain?id={}{pop}", escape(id));
    let remembered: Remembered = socket::ask(crate::admin::get(&socket, &path))?;
    Ok(remembered::render(&remembered))
}

/// Explains from a config file, on an empty state.
fn offline(ask: &Ask, config: &Path, at: Option<Time>) -> Result<Render, Failure> {
    let loaded = check::everything(config)?;
    let stage = Stage::new(&loaded.config, loaded.shelf.tables(), 1).map_err(Failure::Failed)?;
    let now = at.unwrap_or_else(|| Clock::start().now());
    let explanation = explained(&loaded.config, &stage.filters, ask, &stage.store, now);
    let explanation = explanation.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(page::render(&explanation, &format!("offline from {} with an empty state", config.display())))
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is written 'name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn time(text: &str) -> Result<Time, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| "a time is written 2026-01-01T00:00:00Z".to_owned())?;
    u64::try_from(time.as_millisecond()).map(Time).map_err(|_| "node time begins in 1970".to_owned())
}
