//! POPs that fetch through another one: `one` is a child of `two`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{free_port, plan_of, start};
use crate::link::dial_from;
use crate::slices;
use crate::support::origin::Request;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get, get_with, metrics, ok, program, talk};

const HOST: &str = "www.example.com";

/// A child and its parent, and where the parent listens for it.
struct Pair {
    folder: tempfile::TempDir,
    one: Edge,
    two: Edge,
    shield: std::net::SocketAddr,
}

/// Puts a line behind another one of a file.
pub(crate) fn insert(path: &Path, behind: &str, line: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(behind), "{behind} is not in {text}");
    std::fs::write(path, text.replacen(behind, &format!("{behind}\n{line}"), 1)).unwrap();
}

/// Writes the two of them into a folder, with more config after it.
fn write(folder: &Path, origin: &str, more: &str) -> std::net::SocketAddr {
    let (names, shield) = (["one", "two"], free_port());
    let plan = plan_of(folder, origin, &names, more);
    let parent = format!("address = \"{}\"", plan.pops[1].listen);
    for name in names {
        insert(&folder.join(name).join("roster.toml"), &parent, &format!("shield = \"{shield}\""));
        insert(&folder.join(name).join("selvedge.toml"), "[origin.app]", "shield = true");
    }
    insert(&folder.join("two").join("selvedge.toml"), "[cluster]", &format!("shield = \"{shield}\""));
    shield
}

async fn heard(edge: &Edge) {
    eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
        2 => Ok(()),
        heard => Err(format!("{heard} heard")),
    })
    .await;
}

impl Pair {
    async fn before(origin: &Origin, more: &str) -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let shield = write(folder.path(), &origin.url(), more);
        let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
        heard(&one).await;
        heard(&two).await;
        Pair { folder, one, two, shield }
    }
}

async fn text(edge: &Edge, path: &str) -> String {
    get(edge.address(), HOST, path).await.text()
}

/// How many requests for what is to be stored went this way.
async fn fills(edge: &Edge, way: &str) -> u64 {
    let line = format!("selvedge_shield_fills_total{{origin=\"app\",way=\"{way}\"}} ");
    let text = metrics(edge).await;
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// An origin whose answers say how many it gave before, are fresh for long, and are tagged.
async fn numbering(fields: &'static str) -> Origin {
    let answers = Arc::new(AtomicUsize::new(0));
    Origin::start(move |request: Request| {
        let nth = answers.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            if request.header("if-none-match") == Some("\"e\"") {
                return format!("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n{fields}Connection: close\r\n\r\n")
                    .into_bytes();
            }
            ok(&format!("ETag: \"e\"\r\n{fields}"), format!("answer {nth}").as_bytes())
        }
    })
    .await
}

const STORED: &str = "Cache-Control: max-age=600\r\nSurrogate-Key: news\r\n";

#[tokio::test]
async fn what_two_pops_miss_the_origin_is_asked_for_once() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    let first = get(pair.one.address(), HOST, "/a?q").await;
    assert_eq!(first.text(), "answer 1");
    assert_eq!(
        (text(&pair.two, "/a?q").await.as_str(), text(&pair.one, "/a?q").await.as_str()),
        ("answer 1", "answer 1")
    );
    // And the other way round.
    assert_eq!((text(&pair.two, "/b").await.as_str(), text(&pair.one, "/b").await.as_str()), ("answer 2", "answer 2"));
    let seen = origin.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((fills(&pair.one, "shield").await, fills(&pair.two, "shield").await), (2, 0));
    let served = metrics(&pair.two).await;
    for line in ["selvedge_shield_served_total{result=\"miss\"} 1", "selvedge_shield_served_total{result=\"hit\"} 1"] {
        assert!(served.contains(line), "{line} is not in {served}");
    }
    // Each says what it did, and the origin hears of one client, whose request has one name.
    let lines: Vec<_> =
        first.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("cache-status")).collect();
    assert!(
        lines[0].contains("selvedge-two; fwd=uri-miss; stored")
            && lines[1].contains("selvedge-one; fwd=uri-miss; stored"),
        "{lines:?}"
    );
    assert_eq!(seen[0].header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen[0].header("host"), Some(HOST));
    assert_eq!(seen[0].header("x-request-id"), Some(first.header("x-request-id")));
    assert!(
        !seen[0].head.to_ascii_lowercase().contains("selvedge-order")
            && !seen[0].head.to_ascii_lowercase().contains("selvedge-purges")
    );
    let log = std::fs::read_to_string(pair.folder.path().join("one/log")).unwrap_or_default();
    assert!(!log.contains("panicked"), "{log}");
}

