//! Another config while requests are served: what is taken in, what is refused, and what nobody notices.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use selvedge::admin::report::Status;

use crate::support::{DEADLINE, Edge, KeptOpen, Origin, eventually, get, metrics};

const ADMIN: &str = "\n[admin]\nsocket = \"admin.sock\"\nlog = \"access.log\"\n";

fn config(origin: &Origin, more: &str) -> String {
    format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{more}{ADMIN}",
        origin.url()
    )
}

fn limit(rate: &str, burst: u32) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"{rate}\"\nburst = {burst}\n")
}

fn entry(edge: &Edge) -> PathBuf {
    edge.folder.path().join("selvedge.toml")
}

/// Writes beside and renames over, as editors and deployments do.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

async fn until(edge: &Edge, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
    eventually(DEADLINE, async || {
        let status = edge.status().await;
        if holds(&status) { Ok(status) } else { Err(format!("{what}: {:?}", status.config)) }
    })
    .await
}

/// What the answer to a request says of the limit `api`.
async fn policy(edge: &Edge) -> String {
    let answer = get(edge.address(), "test", "/").await;
    // Without whose it is.
    answer.header("ratelimit-policy").split(";pk=").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn counts_survive_another_rate() {
    // Rates by the hour: a slot has ten minutes, and neither rate gives a whole token back when one ends.
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), &limit("5/1h", 5)).await;
    for left in [4, 3, 2] {
        let answer = get(edge.address(), "test", "/").await;
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"api\";r={left};")),
            "{}",
            answer.header("ratelimit")
        );
    }
    std::fs::write(entry(&edge), config(&origin, &limit("4/1h", 5))).unwrap();
    let (code, text, error) = edge.command(&["reload"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(text.starts_with("reloaded: revision "), "{text}");
    let answer = get(edge.address(), "test", "/").await;
    assert!(answer.header("ratelimit-policy").starts_with("\"api\";q=4;w=3600;pk="), "{}", answer.head);
    assert!(answer.header("ratelimit").starts_with("\"api\";r=1;"), "{}", answer.header("ratelimit"));
}

#[tokio::test]
async fn a_bad_config_is_told_everywhere_and_the_old_one_goes_on() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), &limit("6/1m", 5)).await;
    let before = edge.status().await.config;
    std::fs::write(entry(&edge), config(&origin, &limit("sixty", 5))).unwrap();
    let (code, _, error) = edge.command(&["reload"]).await;
    assert_eq!(code, 78);
    assert!(error.contains("sixty") && error.contains("selvedge.toml:") && error.contains("1 problem"), "{error}");
    let (code, text, _) = edge.command(&["reload", "--json"]).await;
    assert_eq!(code, 78);
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(said["problems"][0]["line"].is_u64(), "{text}");
    let status = edge.status().await.config;
    assert_eq!(status.last_error.as_deref(), Some(error.as_str()));
    assert!(status.failed_at >= Some(before.loaded_at));
    assert_eq!((status.revision, status.loaded_at), (before.revision, before.loaded_at));
    let (_, text, _) = edge.command(&["status"]).await;
    assert!(text.contains("RELOAD FAILED") && text.contains("sixty"), "{text}");
    let told = metrics(&edge).await;
    assert!(told.contains("selvedge_config_last_reload_success 0"), "{told}");
    assert!(told.contains("selvedge_config_reloads_total{result=\"failed\"}"), "{told}");
    let log = std::fs::read_to_string(edge.folder.path().join("log")).unwrap();
    assert!(log.contains("config not reloaded") && log.contains("selvedge.toml:"), "{log}");
    assert_eq!(policy(&edge).await, "\"api\";q=6;w=60");

    std::fs::write(entry(&edge), config(&origin, &limit("8/1m", 5))).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    assert_eq!(edge.status().await.config.last_error, None);
    assert!(metrics(&edge).await.contains("selvedge_config_last_reload_success 1"));
    assert_eq!(policy(&edge).await, "\"api\";q=8;w=60");
}

#[tokio::test]
async fn a_hangup_reloads_and_does_not_end_it() {
    let origin = Origin::fixed("", "x").await;
    let mut edge = Edge::before(&origin.url(), "").await;
    let before = edge.status().await.config;
    edge.signal("HUP").await;
    until(&edge, "loaded again", |status| status.config.loaded_at > before.loaded_at).await;
    assert!(edge.lives());
    assert_eq!(edge.terminate().await, Some(0));
}

