//! List files: one element a line. Empty lines do not count, nor does what follows `#` at a line's start or after white space;
//! lines may end in CRLF, and a byte order mark is no element.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use selvedge_conf::expr::ListKind;
use selvedge_conf::{ELEMENTS_MAX, List as Facts, PIECES_MAX, PROBLEMS_MAX};
use selvedge_filters::list::{List, PATTERNS_MAX};

use crate::plan::{Digest, Fault, Ledger};

/// The largest list file, bytes: room for [`ELEMENTS_MAX`] long ones.
const FILE_MAX: u64 = 512 << 20;

/// Characters of an element that a message shows.
const SHOWN_MAX: usize = 60;

/// A list and what it was made of.
#[derive(Debug, Clone)]
pub(super) struct Stocked {
    made_of: MadeOf,
    pub(super) list: Arc<List>,
}

#[derive(Debug, Clone, PartialEq)]
struct MadeOf {
    kind: ListKind,
    items: Vec<String>,
    file: Option<Digest>,
}

/// One element and the line of the file it is on; 0 in the config itself.
#[derive(Debug, Clone, Copy)]
struct Element<'a> {
    text: &'a str,
    line: usize,
}

/// Reads a list. One of `old` that was made of the same is taken over.
///
/// # Errors
/// Everything that is wrong with the file, by line.
pub(super) fn load(facts: &Facts, ledger: &Ledger, old: &[Stocked]) -> Result<Stocked, Vec<Fault>> {
    let bytes = match &facts.file {
        Some(path) => ledger.read(path, FILE_MAX).map_err(|error| vec![fault(facts, 0, &error.to_string())])?,
        None => Vec::new(),
    };
    let file = facts.file.as_deref().and_then(|path| ledger.digest(path));
    let made_of = MadeOf { kind: facts.kind, items: facts.items.clone(), file };
    if let Some(same) = old.iter().find(|stocked| stocked.made_of == made_of) {
        return Ok(same.clone());
    }
    let text = text(&bytes).map_err(|line| vec![fault(facts, line, "it is not UTF-8")])?;
    let items = facts.items.iter().map(|text| Element { text, line: 0 });
    let elements: Vec<Element<'_>> = items.chain(elements(text)).collect();
    let max = match facts.kind {
        ListKind::Addresses | ListKind::Strings => ELEMENTS_MAX,
        ListKind::Needles => PIECES_MAX,
        ListKind::Patterns => PATTERNS_MAX,
    };
    if let Some(excess) = elements.get(max) {
        return Err(vec![fault(facts, excess.line, &format!("{} elements; at most {max} fit here", elements.len()))]);
    }
    let list = Arc::new(make(facts, &elements)?);
    Ok(Stocked { made_of, list })
}

fn make(facts: &Facts, elements: &[Element<'_>]) -> Result<List, Vec<Fault>> {
    let texts = || elements.iter().map(|element| element.text.to_owned()).collect::<Vec<String>>();
    let whole = |error: String| vec![fault(facts, 0, &error)];
    match facts.kind {
        ListKind::Addresses => Ok(List::addresses(each(facts, elements, network)?)),
        ListKind::Strings => Ok(List::strings(texts())),
        ListKind::Needles => List::needles(texts()).map_err(|error| whole(error.to_string())),
        ListKind::Patterns => List::patterns(texts()).map_err(|error| {
            // All at once are quick; only one by one tell which line is wrong.
            each(facts, elements, pattern).err().unwrap_or_else(|| whole(error.to_string()))
        }),
    }
}

/// Parses each element; the first faults by line, and how many more there are.
fn each<T>(
    facts: &Facts,
    elements: &[Element<'_>],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Vec<Fault>> {
    let mut parsed = Vec::with_capacity(elements.len());
    let mut faults = Vec::new();
    let mut more = 0_usize;
    for element in elements {
        match parse(element.text) {
            Ok(value) => parsed.push(value),
            Err(_) if faults.len() >= PROBLEMS_MAX => more += 1,
            Err(cause) => faults.push(fault(facts, element.line, &cause)),
        }
    }
    if more > 0 {
        faults.push(fault(facts, 0, &format!("and {more} more elements like these")));
    }
    if faults.is_empty() { Ok(parsed) } else { Err(faults) }
}

/// A network without host bits; a bare address is the network of that address alone. The same as in the config itself.
fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => return Err(format!("`{}` is neither an address nor a network", shown(text))),
        },
    };
    if net.addr().to_canonical() != net.addr() {
        return Err(format!("`{}` is an IPv4 address in IPv6 form, which never matches", shown(text)));
    }
    if net != net.trunc() {
        return Err(format!("`{}` has bits set behind its prefix; write `{}`", shown(text), net.trunc()));
    }
    Ok(net)
}