/// The race for which others purge twice: a child that has purged something must not store again what its parent has of before, whose link
/// with the child is cut.
#[tokio::test]
async fn a_parent_that_has_not_heard_of_a_purge_answers_nothing_from_before_it() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    let mut rounds = 0;
    // Only while the parent is heard is it asked at all: some seconds, in which these commands have to be done.
    while fills(&pair.one, "shield").await < 4 {
        rounds += 1;
        assert!(rounds < 40, "the parent is not asked");
        for edge in [&pair.two, &pair.one] {
            text(edge, "/").await;
        }
        let newest = origin.seen().len();
        assert_eq!(pair.one.command(&["cluster", "apart"]).await.0, 0);
        assert_eq!(pair.one.command(&["purge", "--tag", "news"]).await.0, 0);
        assert_eq!(text(&pair.one, "/").await, format!("answer {}", newest + 1), "round {rounds}");
        assert_eq!(text(&pair.one, "/").await, format!("answer {}", newest + 1), "round {rounds}");
        assert_eq!(pair.one.command(&["cluster", "join"]).await.0, 0);
        heard(&pair.one).await;
        heard(&pair.two).await;
        // Now it has heard, in any case.
        eventually(DEADLINE, async || match text(&pair.two, "/").await == format!("answer {newest}") {
            true => Err("not heard of the purge".to_owned()),
            false => Ok(()),
        })
        .await;
    }
}

/// More than a request carries, and a parent that begins anew: what nobody can tell is fetched anew.
#[tokio::test]
async fn what_was_purged_and_is_not_carried_counts_as_well() {
    let origin = numbering(STORED).await;
    let mut pair = Pair::before(&origin, "").await;
    assert_eq!(text(&pair.two, "/").await, "answer 1");
    assert_eq!(pair.one.command(&["cluster", "apart"]).await.0, 0);
    let tags: Vec<String> = (0..600).map(|nth| format!("tag-{nth}")).collect();
    let words: Vec<&str> =
        ["purge", "--tag", "news"].into_iter().chain(tags.iter().flat_map(|tag| ["--tag", tag])).collect();
    assert_eq!(pair.one.command(&words).await.0, 0);
    assert_eq!(text(&pair.one, "/").await, "answer 2");
    assert_eq!(pair.one.command(&["cluster", "join"]).await.0, 0);
    let folder = pair.two.stop().await;
    pair.two = Edge::start(folder).await;
    heard(&pair.one).await;
    assert_eq!(text(&pair.one, "/other").await, "answer 3");
}

#[tokio::test]
async fn a_soft_purge_is_validated_with_the_origin() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    assert_eq!((text(&pair.two, "/").await.as_str(), text(&pair.one, "/").await.as_str()), ("answer 1", "answer 1"));
    assert_eq!(pair.one.command(&["cluster", "apart"]).await.0, 0);
    assert_eq!(pair.one.command(&["purge", "--tag", "news", "--soft"]).await.0, 0);
    let validated = get(pair.one.address(), HOST, "/").await;
    assert!(
        validated.header("cache-status").contains("selvedge-one; fwd=stale; fwd-status=304; stored"),
        "{}",
        validated.header("cache-status")
    );
    assert_eq!((validated.text().as_str(), origin.seen().len()), ("answer 1", 2));
    assert_eq!(origin.seen()[1].header("if-none-match"), Some("\"e\""));
    assert_eq!(fills(&pair.one, "shield").await, 2);
    assert_eq!(pair.two.status().await.origins[0].shield.as_ref().unwrap().state, "itself");
}

