//! Tests of rules: requests, the state and time they come in, and what is expected.

mod expect;
mod given;
mod raw;
mod session;

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;

use crate::challenge::{BITS, BITS_DEFAULT};
use crate::finding::Check;
use crate::known::Known;
use crate::place::Place;
use crate::raw::{At, Entries, Number, Text};
use crate::sections::{Section, at_most};
use crate::value::{Wrong, duration, field_name, ip, shown, url};

pub(crate) use raw::RawTest;
use raw::{RawRequest, RawResponse, RawStep};

/// `[[test]]`: one story.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name in reports.
    pub name: String,
    /// Node time when it starts. Default 2026-01-01T00:00:00Z.
    pub at: Timestamp,
    /// The state it starts with.
    pub given: Vec<Given>,
    /// What happens, in order; at least one step. A test with `request` and `expect` of its own has one.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub place: Place,
}

/// State before the first step. Key values are text, one for each part of the key.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// `{ count = "NAME", key = [...], n = 10 }`: a counter has counted so many just now.
    Counter(usize, Vec<String>, u32),
    /// The same of a limit.
    Limit(usize, Vec<String>, u32),
    /// `{ unique = "NAME", key = [...], n = 50 }`: a unique has seen so many different values just now.
    Unique(usize, Vec<String>, u32),
    /// `{ ban = "192.0.2.9", for = "10m" }`.
    Ban(String, Duration),
    /// `{ list = "NAME", add = "192.0.2.9", for = "10m" }`.
    Listed(usize, String, Duration),
    /// `{ peers = 2, of = 3, lag = "5s" }`: POPs heard, this one included, POPs in the roster, and the lag.
    Peers(u16, u16, Duration),
}

/// One request, sent once or several times.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Time that passes before it.
    pub after: Duration,
    /// How often it is sent; every time must be as expected. 1 to 10,000, default 1.
    pub times: u32,
    /// The request.
    pub request: TestRequest,
    /// The response that the origin gives, for rules of the response phase.
    pub response: TestResponse,
    /// What is expected.
    pub expect: Expect,
    /// Where it is written.
    pub place: Place,
}

/// A request as a test writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRequest {
    /// Default `GET`.
    pub method: String,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, for form fields.
    pub body: String,
    /// What its session holds and has counted, names and values, each of its type; what earlier steps left its client with when absent.
    pub session: Option<Vec<(String, String)>>,
    /// How many bits the puzzle had that its client has a pass for.
    pub challenge: Option<u8>,
    /// Default 192.0.2.1.
    pub client_ip: IpAddr,
    /// The other end of the connection, when it is not the client's.
    pub peer_ip: Option<IpAddr>,
}

/// A response as a test writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResponse {
    /// Default 200.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What a step expects; what is `None` or empty is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The status the client gets.
    pub status: Option<u16>,
    /// The rule that answered, or `Some(None)` (written `""`) for none.
    pub rule: Option<Option<usize>>,
    /// The limit that refused, likewise.
    pub limit: Option<Option<usize>>,
    /// Tags it has, at least.
    pub tags: Vec<String>,
    /// Rules in monitor mode that would have been carried out, at least.
    pub monitored: Vec<usize>,
    /// Where it is redirected to.
    pub location: Option<String>,
    /// The path that the origin sees.
    pub path: Option<String>,
    /// The origin that answers.
    pub origin: Option<usize>,
    /// Header fields of the response and their values.
    pub headers: Vec<(String, String)>,
    /// Whether the client is banned afterwards.
    pub banned: Option<bool>,
}

/// The most tests of one config.
pub const TESTS_MAX: usize = 10_000;
/// The most steps of one test.
pub const STEPS_MAX: usize = 100;
/// The most elements of each list within a test.
const WITHIN_MAX: usize = 100;
/// The most times one request is sent.
const TIMES_MAX: u64 = 10_000;
/// Node time when a test starts that does not say otherwise, in seconds: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// Checks all tests.
pub(crate) fn lower(sections: &[Section<RawTest>], known: &Known, check: &mut Check<'_>) -> Option<Vec<Test>> {
    let within = at_most(sections, TESTS_MAX, "tests", check);
    let tests: Vec<_> = sections
        .iter()
        .take(TESTS_MAX)
        .map(|section| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(section.head.clone(), place?, known, check)
        })
        .collect();
    within?;
    tests.into_iter().collect()
}

impl RawTest {
    fn lower(&self, head: Range<usize>, place: Place, known: &Known, check: &mut Check<'_>) -> Option<Test> {
        let name = check.value(&self.name, title);
        let at = check.value_or(self.at.as_ref(), Timestamp::constant(START, 0), time);
        let within = check.at_most(&self.given, WITHIN_MAX);
        let given: Vec<_> = self.given.iter().take(WITHIN_MAX).map(|given| given::lower(given, known, check)).collect();
        let steps = self.steps(head, &place, known, check);
        within?;
        Some(Test { name: name?, at: at?, given: given.into_iter().collect::<Option<_>>()?, steps: steps?, place })
    }

