//! The newest requests that the edge answered by itself with a refusal or a redirect, by id: what they were and why they were
//! answered so. An operator who is given the id on an error page finds them here.
//!
//! A ring of fixed size. Each entry has a lock of its own, which only a reader of that very entry could hold; whoever finds it
//! held leaves the entry out. The memory of an entry is taken once and written over, so remembering allocates nothing in the
//! long run. What proves who somebody is (tokens, passwords, cookies, keys), by its name, is not remembered, only how long it was.

use std::fmt::{Display, Write};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge_state::Time;
use serde::{Deserialize, Serialize};

/// Entries that are remembered.
pub const VERDICTS_MAX: usize = 4096;

/// Bytes of one entry's texts. Header fields that do not fit are left out and counted.
pub const ENTRY_MAX: usize = 8 * 1024;

/// Bytes of these for the method and the target, and for the reasons; the rest is for header fields.
const METHOD_MAX: usize = 64;
const TARGET_MAX: usize = 2 * 1024;
const WHY_MAX: usize = 1024;

/// Words in the names of fields that prove who somebody is.
const SECRETS: [&str; 12] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "passw",
    "apikey",
    "api-key",
    "api_key",
    "access-key",
    "access_key",
    "signature",
    "session",
];

/// One request and what it was answered, borrowed: to be remembered.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The request's id, as on the error page.
    pub id: u64,
    /// Node time.
    pub at: Time,
    /// Whom limits counted.
    pub client: Option<IpAddr>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The method token.
    pub method: &'a str,
    /// What was asked for, up to the query, in parts that make a URL together.
    pub url: [&'a str; 4],
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// All header fields as the client sent them.
    pub headers: &'a HeaderMap,
    /// Names of header fields that carry tokens, beside those that always do.
    pub secret: &'a dyn Fn(&HeaderName) -> bool,
    /// The status it was answered with.
    pub status: u16,
    /// The answer in a word, as in the access log.
    pub answer: &'static str,
    /// The config's revision.
    pub revision: &'a str,
}

/// What had a part in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// `rule`, `limit`, `ban` (its reason is the name), `tag`, `monitored`, `would_refuse`.
    pub what: String,
    /// Its name in the config.
    pub name: String,
    /// Where it is written, `FILE:LINE:COLUMN`; empty for what has no place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

/// One remembered request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The request's id, 16 hex digits.
    pub request_id: String,
    /// When it was answered, node time, ms since the Unix epoch.
    pub at: u64,
    /// Whom limits counted.
    pub client: Option<IpAddr>,
    /// The other end of the connection, when it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The method token.
    pub method: String,
    /// What was asked for.
    pub url: String,
    /// Its header fields in their order; secrets as `[n bytes]`.
    pub headers: Vec<(String, String)>,
    /// Header fields that there was no room for.
    pub headers_left_out: usize,
    /// The status it was answered with.
    pub status: u16,
    /// The answer in a word, as in the access log.
    pub answer: String,
    /// What had a part in it.
    pub why: Vec<Why>,
    /// The config that was in force, by its revision.
    pub revision: String,
}

/// The ring.
#[derive(Debug)]
pub struct Verdicts {
    entries: Box<[Mutex<Entry>]>,
    next: AtomicUsize,
}

#[derive(Debug, Default)]
struct Entry {
    id: Option<u64>,
    at: u64,
    client: Option<IpAddr>,
    peer: Option<IpAddr>,
    status: u16,
    answer: &'static str,
    left_out: usize,
    /// Method, URL, revision, reasons (each on a line, its parts apart by tabs), header fields (likewise).
    text: String,
    /// Where each of these but the last ends.
    ends: [usize; 4],
}

impl Default for Verdicts {
    fn default() -> Verdicts {
        Verdicts { entries: (0..VERDICTS_MAX).map(|_| Mutex::default()).collect(), next: AtomicUsize::new(0) }
    }
}

impl Verdicts {
    /// Remembers a request in the place of the oldest. `why` names what had a part in its answer: what it is, its name, its place.
    pub fn keep<'a>(&self, told: &Told<'_>, why: impl Iterator<Item = (&'static str, &'a str, &'a dyn Display)>) {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % VERDICTS_MAX;
        let Some(Ok(mut entry)) = self.entries.get(index).map(Mutex::try_lock) else { return };
        entry.write(told, why);
    }

    /// The request of that id, if it is still remembered. Looks through the whole ring.
    pub fn find(&self, id: u64) -> Option<Verdict> {
        self.entries.iter().find_map(|entry| {
            let entry = entry.lock().ok().filter(|entry| entry.id == Some(id))?;
            Some(entry.read(id))
        })
    }
}

