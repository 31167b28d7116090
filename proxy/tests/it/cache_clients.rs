//! Nobody gets what was made for somebody else: random requests against a reference that knows RFC 9111 and the policies, hosts with
//! equal paths, and paths that pretend to be something else.

use std::collections::HashSet;

use tokio::task::JoinSet;

use crate::support::{Edge, KeptOpen, Noise, Origin, get, get_with, ok};

/// Requests of one run.
const REQUESTS: usize = 10_000;

/// An origin whose answers say for whom they were made, with the fields that the query asks for.
async fn saying() -> Origin {
    let made = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |request| {
        let nth = made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            let query = request.path().split_once('?').map_or("", |(_, query)| query);
            let mut fields = String::new();
            for parameter in query.split('&') {
                match parameter.split_once('=') {
                    Some(("cc", control)) => {
                        fields.push_str(&format!("Cache-Control: {}\r\n", control.replace('+', ", ").replace(':', "=")))
                    }
                    Some(("vary", names)) => fields.push_str(&format!("Vary: {}\r\n", names.replace('+', ", "))),
                    Some(("cookie", value)) => fields.push_str(&format!("Set-Cookie: c={value}\r\n")),
                    _ => {}
                }
            }
            let of = |name| request.header(name).unwrap_or("-").to_owned();
            let (host, path) = (of("host"), request.path());
            let body =
                [nth.to_string(), host, path.to_owned(), of("authorization"), of("cookie"), of("x-lang")].join("|");
            ok(&fields, body.as_bytes())
        }
    })
    .await
}

/// Whether a response that was made for one request may answer another, as RFC 9111 sections 3, 3.5 and 4.1 and the policy of the path say.
fn may_answer(made_for: &[&str], asked: &[&str]) -> bool {
    let [host, path, authorization, cookie, lang] = made_for else { return false };
    let has = |what: &str| path.contains(what);
    let may_be_stored = !["private", "no-store", "no-cache", "cookie=", "vary=*"].iter().any(|what| has(what));
    let is_for_all = *authorization == "-" || ["public", "s-maxage", "must-revalidate"].iter().any(|what| has(what));
    let is_same = |field: &str, at: usize| !has(field) || made_for[at] == asked[at];
    let by_vary = is_same("vary=cookie", 3) && is_same("x-lang", 4);
    let by_key = !path.starts_with("/key") || (cookie, lang) == (&asked[3], &asked[4]);
    may_be_stored && is_for_all && by_vary && by_key && (host, path) == (&asked[0], &asked[1])
}

#[tokio::test]
async fn no_response_reaches_another_client_than_it_may() {
    let origin = saying().await;
    let policies = "[[cache]]\nname = \"ttl\"\nwhen = 'request.path == \"/ttl\"'\nttl = \"1h\"\n\
        [[cache]]\nname = \"default\"\nwhen = 'request.path == \"/default\"'\nttl_default = \"1h\"\n\
        [[cache]]\nname = \"key\"\nwhen = 'request.path == \"/key\"'\nttl = \"1h\"\nkey = { cookies = [\"who\"], headers = [\"x-lang\"] }\n";
    let edge = Edge::before(&origin.url(), policies).await;
    let mut client = KeptOpen::connect(edge.address()).await;
    let (mut noise, mut known, mut reused) = (Noise::new(), HashSet::new(), 0);
    for nth in 0..REQUESTS {
        let place = noise.one_of(&["/plain", "/ttl", "/default", "/key"]);
        let control = noise.one_of(&[
            "",
            "max-age:60",
            "max-age:60+private",
            "max-age:60+public",
            "s-maxage:60",
            "no-store",
            "max-age:60+must-revalidate",
            "no-cache",
            "private",
        ]);
        let vary = noise.one_of(&["", "", "x-lang", "cookie", "cookie+x-lang", "*"]);
        let sets = noise.one_of(&["", "", "&cookie=1"]);
        let path = format!("{place}?cc={control}&vary={vary}{sets}");
        let host = noise.one_of(&["a.example", "b.example"]);
        let one = |name: &str, value: &str| if value == "-" { String::new() } else { format!("{name}: {value}\r\n") };
        let authorization = noise.one_of(&["-", "-", "Basic one", "Basic two"]);
        let cookie = noise.one_of(&["-", "who=one", "who=two"]);
        let lang = noise.one_of(&["-", "de", "en"]);
        let fields = one("Authorization", authorization) + &one("Cookie", cookie) + &one("X-Lang", lang);
        let body = client.get_with(host, &path, &fields).await.text();
        let made: Vec<&str> = body.split('|').collect();
        let (Some((number, made_for)), asked) = (made.split_first(), [host, &path, authorization, cookie, lang]) else {
            panic!("{body}")
        };
        if known.insert((*number).to_owned()) {
            assert_eq!(made_for, asked, "request {nth} got what is newly made for another one");
        } else {
            reused += 1;
            assert!(may_answer(made_for, &asked), "request {nth}: {asked:?} got what was made for {made_for:?}");
        }
    }
    assert!(reused > REQUESTS / 20, "only {reused} were answered from the cache");
}

