//! What operators say of one key of a limit: at one POP, and so at every other.

use serde_json::Value;

use crate::cluster;
use crate::support::{DEADLINE, Edge, Origin, eventually, get_from, metrics};

const LIMIT: &str = r#"
[[limit]]
name = "api"
key = ["client.net"]
rate = "6/1h"
burst = 3
"#;

/// A flood: of so many requests of a client, how many pass.
async fn passes(edge: &Edge, client: u8, of: usize) -> usize {
    let mut passed = 0;
    for _ in 0..of {
        passed += usize::from(get_from(client, edge.address(), "/").await.status == 200);
    }
    passed
}

pub(crate) async fn json(edge: &Edge, words: &[&str]) -> Value {
    let (code, text, error) = edge.command(&[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{words:?}: {error}");
    serde_json::from_str(&text).unwrap()
}

/// Waits until a limit is shown as it is to be.
pub(crate) async fn shown(edge: &Edge, words: &[&str], is: impl Fn(&Value) -> bool) -> Value {
    eventually(DEADLINE, async || {
        let found = json(edge, words).await;
        if is(&found) { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

/// Two POPs that hear each other.
pub(crate) async fn two(folder: &std::path::Path, origin: &Origin, limit: &str) -> (Edge, Edge) {
    cluster::plan_of(folder, &origin.url(), &["fra", "ams"], limit);
    let (fra, ams) = (cluster::start(folder, "fra").await, cluster::start(folder, "ams").await);
    for edge in [&fra, &ams] {
        shown(edge, &["status"], |status| {
            status["cluster"]["standing"] == "settled" && status["cluster"]["heard"] == 2
        })
        .await;
    }
    (fra, ams)
}

#[tokio::test]
async fn what_is_said_at_one_pop_is_in_force_at_the_other_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, LIMIT).await;
    let said = ["limits", "set", "api", "127.0.0.7", "--rate", "1/31d", "--burst", "1", "--for", "1h"];
    let (code, text, error) = fra.command(&said).await;
    assert_eq!(code, 0, "{error}");
    assert!(text.starts_with("api 127.0.0.7: 1/31d burst 1, by fra at "), "{text}");
    let status = shown(&ams, &["status"], |status| status["overrides"][0]["key"][0] == "127.0.0.7").await;
    let held = &status["overrides"][0];
    assert_eq!((&held["limit"], &held["burst"], &held["made_by"]), (&"api".into(), &1.into(), &"fra".into()));
    assert_eq!(held["until"].as_u64().unwrap() - held["made_at"].as_u64().unwrap(), 3_600_000);
    assert_eq!((passes(&ams, 7, 5).await, passes(&ams, 8, 5).await), (1, 3));
    let (_, text, _) = ams.command(&["status"]).await;
    assert!(text.contains("limit override api 127.0.0.7: 1/31d burst 1, by fra"), "{text}");
    let (_, text, _) = ams.command(&["limits", "show", "api"]).await;
    assert!(text.contains("  override api 127.0.0.7: 1/31d") && text.contains("  2 keys  "), "{text}");
    let (_, text, error) = ams.command(&["explain", "GET", "http://test/", "--client-ip", "127.0.0.7"]).await;
    assert!(text.contains("REFUSES  1/31d burst 1, level 1.0 of 1, room again"), "{text}{error}");
    assert!(metrics(&ams).await.contains("selvedge_limit_overrides{limit=\"api\"} 1\n"));
    // It knows a client by hash as well.
    let hash = format!("#{}", held["hash"].as_str().unwrap());
    json(&ams, &["limits", "set", "api", &hash, "--unlimited", "--for", "8h"]).await;
    shown(&fra, &["limits", "show", "api"], |limit| limit["overrides"][0]["rate"].is_null()).await;
    assert_eq!(passes(&fra, 7, 9).await, 9);
    let (_, text, error) = fra.command(&["explain", "GET", "http://test/", "--client-ip", "127.0.0.7"]).await;
    assert!(text.contains("not for this key"), "{text}{error}");
    let (code, text, _) = fra.command(&["limits", "set", "api", "127.0.0.7", "--clear"]).await;
    assert_eq!((code, text.as_str()), (0, "api 127.0.0.7: as in the config again\n"));
    shown(&ams, &["status"], |status| status["overrides"].is_null()).await;
}

#[tokio::test]
async fn another_number_in_flight_is_said_shown_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let places = "[[limit]]\nname = \"open\"\nkey = [\"client.net\"]\nin_flight = 2\n";
    let (fra, ams) = two(folder.path(), &origin, &format!("{LIMIT}{places}")).await;
    let (code, text, error) =
        fra.command(&["limits", "set", "open", "127.0.0.7", "--in-flight", "0", "--for", "1h"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(text.starts_with("open 127.0.0.7: 0 in flight, by fra at "), "{text}");
    shown(&ams, &["limits", "show", "open"], |limit| limit["overrides"][0]["in_flight"] == 0).await;
    assert_eq!((passes(&ams, 7, 1).await, passes(&ams, 8, 1).await), (0, 1));
    json(&ams, &["limits", "set", "open", "127.0.0.7", "--clear"]).await;
    shown(&fra, &["limits", "show", "open"], |limit| limit["overrides"].as_array().is_some_and(Vec::is_empty)).await;
    assert_eq!(passes(&fra, 7, 1).await, 1);
    for (name, says) in [("open", ["--rate", "1/1s"]), ("api", ["--in-flight", "3"])] {
        let words = ["limits", "set", name, "127.0.0.7", says[0], says[1], "--for", "1h"];
        assert_ne!(fra.command(&words).await.0, 0, "{name} {says:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_reset_at_one_pop_is_let_in_at_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, LIMIT).await;
    assert_eq!(passes(&fra, 7, 5).await, 3);
    let key = ["limits", "show", "api", "127.0.0.7"];
    let before = shown(&ams, &key, |limit| limit["top"][0]["count"] == 3).await;
    assert_eq!((passes(&ams, 7, 2).await, &before["top"][0]["refused"]), (0, &true.into()));
    let (code, text, error) = fra.command(&["limits", "reset", "api", "127.0.0.7"]).await;
    assert_eq!((code, text.as_str(), error.as_str()), (0, "api 127.0.0.7: starts afresh\n", ""));
    let after = shown(&ams, &key, |limit| limit["resets"][0]["key"][0] == "127.0.0.7").await;
    assert_eq!((&after["top"][0]["count"], &after["top"][0]["refused"]), (&0.into(), &false.into()));
    assert_eq!(passes(&ams, 7, 5).await, 3);
    let (_, text, _) = ams.command(&["limits", "show", "api"]).await;
    assert!(text.contains("  api 127.0.0.7: reset at "), "{text}");
    // The hash by which it is counted now leads to it, too.
    let counted_as = format!("#{}", after["resets"][0]["counted_as"].as_str().unwrap());
    json(&ams, &["limits", "reset", "api", &counted_as]).await;
    assert_eq!(passes(&ams, 7, 5).await, 3);
}

#[tokio::test]
async fn top_names_those_that_came_here_and_tells_who_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, LIMIT).await;
    assert_eq!((passes(&fra, 7, 5).await, passes(&fra, 8, 1).await), (3, 1));
    let (code, text, _) = fra.command(&["limits", "top", "api"]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("  127.0.0.7  3 (fra 3)  level ") && lines[0].ends_with("  REFUSED"), "{text}");
    assert!(lines[1].contains("  127.0.0.8  1 (fra 1)") && !lines[1].contains("REFUSED"), "{text}");
    assert_eq!(json(&fra, &["limits", "top", "api", "-n", "1"]).await.as_array().map(Vec::len), Some(1));
    let there = shown(&ams, &["limits", "top", "api"], |top| top.as_array().is_some_and(|top| top.len() == 2)).await;
    assert!(there[0]["key"].is_null() && there[0]["refused"] == true, "{there}");
    let (_, text, _) = ams.command(&["limits", "top", "api"]).await;
    assert!(text.contains("(not seen here)"), "{text}");
    let hash = format!("#{}", there[0]["hash"].as_str().unwrap());
    let (code, text, _) = ams.command(&["limits", "reset", "api", &hash]).await;
    assert_eq!((code, text), (0, format!("api {hash}: starts afresh\n")));
    shown(&fra, &["limits", "show", "api"], |limit| limit["resets"].as_array().is_some_and(|all| all.len() == 1)).await;
    assert_eq!(passes(&fra, 7, 5).await, 3);
}

/// It would refuse every request of the key.
#[tokio::test]
async fn a_burst_that_no_request_fits_is_refused() {
    let origin = Origin::fixed("", "x").await;
    let dear = LIMIT.replace("[[limit]]\n", "[[limit]]\ncost = 'request.path == \"/\" ? 2 : 3'\n");
    let edge = Edge::before(&origin.url(), &dear).await;
    let set = |burst| ["limits", "set", "api", "127.0.0.7", "--rate", "9/1h", "--burst", burst, "--for", "1h"];
    let (code, _, error) = edge.command(&set("1")).await;
    assert!(code == 1 && error.contains("2 never fits a burst of 1: every request would be refused"), "{error}");
    assert_eq!(edge.command(&set("2")).await.0, 0);
}

#[tokio::test]
async fn mistakes_are_told_with_their_cause() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    let (key, long) = ("127.0.0.7", ["--for", "1h"]);
    for (words, expected, wrong) in [
        (
            vec!["limits", "set", "apj", key, "--unlimited", long[0], long[1]],
            1,
            "there is no limit \"apj\"; there are: api; did you mean \"api\"?",
        ),
        (vec!["limits", "set", "api", "--unlimited", long[0], long[1]], 1, "the key has 1 parts (client.net), not 0"),
        (vec!["limits", "set", "api", "here", "--unlimited", long[0], long[1]], 1, "\"here\" is no address"),
        (vec!["limits", "set", "api", "#12", "--unlimited", long[0], long[1]], 1, "\"#12\" is no hash"),
        (vec!["limits", "set", "api", key, "--rate", "100/m", long[0], long[1]], 2, "write \"100/1m\""),
        (vec!["limits", "set", "api", key, "--rate", "100/1m"], 2, "--for <DURATION>"),
        (vec!["limits", "set", "api", key, "--unlimited", "--for", "0s"], 1, "must hold for some time"),
        (vec!["limits", "set", "api", key, long[0], long[1]], 2, "--rate <RATE>|--in-flight <N>|--unlimited|--clear"),
        (vec!["limits", "set", "api", key, "--unlimited", "--burst", "2", long[0], long[1]], 2, "cannot be used with"),
        (vec!["limits", "set", "api", key, "--clear"], 1, "nothing is said of 127.0.0.7 in limit \"api\""),
        (vec!["limits", "reset", "api", key, "x"], 1, "the key has 1 parts (client.net), not 2"),
        (vec!["limits", "top", "other"], 1, "there is no limit \"other\"; there are: api"),
    ] {
        let (code, _, error) = edge.command(&words).await;
        assert_eq!(code, expected, "{words:?}: {error}");
        assert!(error.contains(wrong), "{words:?}: {error}");
    }
}

/// Either admits the whole while it does not hear the other.
#[tokio::test]
async fn how_far_a_limit_was_overshot_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, &format!("{LIMIT}on_partition = \"full\"\n")).await;
    let (_, text, _) = fra.command(&["limits", "show", "api"]).await;
    assert!(text.contains("so far: nothing, since the start"), "{text}");
    json(&fra, &["cluster", "apart"]).await;
    assert_eq!((passes(&fra, 7, 5).await, passes(&ams, 7, 5).await), (3, 3));
    json(&fra, &["cluster", "join"]).await;
    for edge in [&fra, &ams] {
        let limit = shown(edge, &["limits", "show", "api"], |limit| !limit["overshot"].is_null()).await;
        let by = limit["overshot"]["by"].as_f64().unwrap();
        assert!((2.5..=3.0).contains(&by), "three more than the burst, less what drained: {by}");
        assert!(limit["overshot"]["at"].as_u64().is_some_and(|at| at > 0), "{limit}");
        let metrics = metrics(edge).await;
        assert!(
            metrics.contains("selvedge_limit_overshot_requests{limit=\"api\"} 2.")
                || metrics.contains("requests{limit=\"api\"} 3\n"),
            "{metrics}"
        );
    }
    let (_, text, _) = fra.command(&["limits", "show", "api"]).await;
    assert!(text.contains("so far: 2.") || text.contains("so far: 3.00"), "{text}");
}

/// Of one limit that both POPs admit from: what each counted, how late that is known, what that may come to, and what it came to.
#[tokio::test]
async fn an_operator_reads_what_each_pop_counted_and_how_far_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, &format!("{LIMIT}on_partition = \"full\"\n")).await;
    json(&fra, &["cluster", "apart"]).await;
    assert_eq!((passes(&fra, 7, 3).await, passes(&ams, 7, 2).await), (3, 2));
    json(&fra, &["cluster", "join"]).await;
    let show = ["limits", "show", "api", "127.0.0.7"];
    for edge in [&fra, &ams] {
        // A round trip is measured anew with the first message.
        shown(edge, &show, |limit| {
            limit["top"][0]["count"] == 5
                && !limit["overshot"].is_null()
                && limit["bound"]["lag_ms"].as_u64() >= Some(25)
        })
        .await;
        let (code, text, _) = edge.command(&show).await;
        assert_eq!(code, 0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("api  6/1h burst 3  global  converge  enforce  1 keys  ("), "{text}");
        assert!(lines[0].contains("selvedge.toml:"), "{text}");
        let bound = lines[1].strip_prefix("  beyond burst and rate: at most ").unwrap();
        let (slots, rest) = bound.split_once(" by slots of ").unwrap();
        let (slot, lag) = rest.split_once(" ms, and what arrives in ").unwrap();
        assert!(slots.parse::<f64>().unwrap() > 0.0 && slot.parse::<u64>().unwrap() > 0, "{text}");
        assert!(lag.strip_suffix(" ms").unwrap().parse::<u64>().unwrap() >= 25, "a batch waits so long: {text}");
        let (by, since) = lines[2].strip_prefix("  so far: ").unwrap().split_once(", known since ").unwrap();
        assert!((1.5..=2.0).contains(&by.parse::<f64>().unwrap()), "two more than the burst: {text}");
        assert!(since.starts_with("20") && since.ends_with('Z'), "{text}");
        let key = lines[3].strip_prefix("  key #").unwrap();
        let (hash, key) = key.split_once("  ").unwrap();
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert!(key.starts_with("127.0.0.7  5 (fra 3, ams 2)  level 4.") || key.contains("level 5.0"), "{text}");
        assert!(key.ends_with("  REFUSED"), "{text}");
    }
}

