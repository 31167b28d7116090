//! `selvedge sessions`: what an operator sees of sessions, and how they are put to an end; and that what was revoked outlives a crash.

use serde_json::{Value, json};

use crate::cluster::{plan_of, start};
use crate::session::{SECRET, secret};
use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, Origin, eventually, get_with};

const SESSIONS: &str = r#"
[session.web]
keys = ["session.key"]
attributes = { user = "string", age = "int" }
counters = ["clicks"]
headers = ["user"]

[[rule]]
name = "start"
when = 'request.path == "/start"'
do = { session = { start = true, count = ["clicks"], set = { user = 'request.query["user"]' } } }

[[rule]]
name = "age"
when = 'request.path == "/age"'
do = { session = { set = { age = 'int(request.query["age"])' }, count = ["clicks"] } }

[[rule]]
name = "logout"
when = 'request.path == "/logout"'
do = { session = { revoke = true } }

[[rule]]
name = "members"
when = 'request.path == "/members" && !session.valid'
do = { deny = 403 }
"#;

/// An edge that is alone and keeps its state, of which no snapshot is written before it ends.
async fn alone(origin: &Origin) -> Edge {
    let folder = tempfile::tempdir().expect("a folder");
    secret(folder.path(), "session.key", SECRET);
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[pop]\nname = \"fra\"\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n\
         [storage]\nstate = \"state\"\nstate_every = \"1h\"\n{SESSIONS}\n[admin]\nsocket = \"admin.sock\"\nlog = \"access.log\"\n",
        origin.url()
    );
    std::fs::write(folder.path().join("selvedge.toml"), config).expect("a config");
    Edge::start(Folder::Own(folder)).await
}

/// A client that keeps its cookie.
#[derive(Default)]
struct Browser(String);

impl Browser {
    async fn get(&mut self, edge: &Edge, path: &str) -> u16 {
        let answer = get_with(edge.address(), "test", path, &format!("Cookie: __Host-web={}\r\n", self.0)).await;
        if let Some(rest) = answer.header("set-cookie").strip_prefix("__Host-web=") {
            self.0 = rest.split(';').next().unwrap_or_default().to_owned();
        }
        answer.status
    }

    /// Of a session that begins.
    async fn start(edge: &Edge, user: &str) -> Browser {
        let mut browser = Browser::default();
        browser.get(edge, &format!("/start?user={user}")).await;
        assert!(!browser.0.is_empty());
        browser
    }
}

/// What a command of the CLI says with `--json`, and how it ends.
async fn said(edge: &Edge, words: &[&str]) -> (i32, Value) {
    let (code, said, error) = edge.command(&[&["sessions", "--json"][..], words].concat()).await;
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{error}")))
}

fn ids(found: &Value) -> Vec<&str> {
    found["sessions"].as_array().expect("sessions").iter().filter_map(|session| session["id"].as_str()).collect()
}

