//! `selvedge tail`: requests as they are answered, one line each, here or at every POP.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;

use jiff::Timestamp;
use selvedge_conf::expr::TEXT_MAX;
use serde::Deserialize;

use super::render::{Failure, Render, printable};
use super::socket::{Socket, ask};
use crate::admin::escape;
use crate::admin::report::Note;

/// Show requests as they are answered.
///
/// EXPR is a condition of the rule language, asked when the response is known: `request.*`, `client.*`, `response.*`, counters and
/// lists of the running config. Without it every request is shown. What cannot be shown fast enough is dropped and counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    selvedge tail\n  \
    selvedge tail 'response.status >= 500' --pop all\n  \
    selvedge tail 'request.path.startsWith(\"/login\") && client.ip in lists.office' --limit 10 --json")]
pub(super) struct Args {
    /// Which requests: a condition of the rule language.
    expr: Option<String>,
    /// Another POP by its name, or all of them; they are asked through this node.
    #[arg(long, value_name = "all|NAME")]
    pop: Option<String>,
    /// End after so many requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    socket: Socket,
}

/// What a line shows of a request: fields of the access log.
#[derive(Debug, Deserialize)]
struct Seen {
    ts: i64,
    pop: String,
    #[serde(rename = "client.address")]
    client: Option<String>,
    #[serde(rename = "http.request.method")]
    method: String,
    #[serde(rename = "server.address")]
    host: String,
    #[serde(rename = "url.path")]
    path: String,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    dur_ms: f64,
    cache: Option<String>,
    answer: Option<String>,
    rule: Option<String>,
    limit: Option<String>,
    #[serde(default)]
    would_refuse: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    monitored: Vec<String>,
    request_id: String,
}

/// Shows requests until there were enough, or the reader or the edge goes away.
pub(super) fn tail(args: &Args, json: bool) -> Result<Render, Failure> {
    let socket = args.socket.path()?;
    if let Some(length) = args.expr.as_ref().map(String::len).filter(|length| *length > TEXT_MAX) {
        let text = format!("an expression of {length} bytes; at most {TEXT_MAX} are possible");
        return Err(Failure::Failed(text));
    }
    let mut left = args.limit;
    let mut gone = false;
    let each = |line: &[u8]| {
        let note: Option<Note> = serde_json::from_slice(line).ok();
        let shown = if json { show_json(line) } else { show(line, note.as_ref()) };
        gone = shown.is_err();
        if note.is_none() {
            left = left.map(|left| left.saturating_sub(1));
        }
        if gone || left == Some(0) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    ask(crate::admin::follow(&socket, &path(args), each))?;
    if gone || left == Some(0) {
        return Ok(Render::shown());
    }
    Err(Failure::Failed("the edge ended the tail".to_owned()))
}

fn path(args: &Args) -> String {
    let expr = args.expr.as_ref().map(|expr| format!("expr={}", escape(expr)));
    let pop = args.pop.as_ref().map(|pop| format!("pop={}", escape(pop)));
    let parts: Vec<String> = expr.into_iter().chain(pop).collect();
    format!("/v1/tail?{}", parts.join("&"))
}

fn show_json(line: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Requests go to standard output, what is said about the tail itself to standard error.
fn show(line: &[u8], note: Option<&Note>) -> std::io::Result<()> {
    if let Some(note) = note {
        return writeln!(std::io::stderr(), "{}", about(note));
    }
    let text =
        serde_json::from_slice(line).map_or_else(|_| String::from_utf8_lossy(line).into_owned(), |seen| one(&seen));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", printable(&text))?;
    out.flush()
}

fn about(note: &Note) -> String {
    match note {
        Note { pop, dropped: Some(dropped), .. } => format!("-- {pop}: {dropped} requests not shown"),
        Note { pop, error: Some(error), .. } => format!("-- {pop}: {}", error.trim_end()),
        Note { pop, .. } => format!("-- {pop}"),
    }
}

fn one(seen: &Seen) -> String {
    let time = Timestamp::from_millisecond(seen.ts)
        .map_or_else(|_| seen.ts.to_string(), |at| at.strftime("%H:%M:%S%.3fZ").to_string());
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut text = format!(
        "{time} {} {} {} {}{} {} {:.1}ms {}",
        seen.pop,
        or_dash(&seen.client),
        seen.method,
        seen.host,
        seen.path,
        seen.status,
        seen.dur_ms,
        or_dash(&seen.cache)
    );
    let named = [("answer", &seen.answer), ("rule", &seen.rule), ("limit", &seen.limit)];
    for (what, name) in named {
        if let Some(name) = name {
            // Writing to a String cannot fail.
            let _ = write!(text, " {what}={name}");
        }
    }
    for (what, names) in [("would_refuse", &seen.would_refuse), ("tags", &seen.tags), ("monitored", &seen.monitored)] {
        if !names.is_empty() {
            let _ = write!(text, " {what}={}", names.join(","));
        }
    }
    if seen.answer.is_some() {
        let _ = write!(text, " id={}", seen.request_id);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_access_log_becomes_one_for_people() {
        let line = r#"{"ts":1767225600123,"v":1,"pop":"fra","request_id":"00000000000000aa","client.address":"192.0.2.9",
            "http.request.method":"GET","server.address":"www.example.com","url.path":"/wp\u001b[2J","http.response.status_code":404,
            "dur_ms":1.25,"bytes_out":7,"limit":"all","answer":"denied","tags":["a","b"],"rule":"wp","tries":0}"#;
        let text = printable(&one(&serde_json::from_str(line).unwrap()));
        let expected = "00:00:00.123Z fra 192.0.2.9 GET www.example.com/wp\\u{1b}[2J 404 1.2ms - \
            answer=denied rule=wp limit=all tags=a,b id=00000000000000aa";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_said_about_the_tail_is_no_request() {
        let note = |text: &str| serde_json::from_str::<Note>(text).ok().map(|note| about(&note));
        assert_eq!(note(r#"{"pop":"fra","dropped":7}"#).as_deref(), Some("-- fra: 7 requests not shown"));
        assert_eq!(note(r#"{"pop":"ams","error":"unreachable: x"}"#).as_deref(), Some("-- ams: unreachable: x"));
        assert_eq!(note(r#"{"pop":"ams","ts":1}"#), None);
    }
}
