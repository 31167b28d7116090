//! The command line: what it says and how it ends.

use crate::cluster::plan_of;
use crate::support::{Edge, Origin, get, program};

async fn run(words: &[&str]) -> (i32, String, String) {
    let output = program().args(words).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("selvedge.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

const GOOD: &str =
    "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n";

#[tokio::test]
async fn a_good_config_is_called_good() {
    let (_folder, path) = file(GOOD);
    let (code, text, _) = run(&["check", &path]).await;
    assert_eq!((code, text), (0, format!("{path}: ok (1 sites, 1 origins, 0 rules, 0 limits, 0 tests)\n")));
    let (code, text, _) = run(&["check", &path, "--json"]).await;
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["ok"], true);
}

#[tokio::test]
async fn a_limit_that_is_less_precise_than_it_looks_is_warned_of() {
    let (_folder, path) =
        file(&format!("{GOOD}[[limit]]\nname = \"fast\"\nkey = []\nrate = \"10000/1s\"\nburst = 1\n"));
    let (code, text, _) = run(&["check", &path]).await;
    assert!(code == 0 && text.contains("warning: ") && text.contains("limit \"fast\""), "{text}");
    let (_, text, _) = run(&["check", &path, "--json"]).await;
    let warnings = &serde_json::from_str::<serde_json::Value>(&text).unwrap()["warnings"];
    assert_eq!(warnings.as_array().map(Vec::len), Some(1), "{text}");
}

/// Each POP of a roster has its part of the burst.
#[tokio::test]
async fn a_burst_of_which_a_pop_has_less_than_a_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let limit = |burst: u8| {
        format!("[[limit]]\nname = \"few\"\nkey = []\nrate = \"9/1m\"\nburst = {burst}\nclass = \"strict\"\n")
    };
    plan_of(folder.path(), "http://127.0.0.1:1", &["one", "two", "three"], &limit(2));
    let file = folder.path().join("one/selvedge.toml");
    let path = file.display().to_string();
    let (code, _, error) = run(&["check", &path]).await;
    assert_eq!(code, 78);
    assert!(
        error.contains("selvedge.toml:") && error.contains("limit few: `strict`") && error.contains("3 POPs"),
        "{error}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&limit(2), &limit(3))).unwrap();
    assert_eq!(run(&["check", &path]).await.0, 0);
}

#[tokio::test]
async fn a_mistake_is_answered_with_place_cause_and_suggestion_and_78() {
    let (_folder, path) = file(&GOOD.replace("origin = \"app\"", "origin = \"ap\""));
    for words in [vec!["check", &path], vec!["run", "--config", &path]] {
        let (code, _, error) = run(&words).await;
        assert_eq!(code, 78);
        assert!(error.contains("selvedge.toml:6:") && error.contains("app"), "{error}");
    }
    let (code, text, _) = run(&["check", &path, "--json"]).await;
    assert_eq!(code, 78);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["problems"][0]["line"], 6);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named_and_78() {
    let (_folder, path) = file(
        &GOOD.replace("[origin", "https = [{ address = \"127.0.0.1:0\", certificates = [\"gone.pem\"] }]\n[origin"),
    );
    let (code, _, error) = run(&["check", &path]).await;
    assert_eq!(code, 78);
    assert!(error.contains("gone.pem"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_socket_is_69_and_says_which() {
    let (code, _, error) = run(&["status", "--socket", "/nonexistent/admin.sock"]).await;
    assert_eq!(code, 69);
    assert!(error.contains("/nonexistent/admin.sock"), "{error}");
    let (code, text, _) = run(&["status", "--json", "--socket", "/nonexistent/admin.sock"]).await;
    assert_eq!(code, 69);
    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["error"].is_string());
}

#[tokio::test]
async fn a_file_where_the_admin_socket_should_be_is_left_alone() {
    let (folder, path) = file(&format!("{GOOD}[admin]\nsocket = \"selvedge.toml\"\n"));
    let (code, _, error) = run(&["run", "--config", &path]).await;
    assert_eq!(code, 1);
    assert!(error.contains("no socket"), "{error}");
    assert!(folder.path().join("selvedge.toml").exists());
}

#[tokio::test]
async fn the_schema_is_printed() {
    let (code, text, _) = run(&["schema"]).await;
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["properties"]["limit"].is_object());
}

#[tokio::test]
async fn a_wrong_use_is_2() {
    let (code, _, error) = run(&["stats"]).await;
    assert_eq!(code, 2);
    assert!(error.contains("status"), "clap suggests: {error}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_folder, path) = file(&format!("{}[admin]\nsocket = \"admin.sock\"\n", GOOD.replace("127.0.0.1:0", &address)));
    let (code, _, error) = run(&["run", "--config", &path]).await;
    assert_eq!(code, 1);
    assert!(error.contains(&address), "{error}");
}

#[tokio::test]
async fn status_tells_what_runs_and_a_request_to_end_is_obeyed() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    get(edge.address(), "test", "/").await;
    let (code, text, _) = edge.command(&["status"]).await;
    assert_eq!(code, 0);
    assert!(text.contains("local  selvedge") && text.contains("cache 1 objects") && text.contains("alone"), "{text}");
    let (_, text, _) = edge.command(&["status", "--json"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["cache"]["objects"], 1);
    let log = edge.folder.path().join("access.log");
    let lines = crate::support::eventually(crate::support::DEADLINE, async || {
        std::fs::read_to_string(&log).ok().filter(|lines| lines.ends_with('\n')).ok_or("no line".to_owned())
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["url.path"], &line["http.response.status_code"], &line["cache"]),
        (&"/".into(), &200.into(), &"miss".into())
    );
    assert_eq!(edge.terminate().await, Some(0));
}

#[tokio::test]
async fn one_origin_is_served_without_a_config() {
    let origin = Origin::fixed("", "plain").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let mut child = program()
        .args(["run", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--socket"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status: selvedge::admin::report::Status = crate::support::eventually(crate::support::DEADLINE, async || {
        selvedge::admin::get(&socket, "/v1/status").await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(get(status.listening[0], "any.example", "/").await.text(), "plain");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_made_by_init_and_each_config_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pops");
    let words = ["init", "--pops", "fra,ams,nyc", "--out", out.to_str().unwrap()];
    let (code, text, error) = run(&words).await;
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("selvedge run --config"), "{text}");
    for pop in ["fra", "ams", "nyc"] {
        let config = out.join(pop).join("selvedge.toml");
        let (code, _, error) = run(&["check", config.to_str().unwrap()]).await;
        assert_eq!(code, 0, "{error}");
    }
    let (code, _, error) = run(&words).await;
    assert_eq!(code, 1, "nothing is overwritten");
    assert!(error.contains("is there already"), "{error}");
}

#[tokio::test]
async fn the_tour_holds() {
    let (code, text, error) = run(&["demo", "--tour", "--json"]).await;
    assert_eq!(code, 0, "{text}\n{error}");
    let scenes: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(scenes.as_array().unwrap().len(), 5);
}