fn pattern(text: &str) -> Result<(), String> {
    List::patterns(vec![text.to_owned()]).map(|_| ()).map_err(|error| {
        let told = error.to_string();
        // What is wrong with an expression is the last of several lines, behind a picture of it.
        match told.lines().last().and_then(|last| last.strip_prefix("error: ")) {
            Some(reason) => format!("`{}` is no regular expression: {reason}", shown(text)),
            None => format!("`{}`: {told}", shown(text)),
        }
    })
}

/// The text of a file, without a byte order mark; else the line that is none.
fn text(bytes: &[u8]) -> Result<&str, usize> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        good.iter().filter(|byte| **byte == b'\n').count() + 1
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn elements(text: &str) -> impl Iterator<Item = Element<'_>> {
    let lines = (1..).zip(text.lines());
    lines
        .map(|(line, text)| Element { text: uncommented(text).trim(), line })
        .filter(|element| !element.text.is_empty())
}

fn uncommented(line: &str) -> &str {
    let begins = |at: usize| line.get(..at).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

fn fault(facts: &Facts, line: usize, cause: &str) -> Fault {
    let file = facts.file.as_deref().unwrap_or(Path::new(""));
    let place = match (&facts.file, line) {
        (None, _) => facts.place.to_string(),
        (Some(file), 0) => file.display().to_string(),
        (Some(file), line) => format!("{}:{line}", file.display()),
    };
    let message = format!("list {}: {place}: {cause}", facts.name);
    Fault { file: file.to_owned(), line, place: Some(facts.place.clone()), message }
}

/// A text as a message may show it: its start, without control characters.
fn shown(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut shown: String = visible.take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: ListKind, file: &Path, items: &[&str]) -> Facts {
        Facts {
            name: "office".to_owned(),
            kind,
            file: Some(file.to_owned()),
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            place: selvedge_conf::Place { file: "test.toml".into(), line: 1, column: 1 },
        }
    }

    fn read(kind: ListKind, bytes: &[u8]) -> Result<Stocked, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        let cut = |fault: Fault| fault.message.replace(&path.display().to_string(), "list.txt");
        load(&facts(kind, &path, &[]), &Ledger::default(), &[]).map_err(|faults| faults.into_iter().map(cut).collect())
    }

    #[test]
    fn comments_empty_lines_crlf_and_a_byte_order_mark_are_no_elements() {
        let text = "\u{feff}# offices\r\n192.0.2.0/24\r\n\r\n  2001:db8::/32  # IPv6\n198.51.100.7\n";
        assert_eq!(read(ListKind::Addresses, text.as_bytes()).unwrap().list.len(), 3);
        assert_eq!(uncommented("a#b"), "a#b", "only after white space");
        assert_eq!(uncommented("a #b"), "a ");
    }

    #[test]
    fn every_wrong_element_is_named_with_its_line() {
        let text = "192.0.2.0/24\n192.0.2.999\n192.0.2.1/24\n::ffff:192.0.2.1\n";
        assert_eq!(
            read(ListKind::Addresses, text.as_bytes()).unwrap_err(),
            [
                "list office: list.txt:2: `192.0.2.999` is neither an address nor a network",
                "list office: list.txt:3: `192.0.2.1/24` has bits set behind its prefix; write `192.0.2.0/24`",
                "list office: list.txt:4: `::ffff:192.0.2.1` is an IPv4 address in IPv6 form, which never matches",
            ]
        );
    }

    #[test]
    fn of_many_wrong_elements_the_first_are_named_and_the_rest_counted() {
        let faults = read(ListKind::Addresses, "x\n".repeat(PROBLEMS_MAX + 7).as_bytes()).unwrap_err();
        assert_eq!(faults.len(), PROBLEMS_MAX + 1);
        assert_eq!(faults.last().unwrap(), "list office: list.txt: and 7 more elements like these");
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_line() {
        assert_eq!(read(ListKind::Strings, b"ok\n\xff\n").unwrap_err(), ["list office: list.txt:2: it is not UTF-8"]);
    }

    #[test]
    fn every_kind_finds_what_its_file_says() {
        let list = |kind, text: &str| read(kind, text.as_bytes()).unwrap().list;
        assert!(list(ListKind::Addresses, "192.0.2.0/24").has_address("192.0.2.9".parse().unwrap()));
        assert!(list(ListKind::Strings, "one\ntwo # the second").has_string("two"));
        assert!(list(ListKind::Needles, "/wp-\n/.env").found_in("/a/.env"));
        assert!(list(ListKind::Patterns, "^/v[0-9]+/").found_in("/v12/x"));
        assert_eq!(
            read(ListKind::Patterns, b"^ok$\n[a-\n").unwrap_err(),
            ["list office: list.txt:2: `[a-` is no regular expression: unclosed character class"]
        );
    }

    #[test]
    fn too_many_pieces_are_refused() {
        let faults = read(ListKind::Needles, "x\n".repeat(PIECES_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(faults, ["list office: list.txt:100001: 100001 elements; at most 100000 fit here"]);
    }

    #[test]
    fn a_pattern_that_takes_too_much_is_named_as_that() {
        let faults = read(ListKind::Patterns, b"^ok$\n(?:\\pL{1000}){1000}\n").unwrap_err();
        assert!(faults[0].starts_with("list office: list.txt:2: `(?:\\pL{1000}){1000}`: "), "{}", faults[0]);
        assert!(faults[0].contains("16 MiB"), "{}", faults[0]);
        let faults = read(ListKind::Patterns, "x\n".repeat(PATTERNS_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(faults, ["list office: list.txt:2049: 2049 elements; at most 2048 fit here"]);
    }

    #[test]
    fn what_a_message_shows_is_short_and_harmless() {
        let faults = read(ListKind::Addresses, format!("\u{1b}[2J{}", "x".repeat(1000)).as_bytes()).unwrap_err();
        assert!(faults[0].len() < 200 && !faults[0].contains('\u{1b}'), "{}", faults[0]);
    }

    #[test]
    fn the_same_content_is_the_same_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, "192.0.2.0/24\n").unwrap();
        let load = |items: &[&str], old: &[Stocked]| {
            super::load(&facts(ListKind::Addresses, &path, items), &Ledger::default(), old).unwrap()
        };
        let first = load(&[], &[]);
        assert!(Arc::ptr_eq(&first.list, &load(&[], std::slice::from_ref(&first)).list));
        let more = load(&["198.51.100.0/24"], std::slice::from_ref(&first));
        assert!(!Arc::ptr_eq(&first.list, &more.list));
        assert_eq!(more.list.len(), 2);
        std::fs::write(&path, "192.0.2.0/25\n").unwrap();
        assert!(!Arc::ptr_eq(&first.list, &load(&[], std::slice::from_ref(&first)).list));
    }
}