#[tokio::test]
async fn without_its_shield_a_pop_asks_the_origin_itself() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    drop(pair.two.kill().await);
    for nth in 1..=4 {
        let answer = get(pair.one.address(), HOST, &format!("/{nth}")).await;
        assert_eq!((answer.status, answer.text()), (200, format!("answer {nth}")));
    }
    let (shield, fallback, origin_alone) =
        (fills(&pair.one, "shield").await, fills(&pair.one, "fallback").await, fills(&pair.one, "origin").await);
    assert!(shield == 0 && fallback <= 2 && fallback + origin_alone == 4, "{shield}, {fallback}, {origin_alone}");
}

/// What only POPs say nobody else does, neither a client nor an origin.
#[tokio::test]
async fn clients_and_origins_have_no_say_between_pops() {
    let origin = numbering("Cache-Control: max-age=600\r\nSelvedge-Have: 99\r\n").await;
    let pair = Pair::before(&origin, "").await;
    let forged = "Selvedge-Order: e30=\r\nSelvedge-Purges: AA==\r\nSelvedge-Have: 7\r\n";
    for edge in [&pair.one, &pair.two] {
        let answer = get_with(edge.address(), HOST, "/", forged).await;
        assert_eq!((answer.text().as_str(), answer.header("selvedge-have")), ("answer 1", ""));
        assert_eq!(get_with(edge.address(), HOST, "/", forged).await.header("selvedge-have"), "");
    }
    let head = origin.seen()[0].head.to_ascii_lowercase();
    assert!(!head.contains("selvedge-order") && !head.contains("selvedge-purges"), "{head}");
}

