//! Large responses in slices: what clients get, and what of it their origin is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Answer, Edge, Origin, get, get_with, ok, talk};

const SLICE: usize = 64 * 1024;

/// Four slices and a bit.
const LEN: usize = 4 * SLICE + 1000;

pub(crate) const CONFIG: &str = "[[cache]]\nname = \"videos\"\nslice = \"64KiB\"\n";

/// What each version of the file has at each position.
pub(crate) fn file(version: usize) -> Vec<u8> {
    (0..LEN).map(|at| ((at / 251 + at + version) % 256) as u8).collect()
}

/// An answer to a range of `whole`, or to none.
fn ranged(range: Option<&str>, whole: &[u8], fields: &str) -> Vec<u8> {
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return ok(fields, whole);
    };
    let first: usize = first.parse().expect("a position");
    if first >= whole.len() {
        let text = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n";
        return format!("{text}Content-Range: bytes */{}\r\n\r\n", whole.len()).into_bytes();
    }
    let last = last.parse::<usize>().expect("a position").min(whole.len() - 1);
    let body = &whole[first..=last];
    let text = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{}\r\n{fields}\r\n",
        body.len(),
        whole.len()
    );
    [text.as_bytes(), body].concat()
}

/// An origin that has ranges of a file, whose version is counted up by a POST.
pub(crate) async fn files(fields: &'static str) -> Origin {
    let version = Arc::new(AtomicUsize::new(1));
    Origin::start(move |request| {
        let version = Arc::clone(&version);
        async move {
            if request.head.starts_with("POST ") {
                version.fetch_add(1, Ordering::SeqCst);
                return ok("", b"changed");
            }
            let version = version.load(Ordering::SeqCst);
            let fields = fields.replace("VERSION", &version.to_string());
            match request.path() {
                "/empty" => ranged(request.header("range"), b"", &fields),
                "/gone" => {
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\ngone".to_vec()
                }
                "/plain" => ok(&fields, &file(version)),
                _ => ranged(request.header("range"), &file(version), &fields),
            }
        }
    })
    .await
}

pub(crate) const FRESH: &str =
    "Cache-Control: max-age=600\r\nETag: \"VERSION\"\r\nSurrogate-Key: film\r\nContent-Type: video/mp4\r\n";

/// The ranges that the origin was asked for since the last time.
fn asked(origin: &Origin, known: &mut usize) -> Vec<usize> {
    let seen = origin.seen();
    let first = |range: &str| range.strip_prefix("bytes=")?.split_once('-')?.0.parse::<usize>().ok();
    let slices =
        seen[*known..].iter().map(|request| request.header("range").and_then(first).map_or(99, |at| at / SLICE));
    let slices = slices.collect();
    *known = seen.len();
    slices
}

async fn range(edge: &Edge, path: &str, range: &str) -> Answer {
    get_with(edge.address(), "test", path, &format!("Range: bytes={range}\r\n")).await
}

