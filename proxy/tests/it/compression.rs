//! Responses that are compressed on their way into the cache: once for each encoding, and right for those who ask for parts or again.

use pingora::protocols::http::compression::Algorithm;

use crate::support::{Answer, Edge, Origin, get_with, ok, talk};

const CONFIG: &str = "[compression]\nencodings = [\"br\", \"gzip\", \"zstd\"]\n";

fn page() -> String {
    "A page that says the same again and again. ".repeat(200)
}

/// An origin whose page is a page, and validates it.
async fn pages() -> Origin {
    Origin::start(|request| async move {
        let fields = "Content-Type: text/html\r\nCache-Control: max-age=0, s-maxage=60\r\nETag: \"a\"\r\n";
        match request.path() {
            "/small" => ok(fields, b"small"),
            "/image" => ok("Content-Type: image/png\r\nCache-Control: max-age=60\r\n", page().as_bytes()),
            "/stale" if request.header("if-none-match").is_some() => {
                b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\n\r\n".to_vec()
            }
            "/stale" => ok("Content-Type: text/html\r\nCache-Control: no-cache\r\nETag: \"a\"\r\n", page().as_bytes()),
            _ => ok(fields, page().as_bytes()),
        }
    })
    .await
}

async fn ask(edge: &Edge, path: &str, accept: &str) -> Answer {
    get_with(edge.address(), "test", path, &format!("Accept-Encoding: {accept}\r\n")).await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let algorithm = match answer.header("content-encoding") {
        "" => return answer.body.clone(),
        "gzip" => Algorithm::Gzip,
        "br" => Algorithm::Brotli,
        other => panic!("{other} cannot be read here"),
    };
    let mut decoder = algorithm.decompressor(true).expect("a decoder");
    let decoded = decoder.encode(&answer.body, false).expect("a body");
    [decoded, decoder.encode(b"", true).expect("its end")].concat()
}

#[tokio::test]
async fn each_encoding_is_made_once_and_hits_are_sent_as_stored() {
    let origin = pages().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let table = [
        ("gzip, deflate, br, zstd", "br", 1),
        ("br", "br", 1),
        ("br;q=0.5, gzip", "gzip", 2),
        ("x-gzip", "gzip", 2),
        ("zstd", "zstd", 3),
        ("deflate", "", 4),
        ("identity", "", 4),
        ("*;q=0", "", 4),
    ];
    for (accept, encoding, fetches) in table {
        let answer = ask(&edge, "/", accept).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, encoding), "{accept}");
        assert!(answer.header("vary").to_ascii_lowercase().contains("accept-encoding"), "{}", answer.header("vary"));
        assert_eq!(origin.seen().len(), fetches, "{accept}");
        let asked_for = origin.seen()[fetches - 1].header("accept-encoding").unwrap_or("").to_owned();
        assert_eq!(asked_for, encoding, "the origin is asked for that one alone");
        match encoding {
            "zstd" => assert_eq!(answer.body.get(..4), Some([0x28, 0xb5, 0x2f, 0xfd].as_slice())),
            _ => assert_eq!(decoded(&answer), page().into_bytes()),
        }
        assert!(encoding.is_empty() || answer.body.len() < 500, "{} bytes", answer.body.len());
        let tag = if encoding.is_empty() { "\"a\"" } else { "W/\"a\"" };
        assert_eq!(answer.header("etag"), tag, "{accept}: other bytes than the origin's have no strong tag");
    }
}

