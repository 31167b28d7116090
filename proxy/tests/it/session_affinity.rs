//! Sessions that keep to one server of an origin, whichever POP their client comes to.

use std::collections::BTreeMap;

use crate::cluster::{plan_of, start};
use crate::session::{SECRET, cookie_of, secret};
use crate::support::{Edge, Origin, get_with};

const SESSIONS: usize = 200;

const CONFIG: &str = r#"
[session.web]
keys = ["session.key"]
fetch = "5s"

[[rule]]
name = "start"
when = 'request.path == "/start"'
do = { session = { start = true } }

[[rule]]
name = "rotate"
when = 'request.path == "/rotate"'
do = { session = { rotate = true } }
"#;

/// The server that answers a session, and the cookie that it has from then on.
async fn ask(edge: &Edge, path: &str, cookie: &mut String) -> String {
    let field = if cookie.is_empty() { String::new() } else { format!("Cookie: __Host-web={cookie}\r\n") };
    let answer = get_with(edge.address(), "test", path, &field).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    if let Some(given) = cookie_of(&answer, "web") {
        *cookie = given;
    }
    answer.text()
}

#[tokio::test]
async fn a_session_keeps_to_its_server_at_each_pop_and_moves_only_when_that_one_drains() {
    let never = "Cache-Control: no-store\r\n";
    let servers = [
        Origin::fixed(never, "a").await,
        Origin::fixed(never, "b").await,
        Origin::fixed(never, "c").await,
        Origin::fixed(never, "d").await,
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["one", "two"];
    plan_of(folder.path(), &servers[0].url(), &names, CONFIG);
    let all: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    for name in names {
        secret(&folder.path().join(name), "session.key", SECRET);
        let path = folder.path().join(name).join("selvedge.toml");
        let config = std::fs::read_to_string(&path).expect("a config");
        let one = format!("servers = [{}]", all[0]);
        assert!(config.contains(&one), "{config}");
        let four = format!("servers = [{}]\naffinity = {{ key = ['session.id'] }}", all.join(", "));
        std::fs::write(&path, config.replace(&one, &four)).expect("a folder");
    }
    let (one, two) = tokio::join!(start(folder.path(), "one"), start(folder.path(), "two"));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let mut cookie = String::new();
        ask(&one, "/start", &mut cookie).await;
        let server = ask(&one, "/", &mut cookie).await;
        for edge in [&two, &one, &two] {
            assert_eq!(ask(edge, "/", &mut cookie).await, server);
        }
        sessions.push((cookie, server));
    }
    let mut spread: BTreeMap<&str, usize> = BTreeMap::new();
    sessions.iter().for_each(|(_, server)| *spread.entry(server).or_default() += 1);
    assert!(spread.len() == 4 && spread.values().all(|share| (20..90).contains(share)), "{spread:?}");
    // A rotation is another session, which most often has another server.
    let (mut rotated, _) = sessions.pop().expect("one");
    ask(&one, "/rotate", &mut rotated).await;
    let server = ask(&one, "/", &mut rotated).await;
    assert_eq!(ask(&two, "/", &mut rotated).await, server);
    for edge in [&one, &two] {
        edge.edit("affinity = ", &format!("drain = [{}]\naffinity = ", all[2])).await;
    }
    for (cookie, server) in &mut sessions {
        let now = ask(&one, "/", cookie).await;
        assert_ne!(now, "c");
        assert!(*server == now || server == "c", "{server} does not drain, and {now} answers");
        assert_eq!(ask(&two, "/", cookie).await, now);
    }
}