#[tokio::test]
async fn hosts_with_equal_paths_share_nothing() {
    let origin = saying().await;
    let edge =
        Edge::before(&origin.url(), "[[cache]]\nname = \"all\"\nttl = \"1h\"\nkey = { query = { only = [] } }\n").await;
    let mut noise = Noise::new();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let asked: Vec<(&str, &str)> = (0..REQUESTS / 8)
            .map(|_| {
                (noise.one_of(&["a.example", "b.example", "A.example."]), noise.one_of(&["/", "/1", "/2?x", "/2"]))
            })
            .collect();
        let address = edge.address();
        clients.spawn(async move {
            let mut client = KeptOpen::connect(address).await;
            for (host, path) in asked {
                let body = client.get(host, path).await.text();
                let of: Vec<&str> = body.split('|').collect();
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                assert_eq!(of[1].trim_end_matches('.').to_ascii_lowercase(), host, "{body}");
                assert_eq!(of[2].split('?').next(), path.split('?').next(), "{body}");
            }
        });
    }
    while let Some(joined) = clients.join_next().await {
        joined.expect("no wrong host");
    }
    assert!(origin.seen().len() < REQUESTS / 8, "{} went to the origin", origin.seen().len());
}

/// A page of one client, asked for by a path that looks like a file for all: nothing of it is stored, whatever the policy wants.
#[tokio::test]
async fn a_path_that_pretends_to_be_a_file_has_nothing_private_stored() {
    let origin = Origin::start(|request| async move {
        let who = request.header("cookie").unwrap_or("nobody").to_owned();
        ok("Cache-Control: private, max-age=60\r\n", who.as_bytes())
    })
    .await;
    let edge = Edge::before(
        &origin.url(),
        "[[cache]]\nname = \"files\"\nttl = \"1h\"\nkey = { query = { only = [] } }\nnegative_ttl = \"1h\"\n",
    )
    .await;
    for path in [
        "/account;x.css",
        "/account%3Bx.css",
        "/account%2f..%2fx.css",
        "/account/..%2fx.css",
        "/account%00.css",
        "/account%00",
        "//account/x.css",
        "/account//x.css",
        "/account/x.css",
        "/account/./x.css",
        "/account%23x.css",
        "/account%3fx.css",
        "/account?x.css",
        "/account%0a.css",
        "/account\\x.css",
    ] {
        let mine = get_with(edge.address(), "test", path, "Cookie: me\r\n").await;
        assert!(matches!(mine.text().as_str(), "me" | "") || mine.status == 400, "{path}: {}", mine.text());
        let other = get(edge.address(), "test", path).await;
        assert!(!other.text().contains("me") || other.status == 400, "{path}: {}", other.text());
    }
    let status = edge.status().await;
    assert_eq!(status.cache.objects, 0, "nothing is stored");
}