impl Entry {
    fn write<'a>(&mut self, told: &Told<'_>, why: impl Iterator<Item = (&'static str, &'a str, &'a dyn Display)>) {
        let Told { at, client, peer, status, answer, .. } = *told;
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        push(&mut text, told.method, METHOD_MAX);
        let method = text.len();
        for part in told.url {
            let room = (method + TARGET_MAX).saturating_sub(text.len());
            push(&mut text, part, room);
        }
        if let Some(query) = told.query {
            push_query(&mut text, query, method + TARGET_MAX);
        }
        let url = text.len();
        text.push_str(told.revision);
        let revision = text.len();
        push_reasons(&mut text, why);
        let reasons = text.len();
        let shown = |(name, value)| (name, Shown::of(name, value, told.secret));
        let fields = || told.headers.iter().map(shown);
        let room = fields().map(|(name, value)| name.as_str().len() + value.len() + "\t\n".len()).sum::<usize>();
        // No more than is needed: there are many entries.
        text.reserve_exact(room.min(ENTRY_MAX.saturating_sub(text.len())));
        let left_out = fields().filter(|(name, value)| !push_field(&mut text, name, value)).count();
        let ends = [method, url, revision, reasons];
        *self = Entry { id: Some(told.id), at: at.0, client, peer, status, answer, left_out, text, ends };
    }

    fn read(&self, id: u64) -> Verdict {
        let [method, url, revision, reasons] = self.ends;
        let part = |range: Range<usize>| self.text.get(range).unwrap_or("").to_owned();
        let lines = |range: Range<usize>| self.text.get(range).unwrap_or("").lines();
        let field = |line: &str| line.split_once('\t').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let reason = |line: &str| {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            Some(Why { what: parts.next()?, name: parts.next()?, place: parts.next().unwrap_or_default() })
        };
        Verdict {
            request_id: format!("{id:016x}"),
            at: self.at,
            client: self.client,
            peer: self.peer.filter(|_| self.peer != self.client),
            method: part(0..method),
            url: part(method..url),
            headers: lines(reasons..self.text.len()).filter_map(field).collect(),
            headers_left_out: self.left_out,
            status: self.status,
            answer: self.answer.to_owned(),
            why: lines(revision..reasons).filter_map(reason).collect(),
            revision: part(url..revision),
        }
    }
}

/// Appends the start of a text.
fn push(text: &mut String, part: &str, max: usize) {
    text.push_str(part.get(..part.floor_char_boundary(max)).unwrap_or(""));
}

/// Appends a query, up to an end, without the values of secret fields.
fn push_query(text: &mut String, query: &str, end: usize) {
    for (nth, pair) in query.split('&').enumerate() {
        let mut say = |part: &str| push(text, part, end.saturating_sub(text.len()));
        say(if nth == 0 { "?" } else { "&" });
        match pair.split_once('=').filter(|(name, _)| is_secret(name)) {
            Some((name, value)) => {
                say(name);
                say(&format!("=[{} bytes]", value.len()));
            }
            None => say(pair),
        }
    }
}

/// Appends the reasons, up to the first that there is no room for.
fn push_reasons<'a>(text: &mut String, why: impl Iterator<Item = (&'static str, &'a str, &'a dyn Display)>) {
    let start = text.len();
    for (what, name, place) in why {
        let before = text.len();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what}\t{name}\t{place}");
        if text.len() - start > WHY_MAX {
            return text.truncate(before);
        }
    }
}

