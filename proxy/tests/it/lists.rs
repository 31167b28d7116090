//! What is said of lists at run time: by the command line, at every POP, until it ends.

use serde_json::Value;

use crate::cluster;
use crate::support::{DEADLINE, Edge, Origin, eventually, get};

const LISTS: &str = r#"
[list.office]
kind = "addresses"
items = ["192.0.2.0/24", "198.51.100.1"]
[list.agents]
kind = "strings"
[list.words]
kind = "needles"
items = ["select"]
"#;

async fn json(edge: &Edge, words: &[&str]) -> Value {
    let (code, text, error) = edge.command(&[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn elements_are_put_in_and_taken_out_and_shown() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LISTS).await;
    let lists = json(&edge, &["lists", "ls"]).await;
    let all: Vec<_> =
        lists.as_array().unwrap().iter().map(|list| (&list["name"], &list["kind"], &list["base"])).collect();
    assert_eq!(
        all,
        [
            (&"office".into(), &"addresses".into(), &2.into()),
            (&"agents".into(), &"strings".into(), &0.into()),
            (&"words".into(), &"needles".into(), &1.into()),
        ]
    );
    let (code, text, error) = edge.command(&["lists", "add", "office", "203.0.113.9", "--for", "1h"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(text.starts_with("203.0.113.9/32  in  by local at "), "{text}");
    json(&edge, &["lists", "rm", "office", "192.0.2.9", "--for", "10m"]).await;
    let office = json(&edge, &["lists", "show", "office"]).await;
    let said = |at: usize| (&office["entries"][at]["element"], &office["entries"][at]["present"]);
    assert_eq!((said(0), said(1)), ((&"192.0.2.9/32".into(), &false.into()), (&"203.0.113.9/32".into(), &true.into())));
    let entry = &office["entries"][1];
    assert_eq!(entry["until"].as_u64().unwrap() - entry["made_at"].as_u64().unwrap(), 3_600_000);
    let (_, text, _) = edge.command(&["lists", "show", "office"]).await;
    assert!(text.contains("2 elements of no file, 2 said at run time") && text.contains("192.0.2.9/32  out"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_in_a_list_is_refused() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LISTS).await;
    for (words, wrong) in [
        (["lists", "add", "office", "192.0.2.0/25"], "not the network of one client"),
        (["lists", "add", "office", "here"], "neither an address nor a network"),
        (["lists", "rm", "words", "select"], "cannot be changed at run time"),
        (["lists", "add", "agents", ""], "1 to 128 bytes"),
        (["lists", "add", "nobody", "x"], "there is no list \"nobody\"; there are: office, agents, words"),
    ] {
        let (code, _, error) = edge.command(&words).await;
        assert_eq!(code, 1, "{words:?}");
        assert!(error.contains(wrong), "{words:?}: {error}");
    }
    let (code, _, error) = edge.command(&["lists", "add", "agents", "x", "--for", "0s"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("for some time"), "{error}");
}

#[tokio::test]
async fn counters_are_shown_by_key_and_pop() {
    let origin = Origin::fixed("", "x").await;
    let counter =
        "[[counter]]\nname = \"seen\"\nkey = [\"client.net\"]\nwindow = \"10m\"\nwhen = 'request.path == \"/a\"'\n";
    let edge = Edge::before(&origin.url(), counter).await;
    for path in ["/a", "/a", "/b"] {
        get(edge.address(), "test", path).await;
    }
    let seen = json(&edge, &["counters", "show", "seen", "127.0.0.1"]).await;
    assert_eq!((&seen["keys"], &seen["window_ms"]), (&1.into(), &600_000.into()));
    let key = &seen["top"][0];
    assert_eq!(
        (&key["count"], &key["rows"][0]["pop"], &key["rows"][0]["count"]),
        (&2.into(), &"local".into(), &2.into())
    );
    let (_, text, _) = edge.command(&["counters", "show", "seen"]).await;
    assert!(text.contains("the last 600 s  1 keys") && text.contains("2  (remembered: local 2)"), "{text}");
    let (code, _, error) = edge.command(&["counters", "show", "unseen"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("there is no counter \"unseen\"; there are: seen"), "{error}");
    let (code, _, error) = edge.command(&["counters", "show", "seen", "here"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("here"), "{error}");
}

#[tokio::test]
async fn what_is_said_at_one_pop_holds_at_the_other_and_names_its_author() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams"], "");
    for pop in ["fra", "ams"] {
        let file = folder.path().join(pop).join("selvedge.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{config}\n{LISTS}")).unwrap();
    }
    let (fra, ams) = (cluster::start(folder.path(), "fra").await, cluster::start(folder.path(), "ams").await);
    json(&fra, &["lists", "add", "agents", "curl/8"]).await;
    let entry = eventually(DEADLINE, async || {
        let list = json(&ams, &["lists", "show", "agents"]).await;
        list["entries"].get(0).cloned().ok_or(list.to_string())
    })
    .await;
    assert_eq!(
        (&entry["element"], &entry["present"], &entry["made_by"]),
        (&"curl/8".into(), &true.into(), &"fra".into())
    );
    json(&ams, &["lists", "rm", "agents", "curl/8"]).await;
    eventually(DEADLINE, async || {
        let list = json(&fra, &["lists", "show", "agents"]).await;
        if list["entries"][0]["present"] == false { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
}