#[tokio::test]
async fn a_file_that_is_renamed_over_is_noticed_and_one_that_vanishes_changes_nothing() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    replace(&entry(&edge), &config(&origin, &limit("9/1m", 5)));
    eventually(DEADLINE, async || match policy(&edge).await.as_str() {
        "\"api\";q=9;w=60" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
    std::fs::remove_file(entry(&edge)).unwrap();
    until(&edge, "a failure", |status| status.config.last_error.is_some()).await;
    assert_eq!(policy(&edge).await, "\"api\";q=9;w=60");
    std::fs::write(entry(&edge), config(&origin, &limit("10/1m", 5))).unwrap();
    until(&edge, "well again", |status| status.config.last_error.is_none()).await;
    assert_eq!(policy(&edge).await, "\"api\";q=10;w=60");
}

#[tokio::test]
async fn a_link_that_is_turned_to_another_folder_is_noticed() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let turn = |to: &str| {
        let beside = folder.path().join("..data_tmp");
        std::os::unix::fs::symlink(folder.path().join(to), &beside).unwrap();
        std::fs::rename(beside, folder.path().join("..data")).unwrap();
    };
    for (version, rate) in [("1", "6/1m"), ("2", "7/1m")] {
        std::fs::create_dir(folder.path().join(version)).unwrap();
        let text = config(&origin, &limit(rate, 5));
        std::fs::write(folder.path().join(version).join("selvedge.toml"), text).unwrap();
    }
    turn("1");
    std::os::unix::fs::symlink("..data/selvedge.toml", folder.path().join("selvedge.toml")).unwrap();
    let edge = Edge::start(crate::support::edge::Folder::Own(folder)).await;
    assert_eq!(policy(&edge).await, "\"api\";q=6;w=60");
    let crate::support::edge::Folder::Own(folder) = &edge.folder else { panic!("its own folder") };
    let beside = folder.path().join("..data_tmp");
    std::os::unix::fs::symlink(folder.path().join("2"), &beside).unwrap();
    std::fs::rename(beside, folder.path().join("..data")).unwrap();
    eventually(DEADLINE, async || match policy(&edge).await.as_str() {
        "\"api\";q=7;w=60" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_left_as_it_is() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let max = edge.status().await.cache.bytes_max;
    let changed =
        config(&origin, &format!("{}[storage]\nmemory = \"8MiB\"\n[pop]\nname = \"other\"\n", limit("6/1m", 5)))
            .replace(
                "http = [\"127.0.0.1:0\"]",
                "http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nthreads = 3\nidle_timeout = \"7s\"",
            );
    std::fs::write(entry(&edge), &changed).unwrap();
    let (code, text, _) = edge.command(&["reload"]).await;
    assert_eq!(code, 0);
    let keys = ["listen.http", "listen.idle_timeout", "listen.threads", "pop.name", "storage.memory"];
    // `object_max` is an eighth of `memory` unless it is written.
    assert!(
        text.contains("needs a restart: listen.http, listen.idle_timeout, listen.threads, pop.name, storage.memory"),
        "{text}"
    );
    let status = edge.status().await;
    assert!(keys.iter().all(|key| status.config.needs_restart.iter().any(|named| named == key)));
    assert_eq!((status.cache.bytes_max, status.pop.as_str()), (max, "local"));
    assert_eq!(policy(&edge).await, "\"api\";q=6;w=60", "the rest is taken in");
    std::fs::write(entry(&edge), config(&origin, "")).unwrap();
    edge.command(&["reload"]).await;
    assert_eq!(edge.status().await.config.needs_restart, Vec::<String>::new());
}

#[tokio::test]
async fn origins_that_are_configured_the_same_keep_what_is_known_of_them() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "alive").await;
    let dead = "http://127.0.0.1:1";
    let servers = |more: &str| {
        config(&origin, more).replace(
            &format!("[\"{}\"]", origin.url()),
            &format!("[\"{dead}\", \"{}\"]\neject = {{ failures = 1, for = \"10m\" }}", origin.url()),
        )
    };
    let edge = Edge::before(&origin.url(), "").await;
    std::fs::write(entry(&edge), servers("")).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    for _ in 0..3 {
        assert_eq!(get(edge.address(), "test", "/").await.text(), "alive");
    }
    let ejected = |status: Status| status.origins[0].servers.iter().map(|server| server.ejected).collect::<Vec<_>>();
    assert_eq!(ejected(edge.status().await), [true, false]);
    std::fs::write(entry(&edge), servers(&limit("600/1m", 50))).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    assert_eq!(ejected(edge.status().await), [true, false], "the same origin");
    std::fs::write(entry(&edge), servers("").replace("10m", "11m")).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    assert_eq!(ejected(edge.status().await), [false, false], "another one");
}

#[tokio::test]
async fn names_that_are_gone_are_gone_from_the_metrics_and_others_count_on() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), &limit("6/1m", 5)).await;
    get(edge.address(), "test", "/").await;
    let counted = "selvedge_http_requests_total{site=\"*\",status_class=\"2xx\"} 1";
    eventually(DEADLINE, async || {
        let told = metrics(&edge).await;
        if told.contains(counted) { Ok(()) } else { Err(told) }
    })
    .await;
    std::fs::write(entry(&edge), config(&origin, &limit("6/1m", 5).replace("\"api\"", "\"other\""))).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    let told = metrics(&edge).await;
    assert!(told.contains(counted), "{told}");
    assert!(told.contains("limit=\"other\"") && !told.contains("limit=\"api\""), "{told}");
}

#[tokio::test]
async fn without_a_config_file_there_is_nothing_to_reload() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let mut child = crate::support::program()
        .args(["run", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--socket"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually(DEADLINE, async || {
        selvedge::admin::get::<Status>(&socket, "/v1/status").await.map_err(|error| error.to_string())
    })
    .await;
    let error = selvedge::admin::reload(&socket).await.unwrap_err().to_string();
    assert!(error.contains("no config file"), "{error}");
    child.kill().await.unwrap();
}

/// Clients that ask without a pause over kept connections while good and bad configs take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn twenty_reloads_fail_no_request() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "steady").await;
    let edge = Edge::before(&origin.url(), "").await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (to, stop, answered) = (edge.address(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut client = KeptOpen::connect(to).await;
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get("test", "/").await;
                    assert_eq!((answer.status, answer.text().as_str()), (200, "steady"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..20 {
        let (text, expected) = match round % 2 {
            0 => (config(&origin, &limit("600000/1m", 60_000 + round)), 0),
            _ => (config(&origin, &limit("often", 5)), 78),
        };
        replace(&entry(&edge), &text);
        let (code, _, error) = edge.command(&["reload"]).await;
        assert_eq!(code, expected, "{error}");
        let before = answered.load(Ordering::Relaxed);
        eventually(DEADLINE, async || {
            let now = answered.load(Ordering::Relaxed);
            if now > before + 20 { Ok(()) } else { Err(format!("{now} answers, {before} before")) }
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request failed");
    }
}