#[tokio::test]
async fn what_is_not_worth_it_or_is_a_part_stays_as_it_is() {
    let origin = pages().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for path in ["/small", "/image"] {
        let answer = ask(&edge, path, "br, gzip").await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
        assert_eq!(ask(&edge, path, "br, gzip").await.body, answer.body);
    }
    let fields = "Accept-Encoding: br\r\nRange: bytes=0-9\r\n";
    for stored in [false, true] {
        let answer = get_with(edge.address(), "test", "/part", fields).await;
        let whole = ask(&edge, "/part", "br").await;
        match (stored, answer.status) {
            // How long it is in the end is not known before.
            (false, 200) => assert_eq!(answer.body, whole.body),
            (_, status) => assert_eq!((status, &answer.body[..]), (206, &whole.body[..10]), "of the coded bytes"),
        }
        assert_eq!(whole.header("content-length"), whole.body.len().to_string());
        assert_eq!(decoded(&whole), page().into_bytes());
    }
    let plain = get_with(edge.address(), "test", "/part", "Range: bytes=2-5\r\n").await;
    assert_eq!((plain.status, plain.text().as_str(), plain.header("etag")), (206, "page", "\"a\""));
    let conditional = "Accept-Encoding: br\r\nIf-None-Match: W/\"a\"\r\n";
    assert_eq!(get_with(edge.address(), "test", "/part", conditional).await.status, 304);
    let strong = "Accept-Encoding: br\r\nRange: bytes=0-9\r\nIf-Range: \"a\"\r\n";
    let whole = get_with(edge.address(), "test", "/part", strong).await;
    assert_eq!((whole.status, decoded(&whole)), (200, page().into_bytes()), "the part would be one of other bytes");
}

#[tokio::test]
async fn a_validation_of_coded_bytes_leaves_them_their_weak_tag() {
    let origin = pages().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for _ in 0..3 {
        let answer = ask(&edge, "/stale", "gzip").await;
        assert_eq!((answer.header("content-encoding"), answer.header("etag")), ("gzip", "W/\"a\""));
        assert_eq!(decoded(&answer), page().into_bytes());
    }
    let seen = origin.seen();
    assert!(seen[1..].iter().all(|request| request.header("if-none-match").is_some()), "{seen:?}");
}

#[tokio::test]
async fn without_the_section_nothing_changes() {
    let origin = pages().await;
    let edge = Edge::before(&origin.url(), "").await;
    let answer = ask(&edge, "/", "br, gzip;q=0.5").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("", ""));
    assert_eq!(origin.seen()[0].header("accept-encoding"), Some("br, gzip;q=0.5"));
}

/// Nothing of it may have gone to the client by then, but its header was taken for coding: another try would give the coder a second one.
#[tokio::test]
async fn an_origin_that_breaks_off_behind_its_header_is_answered_for() {
    let origin = Origin::start(|_| async {
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nContent-Length: 5000\r\n\r\n"
            .to_vec()
    })
    .await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for _ in 0..20 {
        let ask = b"GET / HTTP/1.1\r\nHost: test\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n";
        let text = String::from_utf8_lossy(&talk(edge.address(), ask).await).into_owned();
        assert!(text.starts_with("HTTP/1.1 502") || text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

/// A policy may leave a field out of account, but not who can read what is coded here.
#[tokio::test]
async fn an_ignored_accept_encoding_still_chooses_the_coding() {
    let origin = pages().await;
    let policy = "[[cache]]\nname = \"all\"\nvary = { ignore = [\"accept-encoding\"] }\n";
    let edge = Edge::before(&origin.url(), &format!("{CONFIG}{policy}")).await;
    for (accept, coding) in [("br", "br"), ("identity", ""), ("br", "br")] {
        let answer = ask(&edge, "/", accept).await;
        assert_eq!((answer.header("content-encoding"), decoded(&answer)), (coding, page().into_bytes()), "{accept}");
    }
}

/// RFC 9530: what says what the bytes hash to says it of other ones once they are coded.
#[tokio::test]
async fn digests_of_what_was_not_coded_go() {
    let fields = "Content-Type: text/html\r\nCache-Control: max-age=60\r\nContent-Digest: a\r\nRepr-Digest: b\r\nDigest: c\r\nContent-MD5: d\r\n";
    let origin = Origin::start(move |_| async move { ok(fields, page().as_bytes()) }).await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for (accept, digests) in [("gzip", ["", "", "", ""]), ("identity", ["a", "b", "c", "d"])] {
        for _ in 0..2 {
            let answer = ask(&edge, "/", accept).await;
            let found = ["content-digest", "repr-digest", "digest", "content-md5"].map(|field| answer.header(field));
            assert_eq!(found, digests, "{accept} {:?}", answer.header("cache-status"));
        }
    }
}
