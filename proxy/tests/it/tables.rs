//! Lists, databases and keys from files: what they do to requests, and what becomes of them when the files change.
//!
//! A limit with a condition shows whether the condition held: its policy is on the answer, or not.

use std::path::Path;

use serde_json::json;

use crate::support::mmdb::{database, v4};
use crate::support::{Answer, DEADLINE, Edge, Origin, base64, eventually, get, get_with, program};

fn config(origin: &str, sections: &str, when: &str) -> String {
    format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{origin}\"]\n[site.\"*\"]\norigin = \"app\"\n{sections}\n\
         [[limit]]\nname = \"seen\"\nwhen = '{when}'\nkey = [\"client.net\"]\nrate = \"600000/1m\"\nburst = 60000\n"
    )
}

fn held(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200);
    !answer.header("ratelimit-policy").is_empty()
}

/// Waits until the condition holds, or no longer does, for a plain request.
async fn until(edge: &Edge, wanted: bool) {
    eventually(DEADLINE, async || match held(&get(edge.address(), "test", "/").await) == wanted {
        true => Ok(()),
        false => Err(format!("{:?}", edge.status().await.config)),
    })
    .await;
}

fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn a_list_file_is_watched_and_a_bad_one_changes_nothing() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("office.txt");
    std::fs::write(&list, "# offices\n127.0.0.0/8\n").unwrap();
    let section = format!("[list.office]\nkind = \"addresses\"\nfile = \"{}\"\n", list.display());
    let edge = Edge::with(&config(&origin.url(), &section, "client.ip in lists.office")).await;
    assert!(held(&get(edge.address(), "test", "/").await));
    replace(&list, b"192.0.2.0/24\n");
    until(&edge, false).await;
    replace(&list, b"127.0.0.0/8\n127.0.0.1/8\nnowhere\n");
    let error = eventually(DEADLINE, async || edge.status().await.config.last_error.ok_or("no error".to_owned())).await;
    assert!(
        error.contains("office.txt:2: `127.0.0.1/8` has bits set") && error.contains("office.txt:3: `nowhere`"),
        "{error}"
    );
    assert!(!held(&get(edge.address(), "test", "/").await), "the old list goes on");
    // Written in place, in two steps: a half that is wrong is a failure, and the whole is taken in.
    std::fs::write(&list, "127.0.0.").unwrap();
    std::fs::write(&list, "127.0.0.0/8\n").unwrap();
    until(&edge, true).await;
    assert_eq!(edge.status().await.config.last_error, None);
}

#[tokio::test]
async fn a_reload_names_the_files_that_changed() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("paths.txt");
    std::fs::write(&list, "/a\n").unwrap();
    let section = format!("[list.paths]\nkind = \"strings\"\nfile = \"{}\"\n", list.display());
    let edge = Edge::with(&config(&origin.url(), &section, "request.path in lists.paths")).await;
    let revision = edge.status().await.config.revision;
    assert!(!revision.is_empty());
    std::fs::write(&list, "/b\n").unwrap();
    // Whoever is first: the command or the watcher.
    let (code, text, _) = edge.command(&["reload"]).await;
    assert_eq!(code, 0);
    assert!(text.starts_with(&format!("reloaded: revision {revision} -> {revision}\n")), "{text}");
    assert!(held(&get(edge.address(), "test", "/b").await) && !held(&get(edge.address(), "test", "/a").await));
    let log = std::fs::read_to_string(edge.folder.path().join("log")).unwrap();
    assert!(log.contains("config reloaded") && log.contains("paths.txt"), "{log}");
}

#[tokio::test]
async fn a_new_file_beside_the_included_ones_is_noticed() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let more = folder.path().join("conf.d");
    std::fs::create_dir(&more).unwrap();
    let included = format!("include = [\"{}/*.toml\"]\n", more.display());
    let edge = Edge::with(&format!("{included}{}", config(&origin.url(), "", "false"))).await;
    assert!(!held(&get(edge.address(), "test", "/").await));
    let limit = "[[limit]]\nname = \"late\"\nkey = [\"client.net\"]\nrate = \"60000/1m\"\nburst = 6000\n";
    replace(&more.join("late.toml"), limit.as_bytes());
    until(&edge, true).await;
}

#[tokio::test]
async fn another_database_of_places_is_taken_in() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country.mmdb");
    let country = |code: &str| database(4, &[(&v4([127, 0, 0, 0], 8), json!({ "country": { "iso_code": code } }))]);
    std::fs::write(&path, country("DE")).unwrap();
    let section = format!("[geoip]\ncountry = \"{}\"\n", path.display());
    let edge = Edge::with(&config(&origin.url(), &section, r#"client.country == "DE""#)).await;
    assert!(held(&get(edge.address(), "test", "/").await));
    replace(&path, &country("NL"));
    until(&edge, false).await;
}

#[tokio::test]
async fn another_key_ends_what_the_old_one_signed() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("staff.key");
    std::fs::write(&path, SECRETS[0]).unwrap();
    let section = format!(
        "[jwt.staff]\nkeys = \"{}\"\nalgorithms = [\"HS256\"]\nfrom = \"bearer\"\nclaims = {{ sub = \"string\" }}\n",
        path.display()
    );
    let when = r#"jwt.staff.valid && jwt.staff.claims.sub == "ada""#;
    let edge = Edge::with(&config(&origin.url(), &section, when)).await;
    let as_ada = async |secret: &str| {
        let bearer = format!("Authorization: Bearer {}\r\n", token(secret));
        held(&get_with(edge.address(), "test", "/", &bearer).await)
    };
    assert!(as_ada(SECRETS[0]).await && !as_ada(SECRETS[1]).await);
    assert!(!held(&get(edge.address(), "test", "/").await), "no token");
    replace(&path, SECRETS[1].as_bytes());
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    assert!(!as_ada(SECRETS[0]).await && as_ada(SECRETS[1]).await);
}

#[tokio::test]
async fn check_names_every_file_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("office.txt"), "127.0.0.0/8\nnowhere\n").unwrap();
    std::fs::write(folder.path().join("geo.mmdb"), "no database").unwrap();
    let sections = "[list.office]\nkind = \"addresses\"\nfile = \"office.txt\"\n[geoip]\ncountry = \"geo.mmdb\"\n\
                    [jwt.staff]\nkeys = \"gone.json\"\nalgorithms = [\"ES256\"]\nfrom = \"bearer\"\n";
    let path = folder.path().join("selvedge.toml");
    std::fs::write(&path, config("http://127.0.0.1:1", sections, "true")).unwrap();
    let output = program().arg("check").arg(&path).arg("--json").output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(error.lines().count(), 3, "{error}");
    for part in ["office.txt:2: `nowhere` is neither an address nor a network", "database ", "jwt staff: key file "] {
        assert!(error.contains(part), "{error}");
    }
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["problems"][0]["line"], 2, "{said}");
}

const SECRETS: [&str; 2] = ["one secret of more than thirty-two bytes", "another secret of thirty-two bytes or more"];

/// `{"alg":"HS256"}.{"sub":"ada"}`, signed.
fn token(secret: &str) -> String {
    const MESSAGE: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let signature = ring::hmac::sign(&key, MESSAGE.as_bytes());
    format!("{MESSAGE}.{}", base64(signature.as_ref()))
}