/// Who comes back after a ban and does it again is banned for longer, and every POP knows of both.
#[tokio::test]
async fn the_second_ban_is_told_as_such_at_the_other_pop() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let penalty = format!("{LIMIT}penalty = {{ after = 2, within = \"10m\", ban = [\"1s\", \"10m\", \"1h\"] }}\n");
    let (fra, ams) = two(folder.path(), &origin, &penalty).await;
    let history = ["bans", "history", "127.0.0.7"];
    assert_eq!(passes(&fra, 7, 5).await, 3);
    let first = shown(&ams, &history, |all| all[0]["in_force"] == false).await;
    let step = &first[0]["steps"][0]["ban"];
    assert_eq!((&step["level"], &step["made_by"]), (&0.into(), &"fra".into()));
    assert_eq!((&first[0]["next_ms"], first[0]["steps_ms"].as_array().map(Vec::len)), (&600_000.into(), Some(3)));
    let (_, text, _) = ams.command(&history).await;
    assert!(text.starts_with("127.0.0.7/32  level 0  over since ") && !text.contains("  before  "), "{text}");
    // It is the other POP that sees it this time.
    assert_eq!(passes(&ams, 7, 3).await, 0);
    for edge in [&fra, &ams] {
        let second = shown(edge, &history, |all| all[0]["steps"][0]["ban"]["level"] == 1).await;
        let told = &second[0];
        assert_eq!(second.as_array().map(Vec::len), Some(1), "one for each subject: {second}");
        let by = |nth: usize| &told["steps"][nth]["ban"]["made_by"];
        assert_eq!((&told["in_force"], by(0), by(1)), (&true.into(), &"ams".into(), &"fra".into()));
        assert_eq!((&told["steps"][0]["by"], &told["next_ms"]), (&"limit:api".into(), &3_600_000.into()));
        let (_, text, _) = edge.command(&history).await;
        assert!(text.starts_with("127.0.0.7/32  level 1  in force until ") && text.contains("made at ams "), "{text}");
        assert!(text.contains("\n  before  level 0  over since "), "{text}");
    }
}