#[tokio::test]
async fn ls_lists_what_is_held_in_pages_and_by_attributes() {
    let origin = Origin::fixed("", "x").await;
    let edge = alone(&origin).await;
    assert_eq!(edge.command(&["sessions", "ls"]).await, (0, "no sessions\n".to_owned(), String::new()));
    for user in 0..20 {
        Browser::start(&edge, &format!("u{}", user % 10)).await;
    }
    let mut browser = Browser::start(&edge, "a%E2%80%AEb").await;
    browser.get(&edge, "/age?age=42").await;
    let (code, all) = said(&edge, &["ls"]).await;
    let all_ids = ids(&all);
    assert!(code == 0 && all_ids.len() == 21 && all_ids.is_sorted() && all["next"].is_null(), "{all}");
    let (mut paged, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut words = vec!["ls", "--limit", "4"];
        words.extend(after.iter().flat_map(|after| ["--after", after]));
        let (_, page) = said(&edge, &words).await;
        assert!(ids(&page).len() <= 4);
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all_ids);
    let (_, of_one) = said(&edge, &["ls", "--attribute", "user=u3"]).await;
    assert_eq!(ids(&of_one).len(), 2);
    assert_eq!(of_one["sessions"][0]["attributes"], json!([["user", "u3"]]));
    let (_, aged) = said(&edge, &["ls", "--attribute", "age=42", "--attribute", "user=a\u{202e}b"]).await;
    assert_eq!((ids(&aged).len(), &aged["sessions"][0]["counters"]), (1, &json!([["clicks", 2]])));
    let (_, page, _) = edge.command(&["sessions", "ls", "--attribute", "age=42"]).await;
    assert!(page.contains("  age=42  user=a\\u{202e}b  clicks 2\n"), "{page}");
    for (words, why) in [
        (&["ls", "--attribute", "user"][..], "an attribute is written NAME=VALUE"),
        (&["ls", "--limit", "0"], "limit is a number from 1 to 1000"),
        (&["ls", "--after", "x"], "\"x\" is no id of a session"),
        (&["show", "../status"], "is no id of a session: that is 32 hex digits"),
        (&["revoke", "abc"], "revoke[0]: \"abc\" is no id of a session"),
    ] {
        let (code, _, error) = edge.command(&[&["sessions"][..], words].concat()).await;
        assert!(code == 1 && error.contains(why), "{error}");
    }
    let plain = Edge::before(&origin.url(), "").await;
    for words in [&["ls"][..], &["show", all_ids[0]], &["revoke", all_ids[0]]] {
        let (code, _, error) = plain.command(&[&["sessions"][..], words].concat()).await;
        assert!(code == 1 && error.contains("the config of this node has no [session]"), "{error}");
    }
}

#[tokio::test]
async fn a_session_is_revoked_by_the_id_that_logs_show_and_stays_so_over_a_crash() {
    let origin = Origin::fixed("", "x").await;
    let edge = alone(&origin).await;
    let (mut ann, mut bob, mut cid) =
        (Browser::start(&edge, "ann").await, Browser::start(&edge, "bob").await, Browser::start(&edge, "cid").await);
    let (_, found) = said(&edge, &["ls", "--attribute", "user=ann"]).await;
    let id = ids(&found)[0].to_owned();
    assert!(origin.seen().iter().any(|seen| seen.header("selvedge-session-id") == Some(&id)));
    let (code, page, error) = edge.command(&["sessions", "revoke", &id, "--wait", "5s"]).await;
    assert!(code == 0 && page.starts_with(&format!("revoked  session {id}\napplied  fra  ")), "{page}{error}");
    assert_eq!((ann.get(&edge, "/members").await, bob.get(&edge, "/members").await), (403, 200));
    let (_, shown) = said(&edge, &["show", &id]).await;
    assert_eq!(shown["at"][0]["revoked"], "id");
    // Another one by a request, at the moment that its client is told; nobody else has heard of it.
    let mut copy = Browser(cid.0.clone());
    cid.get(&edge, "/logout").await;
    let edge = Edge::start(edge.kill().await).await;
    for _ in 0..2 {
        let after = (ann.get(&edge, "/members").await, copy.get(&edge, "/members").await);
        assert_eq!((after, bob.get(&edge, "/members").await), ((403, 403), 200));
    }
    // What no snapshot has is in the log of the next life as well.
    let edge = Edge::start(edge.kill().await).await;
    assert_eq!((ann.get(&edge, "/members").await, copy.get(&edge, "/members").await), (403, 403));
    // A graceful end writes a snapshot, and the log goes.
    let edge = Edge::start(edge.stop().await).await;
    assert_eq!((ann.get(&edge, "/members").await, copy.get(&edge, "/members").await), (403, 403));
    assert_eq!(edge.status().await.kept.and_then(|kept| kept.revocations).expect("a log").bytes, 0);
}