#[tokio::test]
async fn only_pops_of_the_roster_are_answered_and_only_to_orders() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    let request = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
    // In plain text, as a client of the other port would.
    assert_eq!(Answer::parse(&talk(pair.shield, request).await).map(|answer| answer.status), None);
    // With the certificate of a POP, and no order.
    let mut stream = dial_from(&pair.folder.path().join("one"), ("two.test.selvedge", pair.shield)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    let answer = Answer::parse(&said).expect("an answer");
    assert_eq!((answer.status, answer.header("selvedge-have")), (421, ""));
    // A POP is no child of itself.
    let own = dial_from(&pair.folder.path().join("two"), ("two.test.selvedge", pair.shield)).await;
    if let Ok(mut stream) = own {
        let _ = stream.write_all(request).await;
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert_eq!(Answer::parse(&said).map(|answer| answer.status), Some(421));
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn tags_reach_the_child_and_no_client() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    for nth in 0..2 {
        let answer = get(pair.one.address(), HOST, "/").await;
        assert_eq!((answer.text().as_str(), answer.header("surrogate-key")), ("answer 1", ""), "answer {nth}");
    }
    assert_eq!(pair.one.command(&["purge", "--tag", "news"]).await.0, 0);
    assert_eq!(text(&pair.one, "/").await, "answer 2");
    assert_eq!(get(pair.two.address(), HOST, "/").await.header("surrogate-key"), "");
}

#[tokio::test]
async fn what_is_for_one_client_is_stored_nowhere() {
    for fields in ["Cache-Control: private, max-age=600\r\n", "Cache-Control: no-store\r\n"] {
        let origin = numbering(fields).await;
        let pair = Pair::before(&origin, "").await;
        for nth in 1..=3 {
            assert_eq!(text(&pair.one, "/").await, format!("answer {nth}"), "{fields}");
        }
        assert_eq!(text(&pair.two, "/").await, "answer 4");
        // Once known, it does not take the longer way.
        assert!(fills(&pair.one, "shield").await < 3);
    }
}

#[tokio::test]
async fn a_cookie_that_is_set_reaches_one_client() {
    let origin = numbering("Cache-Control: public, max-age=600\r\nSet-Cookie: a=b\r\n").await;
    let pair = Pair::before(&origin, "").await;
    let first = get(pair.one.address(), HOST, "/").await;
    let second = get(pair.one.address(), HOST, "/").await;
    assert_eq!(first.header("set-cookie"), "a=b");
    assert!(second.header("set-cookie").is_empty() || second.text() != first.text(), "{}", second.head);
}

#[tokio::test]
async fn parts_heads_and_conditions_are_answered_from_what_came_whole() {
    let origin = numbering(STORED).await;
    let pair = Pair::before(&origin, "").await;
    let part = get_with(pair.one.address(), HOST, "/part", "Range: bytes=0-5\r\n").await;
    assert_eq!((part.status, part.text().as_str()), (206, "answer"));
    let head =
        talk(pair.one.address(), b"HEAD /head HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let same = get_with(pair.one.address(), HOST, "/part", "If-None-Match: \"e\"\r\n").await;
    assert_eq!((same.status, same.text().as_str()), (304, ""));
    assert_eq!(
        (text(&pair.one, "/part").await.as_str(), text(&pair.two, "/head").await.as_str()),
        ("answer 1", "answer 2")
    );
    assert_eq!(origin.seen().len(), 2);
}

/// What has to be validated each time is, from the one to the other to the origin.
#[tokio::test]
async fn a_304_passes_through_the_shield() {
    let origin = numbering("Cache-Control: no-cache\r\n").await;
    let pair = Pair::before(&origin, "").await;
    assert_eq!(text(&pair.one, "/").await, "answer 1");
    for _ in 0..2 {
        let again = get(pair.one.address(), HOST, "/").await;
        assert_eq!((again.status, again.text().as_str()), (200, "answer 1"));
        assert!(
            again.header("cache-status").contains("selvedge-one; fwd=stale; fwd-status=304; stored"),
            "{}",
            again.header("cache-status")
        );
    }
    assert_eq!((origin.seen().len(), fills(&pair.one, "shield").await), (3, 3));
}

/// A shield without an answer of the origin's leaves the request to the POP that has the client, which has it coded as ever.
#[tokio::test]
async fn a_shield_that_cannot_reach_the_origin_takes_nobody_with_it() {
    let origin = Origin::start(|_| async {
        let text = "long enough to be worth it ".repeat(100);
        ok("Cache-Control: max-age=600\r\nContent-Type: text/plain\r\n", text.as_bytes())
    })
    .await;
    let pair = Pair::before(&origin, "[compression]\n").await;
    let gone = format!("servers = [\"http://{}\"]", free_port());
    pair.two.edit(&format!("servers = [\"{}\"]", origin.url()), &gone).await;
    let answer = get_with(pair.one.address(), HOST, "/", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert!(answer.header("cache-status").contains("selvedge-one; fwd=uri-miss; stored"), "{}", answer.head);
    assert_eq!((fills(&pair.one, "fallback").await, origin.seen().len()), (1, 1));
    // Another config at the shield, in which the origin has another name.
    let path = pair.folder.path().join("two/selvedge.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let other = config.replace("[origin.app]", "[origin.other]").replace("origin = \"app\"", "origin = \"other\"");
    std::fs::write(&path, other).unwrap();
    assert_eq!(pair.two.command(&["reload"]).await.0, 0);
    assert_eq!(get(pair.one.address(), HOST, "/else").await.status, 200);
}

/// What is left of a lifetime at the parent is what is left of it at the child.
#[tokio::test]
async fn age_goes_on_counting() {
    let origin = numbering("Cache-Control: max-age=600\r\nAge: 100\r\n").await;
    let pair = Pair::before(&origin, "").await;
    text(&pair.two, "/").await;
    for _ in 0..2 {
        let answer = get(pair.one.address(), HOST, "/").await;
        let age: u64 = answer.header("age").parse().unwrap();
        assert!((100..400).contains(&age), "{age}");
        let status = answer.header("cache-status").to_owned();
        let ttl: u64 =
            status.rsplit("ttl=").next().and_then(|ttl| ttl.parse().ok()).unwrap_or_else(|| panic!("{status}"));
        assert!(ttl <= 500, "{status}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    const LENGTH: usize = 24 << 20;
    let body: &'static [u8] = (0..LENGTH).map(|at| (at % 251) as u8).collect::<Vec<u8>>().leak();
    for fields in ["Cache-Control: max-age=600\r\n", "Cache-Control: no-store\r\n"] {
        let origin = Origin::start(move |_| async move { ok(fields, body) }).await;
        let pair = Pair::before(&origin, "").await;
        for nth in 0..2 {
            let answer = get(pair.one.address(), HOST, "/").await;
            assert!(
                answer.status == 200 && answer.body == body,
                "answer {nth} with {fields}: {} bytes",
                answer.body.len()
            );
        }
    }
}

/// What changes something, or is not looked up, takes the short way.
/// A slice is asked for by itself at both, and stored under the same name.
#[tokio::test]
async fn slices_pass_one_by_one() {
    let origin = slices::files(slices::FRESH).await;
    let pair = Pair::before(&origin, slices::CONFIG).await;
    for edge in [&pair.one, &pair.two] {
        let part = get_with(edge.address(), HOST, "/film", "Range: bytes=131000-200000\r\n").await;
        assert!(part.status == 206 && part.body == slices::file(1)[131_000..200_001], "{}", part.head);
    }
    let ranges: Vec<_> = origin.seen().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    let expected = ["bytes=65536-131071", "bytes=131072-196607", "bytes=196608-262143"];
    assert_eq!(ranges, expected.map(|range| Some(range.to_owned())));
    assert_eq!((fills(&pair.one, "shield").await, fills(&pair.two, "shield").await), (3, 0));
}

#[tokio::test]
async fn what_is_not_to_be_stored_goes_to_the_origin_itself() {
    let origin = numbering(STORED).await;
    let rule = "[[rule]]\nname = \"pass\"\nwhen = 'request.path == \"/pass\"'\ndo = { cache = { pass = true } }\n";
    let pair = Pair::before(&origin, rule).await;
    let post = b"POST /form HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b";
    assert_eq!(Answer::parse(&talk(pair.one.address(), post).await).unwrap().text(), "answer 1");
    assert_eq!(text(&pair.one, "/pass").await, "answer 2");
    assert_eq!(text(&pair.one, "/stored").await, "answer 3");
    let vias: Vec<_> = origin.seen().iter().map(|request| request.head.matches("selvedge-two").count() > 0).collect();
    assert_eq!(vias, [false, false, true]);
}

/// What rules of the child say of a response holds at its parent, where they are not asked again.
#[tokio::test]
async fn rules_are_the_childs() {
    let origin = numbering("Cache-Control: max-age=1\r\n").await;
    let rules = "[[rule]]\nname = \"long\"\nwhen = 'request.path == \"/a\"'\ndo = { cache = { ttl = \"10m\" }, set_request_headers = { x-by = '\"rule\"' }, rewrite = { path = '\"/b\"' } }\n\
                 [[limit]]\nname = \"few\"\nkey = [\"client.ip\"]\nrate = \"4/1h\"\nburst = 4\n";
    let pair = Pair::before(&origin, rules).await;
    let answer = get(pair.one.address(), HOST, "/a").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "answer 1"));
    assert_eq!((origin.seen()[0].path(), origin.seen()[0].header("x-by")), ("/b", Some("rule")));
    let ttl = answer.head.matches("ttl=599").count() + answer.head.matches("ttl=600").count();
    assert_eq!(ttl, 2, "{}", answer.head);
    // The parent counts nobody once more.
    for status in [200, 200, 200, 429] {
        assert_eq!(get(pair.one.address(), HOST, "/a").await.status, status);
    }
}

/// The roster says which POP it is, also a new one while all run.
#[tokio::test]
async fn a_roster_moves_the_shield() {
    let origin = numbering(STORED).await;
    let folder = tempfile::tempdir().unwrap();
    let shield = write(folder.path(), &origin.url(), "");
    let other = free_port();
    insert(&folder.path().join("one/selvedge.toml"), "[cluster]", &format!("shield = \"{other}\""));
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    heard(&one).await;
    heard(&two).await;
    let shields = async |edge: &Edge| {
        let found = edge.status().await.origins[0].shield.clone().unwrap();
        (found.pop, found.state)
    };
    let said = |pop: &str, state: &str| (pop.to_owned(), state.to_owned());
    assert_eq!((shields(&one).await, shields(&two).await), (said("two", "asked"), said("two", "itself")));
    assert!(one.command(&["status"]).await.1.contains("origin app  through two  asked\n"));
    let (_, explained, _) = one.command(&["explain", "GET", "http://www.example.com/"]).await;
    assert!(explained.contains("through its shield"), "{explained}");
    for (name, edge) in [("one", &one), ("two", &two)] {
        let path = folder.path().join(name).join("roster.toml");
        let roster = std::fs::read_to_string(&path).unwrap().replace("revision = 1", "revision = 2");
        let roster = roster.replace(&format!("shield = \"{shield}\"\n"), "");
        std::fs::write(&path, roster.replacen("address = ", &format!("shield = \"{other}\"\naddress = "), 1)).unwrap();
        let (code, _, error) = edge.command(&["reload"]).await;
        assert_eq!(code, 0, "{error}");
    }
    assert_eq!((shields(&one).await, shields(&two).await), (said("one", "itself"), said("one", "asked")));
    assert_eq!((text(&two, "/").await, text(&one, "/").await), ("answer 1".to_owned(), "answer 1".to_owned()));
    assert_eq!((origin.seen().len(), fills(&two, "shield").await, fills(&one, "shield").await), (1, 1, 0));
}

/// The process that takes over listens where the one before did, and kept connections to that one are no failure.
#[tokio::test]
async fn a_shield_hands_over() {
    let origin = numbering(STORED).await;
    let mut pair = Pair::before(&origin, "").await;
    assert_eq!(text(&pair.one, "/1").await, "answer 1");
    let successor = pair.two.successor().await;
    assert_eq!(pair.two.ended().await, Some(0));
    heard(&pair.one).await;
    for nth in 2..=4 {
        assert_eq!(text(&pair.one, &format!("/{nth}")).await, format!("answer {nth}"));
    }
    assert_eq!((fills(&pair.one, "shield").await, fills(&pair.one, "fallback").await), (4, 0));
    drop(successor);
}

#[tokio::test]
async fn a_check_finds_a_shield_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    write(folder.path(), &origin.url(), "");
    let check = async |name: &str| {
        let config = folder.path().join(name).join("selvedge.toml");
        let output = program().arg("check").arg(config).output().await.expect("the program");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let fine = check("one").await;
    assert!(!fine.contains("error"), "{fine}");
    let edit = |file: &str, change: &dyn Fn(&str) -> String| {
        let path = folder.path().join(file);
        std::fs::write(&path, change(&std::fs::read_to_string(&path).unwrap())).unwrap();
    };
    let without = |text: &str| {
        text.lines().filter(|line| !line.starts_with("shield = \"")).map(|line| format!("{line}\n")).collect()
    };
    edit("two/selvedge.toml", &without);
    let deaf = check("two").await;
    assert!(deaf.contains("`[cluster] shield` does not say at which address"), "{deaf}");
    edit("one/roster.toml", &without);
    let none = check("one").await;
    assert!(
        none.contains("origin app: `shield = true`, and no POP of the roster") && none.contains("is one"),
        "{none}"
    );
}