#[tokio::test]
async fn a_range_fetches_the_slices_that_it_lies_in() {
    let origin = files(FRESH).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut known = 0;
    for (wanted, part, slices) in [
        ("70000-70009", 70_000..70_010, &[1][..]),
        ("65536-131071", SLICE..2 * SLICE, &[]),
        ("131000-200000", 131_000..200_001, &[2, 3]),
        ("262144-", 4 * SLICE..LEN, &[4]),
        ("-5", LEN - 5..LEN, &[0]),
        ("0-", 0..LEN, &[]),
    ] {
        let answer = range(&edge, "/film", wanted).await;
        assert_eq!((answer.status, answer.body.len()), (206, part.len()), "{wanted}");
        assert!(answer.body == file(1)[part.clone()], "{wanted}");
        let expected = format!("bytes {}-{}/{LEN}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), expected);
        assert_eq!((answer.header("content-type"), answer.header("surrogate-key")), ("video/mp4", ""));
        assert_eq!(asked(&origin, &mut known), slices, "{wanted}");
    }
    let whole = get(edge.address(), "test", "/film").await;
    assert_eq!(
        (whole.status, whole.header("content-length"), whole.header("accept-ranges")),
        (200, &*LEN.to_string(), "bytes")
    );
    assert!(
        whole.body == file(1) && whole.header("cache-status").contains("; hit;"),
        "{}",
        whole.header("cache-status")
    );
    let (_, shown, error) = edge.command(&["cache", "show", "http://test/film"]).await;
    let first = shown.find("* 206  65536 bytes (bytes 0-65535/263144)  age ").expect(&error);
    assert!(shown.find("  206  1000 bytes (bytes 262144-263143/263144)") > Some(first), "{shown}");
    assert!(shown.contains("5 stored") && shown.contains("tags  film"), "{shown}");
    let beyond = range(&edge, "/film", &format!("{LEN}-")).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{LEN}")));
    let several = range(&edge, "/film", "0-1, 5-6").await;
    assert!(several.status == 200 && several.body == file(1));
    assert_eq!(asked(&origin, &mut known), Vec::<usize>::new());
}

#[tokio::test]
async fn what_clients_know_already_or_ask_the_length_of_is_not_sent() {
    let origin = files(FRESH).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let head = talk(edge.address(), b"HEAD /film HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8(head).expect("a header alone").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains(&format!("\r\ncontent-length: {LEN}\r\n")), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let same = get_with(edge.address(), "test", "/film", "If-None-Match: \"1\"\r\n").await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let fields = |tag: &str| format!("Range: bytes=10-19\r\nIf-Range: {tag}\r\n");
    assert_eq!(get_with(edge.address(), "test", "/film", &fields("\"1\"")).await.status, 206);
    let other = get_with(edge.address(), "test", "/film", &fields("\"0\"")).await;
    assert!(other.status == 200 && other.body == file(1));
}

#[tokio::test]
async fn what_has_no_slices_is_passed_on_or_asked_for_whole() {
    let origin = files(FRESH).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut known = 0;
    for _ in 0..2 {
        let plain = range(&edge, "/plain", "10-19").await;
        assert!(plain.status == 200 && plain.body == file(1), "{}", plain.status);
    }
    assert_eq!(asked(&origin, &mut known), [0], "the second one is a hit");
    for _ in 0..2 {
        let gone = get(edge.address(), "test", "/gone").await;
        assert_eq!((gone.status, gone.text().as_str()), (404, "gone"));
    }
    assert_eq!(asked(&origin, &mut known), [0]);
    let empty = get(edge.address(), "test", "/empty").await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let nameless = files("Cache-Control: max-age=600\r\nETag: W/\"VERSION\"\r\n").await;
    let edge = Edge::before(&nameless.url(), CONFIG).await;
    let mut known = 0;
    let answer = range(&edge, "/film", "70000-70009").await;
    let (status, len) = (answer.status, answer.body.len());
    assert!(status == 206 && answer.body == file(1)[70_000..70_010], "{status}, {len} bytes: {}", answer.head);
    assert_eq!(asked(&nameless, &mut known), [1, 99], "slices that nobody can tell from others are not put together");
}

#[tokio::test]
async fn slices_of_two_responses_are_never_put_together() {
    let origin = files(FRESH).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    range(&edge, "/film", "0-9").await;
    // Behind the edge's back.
    let post = "POST /film HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    talk(origin.address, post.as_bytes()).await;
    let broken = talk(edge.address(), b"GET /film HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    assert!(Answer::parse(&broken).is_none() && broken.ends_with(&file(1)[SLICE - 10..SLICE]), "it breaks off");
    let whole = get(edge.address(), "test", "/film").await;
    assert!(whole.status == 200 && whole.body == file(2));
}

#[tokio::test]
async fn a_purge_and_a_change_are_about_all_slices() {
    let origin = files(FRESH).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut known = 0;
    let all = [0, 1, 2, 3, 4];
    for purge in [&["--url", "http://test/film"][..], &["--tag", "film"]] {
        assert!(get(edge.address(), "test", "/film").await.body == file(1));
        assert_eq!(asked(&origin, &mut known), all);
        assert_eq!(edge.command(&[&["purge"][..], purge].concat()).await.0, 0);
    }
    assert!(get(edge.address(), "test", "/film").await.body == file(1));
    let post = "POST /film HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    talk(edge.address(), post.as_bytes()).await;
    assert!(get(edge.address(), "test", "/film").await.body == file(2));
}

#[tokio::test]
async fn private_slices_are_served_and_not_stored() {
    let origin = files("Cache-Control: private\r\nETag: \"VERSION\"\r\n").await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut known = 0;
    for _ in 0..2 {
        let answer = range(&edge, "/film", "65530-65540").await;
        assert!(answer.status == 206 && answer.body == file(1)[65_530..65_541]);
        assert_eq!(asked(&origin, &mut known), [0, 1]);
    }
}