#[tokio::test]
async fn every_pop_says_what_it_knows_and_that_it_has_applied_a_revocation() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Origin::fixed("", "x").await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], SESSIONS);
    ["one", "two"].iter().for_each(|name| secret(&folder.path().join(name), "session.key", SECRET));
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    eventually(DEADLINE, async || match one.status().await.cluster.expect("a cluster").heard {
        2 => Ok(()),
        heard => Err(format!("{heard} heard")),
    })
    .await;
    let mut browser = Browser::start(&one, "ann").await;
    browser.get(&two, "/age?age=42").await;
    let (_, found) = said(&one, &["ls"]).await;
    let id = ids(&found)[0].to_owned();
    let shown = eventually(DEADLINE, async || {
        let (code, shown) = said(&one, &["show", &id]).await;
        let known = shown["at"].as_array().expect("POPs").iter().filter(|at| at["behind"].is_null()).count();
        if code == 0 && known == 2 && shown["at"][0]["known"]["attributes"][0]["value"] == "42" {
            Ok(shown)
        } else {
            Err(shown.to_string())
        }
    })
    .await;
    for (at, pop) in ["one", "two"].into_iter().enumerate() {
        let at = &shown["at"][at];
        assert_eq!(at["pop"], pop);
        let by = |nth: usize| (&at["known"]["attributes"][nth]["name"], &at["known"]["attributes"][nth]["by"]["pop"]);
        assert_eq!((by(0), by(1)), ((&json!("age"), &json!("two")), (&json!("user"), &json!("one"))));
        assert_eq!(at["known"]["counters"][0]["count"], 2, "{shown}");
    }
    let (code, page, _) = one.command(&["sessions", "show", &id]).await;
    assert!(
        code == 0 && page.contains("\n  age = 42   two ") && page.contains("\n  clicks 2   (one 1, two 1)\n"),
        "{page}"
    );
    let (code, revoked) = said(&two, &["revoke", &id, "--wait"]).await;
    let pops = |field: &str| {
        let all = revoked[field].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["pop"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert!(code == 0 && pops("receipts") == ["one", "two"] && pops("missing").is_empty(), "{revoked}");
    // So it needs no time to get there.
    assert_eq!(browser.get(&one, "/members").await, 403);
    let other = Browser::start(&one, "bob").await;
    let (_, found) = said(&one, &["ls", "--attribute", "user=bob"]).await;
    let id = ids(&found)[0].to_owned();
    drop(two.kill().await);
    let (code, page, _) = one.command(&["sessions", "revoke", &id, "--wait", "100ms"]).await;
    assert!(code == 1 && page.contains("\napplied  one  ") && page.contains("\nMISSING  two  "), "{page}");
    let (code, page, _) = one.command(&["sessions", "show", &id]).await;
    assert!(code == 1 && page.contains("REVOKED by its id") && page.contains("\nMISSING  two  "), "{page}");
    drop(other);
}

#[tokio::test]
async fn users_are_revoked_by_their_names_in_a_realm() {
    let origin = Origin::fixed("", "x").await;
    let edge = alone(&origin).await;
    let of_user = "[session.web]\nuser = \"user\"\nrealm = \"shop\"";
    for (words, why) in [
        (&["--user", "ann"][..], "no section of the realm \"web\" says what a user is"),
        (&["--token", "1", "--realm", "shap"], "there is no realm \"shap\"; there are: web"),
    ] {
        let (code, _, error) = edge.command(&[&["sessions", "revoke"][..], words].concat()).await;
        assert!(code == 1 && error.contains("revoke[0]: ") && error.contains(why), "{error}");
    }
    edge.edit("[session.web]", of_user).await;
    let mut browsers = Vec::new();
    for user in ["ann", "ann", "bob"] {
        browsers.push(Browser::start(&edge, user).await);
    }
    let (code, _, error) = edge.command(&["sessions", "revoke", "--user", "ann", "--realm", "shpo"]).await;
    assert!(code == 1 && error.contains("did you mean \"shop\"?"), "{error}");
    let (code, page, error) = edge.command(&["sessions", "revoke", "--user", "ann", "--wait"]).await;
    assert!(code == 0 && page.starts_with("revoked  user ann of shop\napplied  fra  "), "{page}{error}");
    let (_, found) = said(&edge, &["ls"]).await;
    let by = |user: &str| {
        let sessions = found["sessions"].as_array().expect("sessions").iter();
        let of_user = sessions.filter(|one| one["attributes"] == json!([["user", user]]));
        of_user.map(|one| one["revoked"].as_str().unwrap_or("not").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((by("ann"), by("bob")), (vec!["user".to_owned(); 2], vec!["not".to_owned()]));
}