    fn steps(&self, head: Range<usize>, place: &Place, known: &Known, check: &mut Check<'_>) -> Option<Vec<Step>> {
        match (&self.step, &self.request, &self.expect) {
            (None, Some(request), Some(expect)) => {
                let request = request.value.lower(check);
                let response = response(self.response.as_ref(), check);
                let expect = expect::lower(expect, known, check);
                let (request, response, expect) = (request?, response?, expect?);
                Some(vec![Step { after: Duration::ZERO, times: 1, request, response, expect, place: place.clone() }])
            }
            (None, ..) => {
                let wrong = Wrong::new("a test has a `request` and what to `expect` of it, or steps");
                check.note(head, wrong.advice("write each step as [[test.step]]"));
                None
            }
            (Some(steps), None, None) if self.response.is_none() => {
                if steps.value.is_empty() {
                    check.note(steps.span(), Wrong::new("a test without steps"));
                    return None;
                }
                let within = check.at_most(&steps.value, STEPS_MAX);
                let steps: Vec<_> =
                    steps.value.iter().take(STEPS_MAX).map(|step| RawStep::lower(step, known, check)).collect();
                within?;
                steps.into_iter().collect()
            }
            (Some(_), ..) => {
                let spans = [
                    self.request.as_ref().map(At::span),
                    self.response.as_ref().map(At::span),
                    self.expect.as_ref().map(At::span),
                ];
                let first = spans.into_iter().flatten().min_by_key(|span| span.start).unwrap_or(head);
                let wrong = Wrong::new("a test with steps has `request`, `response` and `expect` in them");
                check.note(first, wrong.advice("move this to a step of its own, [[test.step]]"));
                None
            }
        }
    }
}

impl RawStep {
    fn lower(step: &At<RawStep>, known: &Known, check: &mut Check<'_>) -> Option<Step> {
        let place = check.place(step.start);
        let step = &step.value;
        let after = check.value_or(step.after.as_ref(), Duration::ZERO, duration);
        let times = check.number(step.times.as_ref(), 1..TIMES_MAX + 1, 1);
        let request = step.request.value.lower(check);
        let response = response(step.response.as_ref(), check);
        let expect = expect::lower(&step.expect, known, check);
        Some(Step {
            after: after?,
            times: times?,
            request: request?,
            response: response?,
            expect: expect?,
            place: place?,
        })
    }
}

impl RawRequest {
    fn lower(&self, check: &mut Check<'_>) -> Option<TestRequest> {
        // RFC 9110 section 9.1: a method is a token, as the name of a field is, but its case counts.
        let method = check.value_or(self.method.as_ref(), "GET".to_owned(), |text| match field_name(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(Wrong::new(format!("`{}` cannot be a method", shown(text)))),
        });
        let url = check.value(&self.url, url);
        let headers = fields(&self.headers, check);
        let body = self.body.as_ref().map(|body| body.value.as_ref().to_owned()).unwrap_or_default();
        let session = match &self.session {
            None => Some(None),
            Some(written) => session::held(written, check).map(Some),
        };
        let challenge = self.challenge.as_ref().map_or(Some(None), |bits| pass(bits, check).map(Some));
        let client_ip = check.value_or(self.client_ip.as_ref(), IpAddr::from([192, 0, 2, 1]), ip);
        let peer_ip = check.value_or(self.peer_ip.as_ref(), None, |peer| ip(peer).map(Some));
        Some(TestRequest {
            method: method?,
            url: url?,
            headers: headers?,
            body,
            session: session?,
            challenge: challenge?,
            client_ip: client_ip?,
            peer_ip: peer_ip?,
        })
    }
}

/// The bits of the puzzle that a client has a pass for.
fn pass(bits: &At<Number>, check: &mut Check<'_>) -> Option<u8> {
    if !check.names.challenge {
        let wrong = Wrong::new("a pass, and there is no [challenge]");
        check.note(bits.span(), wrong.advice("say what signs it:\n[challenge]\nkeys = [\"keys/challenge.key\"]"));
        return None;
    }
    check.number(Some(bits), BITS, BITS_DEFAULT)
}

fn response(written: Option<&At<RawResponse>>, check: &mut Check<'_>) -> Option<TestResponse> {
    let Some(At { value: RawResponse { status, headers }, .. }) = written else {
        return Some(TestResponse { status: 200, headers: Vec::new() });
    };
    let status = check.number(status.as_ref(), 200..600, 200);
    let headers = fields(headers, check);
    Some(TestResponse { status: status?, headers: headers? })
}

/// Header fields as tests write them.
fn fields(written: &Entries<Text>, check: &mut Check<'_>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for (name, value) in &written.0 {
        let field = field_name(&name.value).map_err(|wrong| check.note(name.span(), wrong));
        let value = check.value(value, |text| match text.contains(|c: char| c.is_control() && c != '\t') {
            true => Err(Wrong::new("a control character, which no header has")),
            false => Ok(text.to_owned()),
        });
        fields.push(field.ok().zip(value));
    }
    if let Some((excess, _)) = written.0.get(WITHIN_MAX) {
        let message = format!("{} headers; at most {WITHIN_MAX} are possible here", fields.len());
        check.note(excess.span(), Wrong::new(message));
        return None;
    }
    fields.into_iter().collect()
}

/// The name of a test, which may be a sentence.
fn title(text: &str) -> Result<String, Wrong> {
    const LONGEST: usize = 200;
    match text.chars().count() {
        1..=LONGEST if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(Wrong::new(format!("`{}` cannot be the name of a test", shown(text)))
            .advice("it has one line of 1 to 200 characters")),
    }
}

fn time(text: &str) -> Result<Timestamp, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(format!("`{}` is not a time", shown(text))).advice("write it as \"2026-01-01T00:00:00Z\"")
    })
}
