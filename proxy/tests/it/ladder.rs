//! The bans of a client, step by step: how `bans history` tells them, here and at another POP.

use serde_json::Value;

use crate::overrides::{json, shown, two};
use crate::support::{DEADLINE, Edge, Origin, eventually, get_from};

/// Bans of which the first is over at once.
const LIMIT: &str = r#"
[[limit]]
name = "api"
key = ["client.net"]
rate = "1/1h"
burst = 1
penalty = { after = 2, within = "10m", ban = ["10ms", "1h", "2h"] }
"#;

/// Requests of a client until it is banned at a level; the history that says so.
async fn banned_at(edge: &Edge, client: u8, level: u8) -> Value {
    eventually(DEADLINE, async || {
        get_from(client, edge.address(), "/").await;
        let history = json(edge, &["bans", "history", &format!("127.0.0.{client}")]).await;
        let last = &history[0]["steps"][0]["ban"]["level"];
        if *last == level { Ok(history[0].clone()) } else { Err(history.to_string()) }
    })
    .await
}

fn levels(history: &Value) -> Vec<u64> {
    history["steps"].as_array().unwrap().iter().map(|step| step["ban"]["level"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_client_goes_up_the_ladder_and_both_pops_tell_it() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let (fra, ams) = two(folder.path(), &origin, LIMIT).await;
    assert_eq!(fra.command(&["bans", "history"]).await.1, "no bans are remembered\n");
    let history = banned_at(&fra, 7, 1).await;
    assert_eq!(levels(&history), [1, 0]);
    assert_eq!((&history["in_force"], &history["next_ms"]), (&true.into(), &7_200_000.into()));
    assert_eq!(history["steps_ms"], serde_json::json!([10, 3_600_000, 7_200_000]));
    let last = &history["steps"][0];
    assert_eq!(
        (&last["by"], &last["ban"]["made_by"], &last["lifted_at"]),
        (&"limit:api".into(), &"fra".into(), &Value::Null)
    );
    let until = last["ban"]["until"].as_u64().unwrap();
    assert_eq!(history["remembered_until"].as_u64().unwrap() - until, 24 * 3_600_000);
    let words = ["bans", "history", "127.0.0.7"];
    shown(&ams, &words, |all| all[0]["steps"][0]["ban"]["until"] == until).await;
    json(&ams, &["bans", "rm", "127.0.0.7"]).await;
    let lifted = shown(&fra, &words, |all| all[0]["steps"][0]["lifted_by"] == "ams").await;
    assert_eq!(
        (levels(&lifted[0]), &lifted[0]["in_force"], &lifted[0]["next_ms"]),
        (vec![1, 0], &false.into(), &Value::Null)
    );
    let text = fra.command(&words).await.1;
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("127.0.0.7/32  level 1  lifted at ams ")
            && lines[0].contains("by limit:api, made at fra "),
        "{text}"
    );
    assert!(lines[1].starts_with("  before  level 0  over since ") && lines.len() == 2, "{text}");
}

#[tokio::test]
async fn bans_of_operators_are_told_and_an_unknown_subject_is_an_error() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    json(&edge, &["bans", "add", "127.0.0.8", "--for", "1h", "--reason", "scraper"]).await;
    let history = json(&edge, &["bans", "history"]).await;
    let step = &history[0]["steps"][0];
    assert!(step["by"].is_null() && history[0]["next_ms"].is_null() && step["ban"]["reason"] == "scraper", "{history}");
    banned_at(&edge, 9, 1).await;
    let text = edge.command(&["bans", "history", "127.0.0.9"]).await.1;
    assert!(text.starts_with("127.0.0.9/32  level 1  in force until ") && text.contains("by limit:api"), "{text}");
    assert!(
        text.contains("bans of that limit last 0.01 s, 3600 s, 7200 s; the next one 7200 s, if it comes before "),
        "{text}"
    );
    let (code, _, error) = edge.command(&["bans", "history", "here"]).await;
    assert_eq!((code, error.as_str()), (1, "error: \"here\" is neither an address nor a network\n"));
}
