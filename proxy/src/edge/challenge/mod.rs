//! Challenges on their way to clients and back: a puzzle is posed where a rule says so, its solution is taken in at a path of the edge's own.
//!
//! What is signed, and who has a pass, is decided in `selvedge_filters::challenge`. Here are the random bytes, the header fields and the page.

mod page;
mod said;

use http::header::ACCEPT;
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use selvedge_conf::Challenge as Facts;
use selvedge_filters::challenge::{Client, NONCE_LEN, PATH, Refused};
use selvedge_state::Time;

use super::answer::Answer;
use super::context::Context;
use crate::node::Node;
use page::Page;
pub(super) use said::{Puzzle, Said};

/// The field that a solution comes in. It is no field that a page of another site may send along (Fetch, "CORS-safelisted request-header").
const SOLUTION: &str = "selvedge-solution";

/// Answers what is asked at the path of challenges; nothing for other paths, and where the config has no challenges.
///
/// It is asked before rules and limits, which might keep a client from ever solving anything: it costs one signature and one hash, and what was
/// made up fails at the signature.
pub(super) fn asked(node: &Node, session: &Session, context: &Context) -> Option<Answer> {
    if context.target.path != PATH {
        return None;
    }
    let (challenge, facts) = context.plan.filters.challenge().zip(context.plan.config.challenge.as_ref())?;
    let request = session.req_header();
    let now = node.clock.now();
    let Some(client) = client(context) else { return Some(Answer::Internal) };
    let said = match request.method {
        Method::POST => match solution(&request.headers).and_then(|text| challenge.accept(text, client, now)) {
            Ok(pass) => Said::Solved { cookie: cookie(facts, &pass.text, pass.end.since(now)) },
            Err(refused) => Said::Failed(refused),
        },
        Method::GET | Method::HEAD => {
            let head = context.head(request);
            let passed = head.and_then(|head| context.plan.filters.passed(&head, &node.store, now));
            if passed.is_some() { Said::HasPass } else { Said::NoPass }
        }
        _ => Said::NotAllowed,
    };
    Some(Answer::Challenge(said))
}

/// A puzzle for who sends a request: on a page where a page is wanted.
pub(super) fn pose(bits: u8, request: &RequestHeader, context: &Context, now: Time) -> Answer {
    let Some((challenge, client)) = context.plan.filters.challenge().zip(client(context)) else {
        return Answer::Internal;
    };
    let mut random = [0; NONCE_LEN];
    let page = if wants_page(&request.headers) { Page::new(&request.method).map(Some) } else { Ok(None) };
    match (getrandom::fill(&mut random), page) {
        (Ok(()), Ok(page)) => {
            let puzzle = Puzzle { puzzle: challenge.pose(client, bits, random, now), difficulty: bits, path: PATH };
            Answer::Challenge(Said::Posed { puzzle, page })
        }
        // Without randomness puzzles would be solved beforehand.
        _ => Answer::Internal,
    }
}

fn client(context: &Context) -> Option<Client<'_>> {
    context.client.map(|client| Client { address: client.address, host: &context.target.host })
}

/// The one solution of a request.
fn solution(headers: &HeaderMap) -> Result<&[u8], Refused> {
    let mut lines = headers.get_all(SOLUTION).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.as_bytes()),
        _ => Err(Refused::Malformed),
    }
}

/// RFC 6265 section 4.1, and 6265bis for `SameSite`: a link from another site comes with the pass, what a page of it does unseen does not.
fn cookie(facts: &Facts, pass: &str, ms: u64) -> String {
    let secure = if facts.secure { "; Secure" } else { "" };
    format!("{}={pass}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", facts.cookie, ms / 1000)
}

/// Whether a client says that it takes HTML, as browsers do of what they show (RFC 9110 section 12.5.1). One that takes anything is a program.
fn wants_page(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    ranges.into_iter().any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let is_refused = |part: &str| {
            part.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("q") && value.parse::<f32>().is_ok_and(|weight| weight <= 0.0)
            })
        };
        is_html && !parts.any(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_html_gets_a_page() {
        for (accept, wants) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, TEXT/HTML ; level=1", true),
            ("*/*", false),
            ("", false),
            ("text/html;q=0", false),
            ("text/html; q=0.000, application/json", false),
            ("text/htmlx", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_page(&headers), wants, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
