//! `selvedge cache show`: what is stored of a URL at each POP, and why.

use serde_json::{Value, json};

use crate::cluster::{plan_of, start};
use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_with};

const HOST: &str = "www.example.com";

/// The CLI of an edge, its JSON.
async fn shown(edge: &Edge, words: &[&str]) -> Value {
    let (code, said, error) = edge.command(&[&["cache", "show", "--json"][..], words].concat()).await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    serde_json::from_str(&said).expect("JSON")
}

#[tokio::test]
async fn show_tells_what_is_stored_and_why() {
    let fields = "Cache-Control: max-age=600, stale-if-error=60\r\nVary: Accept-Language\r\nSurrogate-Key: news\r\nX-Tags: more\r\nCache-Groups: \"g\"\r\n";
    let origin = Origin::fixed(fields, "some").await;
    let policy = "[pop]\nname = \"fra\"\n[[cache]]\nname = \"c\"\nttl_max = \"1m\"\n\
        key = { query = { only = [\"id\"] }, headers = [\"x-device\"] }\ntags = [\"x-tags\"]\n";
    let edge = Edge::before(&origin.url(), policy).await;
    let nothing = shown(&edge, &["http://www.example.com/a?id=1"]).await;
    assert_eq!((&nothing["at"][0]["pop"], &nothing["at"][0]["stored"]), (&json!("fra"), &json!([])));
    for more in ["Accept-Language: de\r\n", "Accept-Language: en\r\n", "Accept-Language: en\r\nX-Device: a\r\n"] {
        get_with(edge.address(), HOST, "/a?id=1&x=2", more).await;
    }
    get(edge.address(), HOST, "/b?id=1").await;
    let url = "http://www.example.com/a?y=3&id=1";
    let all = shown(&edge, &[url, "--header", "Accept-Language: en", "--header", "x-device: a"]).await;
    let at = &all["at"][0];
    assert_eq!((&at["policy"]["name"], &at["bypass"], &at["filling"]), (&json!("c"), &json!(null), &json!(0)));
    let stored = at["stored"].as_array().expect("stored responses");
    let chosen: Vec<bool> = stored.iter().map(|stored| stored["chosen"] == true).collect();
    assert_eq!(chosen, [true, false, false], "{all}");
    for stored in stored {
        assert_eq!(stored["vary"], json!(["accept-language", "x-device"]));
        assert_eq!((&stored["tags"], &stored["groups"]), (&json!(["news", "more"]), &json!(["g"])));
        assert_eq!(
            (&stored["because"], &stored["policy"], &stored["status"]),
            (&json!("ttl_max"), &json!("c"), &json!(200))
        );
        assert!(stored["fresh_s"].as_i64().is_some_and(|left| (30..=60).contains(&left)), "{stored}");
        assert_eq!((&stored["stale_if_error_s"], &stored["purged"]), (&json!(60), &json!(null)));
    }
    let (code, page, _) = edge.command(&["cache", "show", url]).await;
    assert!(code == 0 && page.starts_with("fra  3 stored   policy c ("), "{page}");
    assert!(page.contains(" s (ttl_max, policy c)\n") && page.contains("\n      tags  news more\n"), "{page}");
    for (words, reach) in [(&["purge", "--tag", "more", "--soft"][..], "soft"), (&["purge", "--tag", "more"], "hard")] {
        assert_eq!(edge.command(words).await.0, 0);
        let purged = shown(&edge, &[url]).await;
        assert_eq!(purged["at"][0]["stored"][0]["purged"], json!(reach), "{purged}");
    }
    let (code, _, error) = edge.command(&["cache", "show", "/a"]).await;
    assert!(code == 1 && error.contains("is no URL"), "{error}");
}

#[tokio::test]
async fn every_pop_says_what_it_has_and_one_that_does_not_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: max-age=600\r\n", "some").await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], "");
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    eventually(DEADLINE, async || match one.status().await.cluster.unwrap().heard {
        2 => Ok(()),
        heard => Err(format!("{heard} heard")),
    })
    .await;
    get(two.address(), HOST, "/a?b=c%20d").await;
    let url = "http://www.example.com/a?b=c%20d";
    let all = shown(&one, &[url]).await;
    let counts = |at: usize| (&all["at"][at]["pop"], all["at"][at]["stored"].as_array().map(Vec::len));
    assert_eq!((counts(0), counts(1)), ((&json!("one"), Some(0)), (&json!("two"), Some(1))), "{all}");
    assert_eq!(all["at"][1]["stored"][0]["because"], json!("max-age"));
    drop(two.kill().await);
    let (code, page, _) = one.command(&["cache", "show", url]).await;
    assert!(code == 1 && page.starts_with("one  nothing is stored\nMISSING  two  "), "{page}");
}