/// A header field's value as it is remembered.
enum Shown<'a> {
    Text(&'a str),
    /// With bytes that are no text.
    Bytes(&'a [u8]),
    /// Only how long it was.
    Secret(usize),
}

impl<'a> Shown<'a> {
    fn of(name: &HeaderName, value: &'a HeaderValue, secret: &dyn Fn(&HeaderName) -> bool) -> Shown<'a> {
        if is_secret(name.as_str()) || secret(name) {
            return Shown::Secret(value.len());
        }
        value.to_str().map_or(Shown::Bytes(value.as_bytes()), Shown::Text)
    }

    fn len(&self) -> usize {
        match self {
            Shown::Text(text) => text.len(),
            Shown::Bytes(bytes) => bytes.escape_ascii().count(),
            Shown::Secret(_) => "[18446744073709551615 bytes]".len(),
        }
    }
}

/// Appends a header field if there is room for it. Values have no line feed (RFC 9110 section 5.5).
fn push_field(text: &mut String, name: &HeaderName, value: &Shown<'_>) -> bool {
    if text.len() + name.as_str().len() + value.len() + "\t\n".len() > ENTRY_MAX {
        return false;
    }
    text.push_str(name.as_str());
    text.push('\t');
    match value {
        Shown::Text(value) => text.push_str(value),
        Shown::Bytes(value) => text.extend(value.escape_ascii().map(char::from)),
        // Writing to a String cannot fail.
        Shown::Secret(bytes) => {
            let _ = write!(text, "[{bytes} bytes]");
        }
    }
    text.push('\n');
    true
}

/// Whether a header field or a field of a query, by its name, proves who somebody is, whatever a config says.
fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    let says = |word: &&str| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    SECRETS.iter().any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: u64, headers: &HeaderMap) -> Told<'_> {
        Told {
            id,
            at: Time(7),
            client: Some(IpAddr::from([192, 0, 2, 9])),
            peer: Some(IpAddr::from([198, 51, 100, 1])),
            method: "GET",
            url: ["https", "://", "www.example.com", "/wp-login.php"],
            query: Some("a=b&Access_Token=x%20y&flag"),
            headers,
            secret: &|name| name == "x-mine",
            status: 404,
            answer: "denied",
            revision: "0badcafe",
        }
    }

    fn keep(verdicts: &Verdicts, id: u64, headers: &HeaderMap) {
        verdicts.keep(&told(id, headers), std::iter::empty());
    }

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_refused_request_is_found_by_its_id_as_it_was_and_without_its_secrets() {
        let verdicts = Verdicts::default();
        let headers = fields(&[
            ("user-agent", "a\tb"),
            ("authorization", "Bearer x.y.z"),
            ("cookie", "session=1"),
            ("x-api-token", "secret"),
            ("x-api-key", "k"),
            ("x-mine", "four"),
        ]);
        let place = "edge.toml:22:1";
        verdicts.keep(
            &told(5, &headers),
            [("rule", "wp-probes", &place as &dyn Display), ("tag", "probe", &"")].into_iter(),
        );
        let found = verdicts.find(5).unwrap();
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let why =
            |what: &str, name: &str, place: &str| Why { what: what.into(), name: name.into(), place: place.into() };
        assert_eq!(
            found,
            Verdict {
                request_id: "0000000000000005".to_owned(),
                at: 7,
                client: Some(IpAddr::from([192, 0, 2, 9])),
                peer: Some(IpAddr::from([198, 51, 100, 1])),
                method: "GET".to_owned(),
                url: "https://www.example.com/wp-login.php?a=b&Access_Token=[5 bytes]&flag".to_owned(),
                headers: vec![
                    field("user-agent", "a\tb"),
                    field("authorization", "[12 bytes]"),
                    field("cookie", "[9 bytes]"),
                    field("x-api-token", "[6 bytes]"),
                    field("x-api-key", "[1 bytes]"),
                    field("x-mine", "[4 bytes]"),
                ],
                headers_left_out: 0,
                status: 404,
                answer: "denied".to_owned(),
                why: vec![why("rule", "wp-probes", "edge.toml:22:1"), why("tag", "probe", "")],
                revision: "0badcafe".to_owned(),
            }
        );
        assert_eq!(verdicts.find(6), None);
    }

    #[test]
    fn the_oldest_gives_way() {
        let verdicts = Verdicts::default();
        let headers = HeaderMap::new();
        for id in 0..=VERDICTS_MAX as u64 {
            keep(&verdicts, id, &headers);
        }
        assert_eq!(verdicts.find(0), None);
        assert!(verdicts.find(1).is_some() && verdicts.find(VERDICTS_MAX as u64).is_some());
    }

    #[test]
    fn an_entry_is_bounded_and_says_what_it_left_out() {
        let verdicts = Verdicts::default();
        let long = "x".repeat(ENTRY_MAX);
        let mut headers = fields(&[("accept", "*/*"), ("x-long", &long), ("accept-language", "de")]);
        headers.insert("x-bytes", HeaderValue::from_bytes(&[0xff; ENTRY_MAX / 2]).unwrap());
        let why = (0..1000).map(|_| ("tag", "t", &"" as &dyn Display));
        verdicts.keep(&Told { url: ["", "", "", &long], method: &long, ..told(1, &headers) }, why);
        let found = verdicts.find(1).unwrap();
        assert_eq!(found.headers_left_out, 2);
        assert_eq!(found.headers.len(), 2);
        assert_eq!((found.method.len(), found.url.len()), (METHOD_MAX, TARGET_MAX));
        assert!(!found.why.is_empty() && found.why.len() < 1000);
        let entry = verdicts.entries[0].lock().unwrap();
        assert!(entry.text.capacity() <= ENTRY_MAX, "{}", entry.text.capacity());
    }

    #[test]
    fn an_entry_that_is_read_is_not_waited_for() {
        let verdicts = Verdicts::default();
        let reading = verdicts.entries[0].lock().unwrap();
        keep(&verdicts, 1, &HeaderMap::new());
        keep(&verdicts, 2, &HeaderMap::new());
        drop(reading);
        assert_eq!(verdicts.find(1), None);
        assert!(verdicts.find(2).is_some());
    }
}
