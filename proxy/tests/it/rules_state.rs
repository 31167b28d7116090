//! Rules that read and write what the POPs share: bans, lists, counters, uniques; and the phases around a request.

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::cluster;
use crate::support::client::connect_from;
use crate::support::mmdb::{database, v4};
use crate::support::{Answer, DEADLINE, Edge, Origin, base64, eventually, get, get_from, get_with, metrics, talk};

async fn login(edge: &Edge, user: &str) -> Answer {
    let body = format!("user={user}&password=x");
    let say = format!(
        "POST /login HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Answer::parse(&talk(edge.address(), say.as_bytes()).await).unwrap()
}

#[tokio::test]
async fn a_client_that_tries_many_users_is_banned() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[[unique]]
name = "login-users"
of = 'request.form("user")'
when = 'request.method == "POST" && request.path == "/login"'
key = ["client.net"]
window = "10m"
[[rule]]
name = "stuffing"
when = 'uniques("login-users", client.net, "10m") > 5'
do = { ban = { for = "15m" }, tag = "stuffing", deny = 403 }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    for _ in 0..20 {
        assert_eq!(login(&edge, "ann").await.status, 200, "one user, often");
    }
    let mut refused = None;
    for n in 0..20 {
        if login(&edge, &format!("user{n}")).await.status == 403 {
            refused = Some(n);
            break;
        }
    }
    assert!(matches!(refused, Some(4..=7)), "an estimate, of five: {refused:?}");
    let answer = get(edge.address(), "test", "/").await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("This client is banned for another "));
    assert_eq!(get_from(2, edge.address(), "/").await.status, 200, "another client");
    let (_, bans, _) = edge.command(&["bans", "ls"]).await;
    assert!(bans.contains("rule:stuffing"), "{bans}");
}

#[tokio::test]
async fn a_list_element_ends_by_itself() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[list.guests]
kind = "addresses"
[[rule]]
name = "out"
when = 'request.path == "/leave"'
do = { list_remove = { list = "guests", value = 'client.ip', for = "1h" } }
[[rule]]
name = "in"
when = 'request.path == "/enter"'
do = { list_add = { list = "guests", value = 'client.ip', for = "500ms" } }
[[rule]]
name = "guests-only"
when = 'request.path == "/party" && !(client.ip in lists.guests)'
do = { deny = 403 }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    assert_eq!(get(edge.address(), "test", "/party").await.status, 403);
    get(edge.address(), "test", "/enter").await;
    eventually(DEADLINE, async || {
        get(edge.address(), "test", "/enter").await;
        let status = get(edge.address(), "test", "/party").await.status;
        if status == 200 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    eventually(DEADLINE, async || {
        let status = get(edge.address(), "test", "/party").await.status;
        if status == 403 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    get(edge.address(), "test", "/leave").await;
    get(edge.address(), "test", "/enter").await;
    assert_eq!(get_from(2, edge.address(), "/party").await.status, 403);
}

#[tokio::test]
async fn a_token_opens_a_path() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("staff.key");
    let secret = "a secret of more than thirty-two bytes";
    std::fs::write(&key, secret).unwrap();
    let rules = format!(
        r#"
[jwt.staff]
keys = "{}"
algorithms = ["HS256"]
claims = {{ sub = "string" }}
[[rule]]
name = "staff-only"
when = 'request.path.startsWith("/admin/") && !jwt.staff.valid'
do = {{ deny = 401, set_response_headers = {{ www-authenticate = '"Bearer error=\"" + jwt.staff.error + "\""' }} }}
[[rule]]
name = "who"
when = 'jwt.staff.valid'
do = {{ set_request_headers = {{ x-user = 'jwt.staff.claims.sub' }}, remove_request_headers = ["authorization"] }}
"#,
        key.display()
    );
    let edge = Edge::before(&origin.url(), &rules).await;
    let answer = get(edge.address(), "test", "/%61dmin/x").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, r#"Bearer error="missing""#));
    // {"alg":"HS256"}.{"sub":"ada"}
    let message = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ";
    let signature =
        ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    let bearer = format!("Authorization: Bearer {message}.{}\r\n", base64(signature.as_ref()));
    assert_eq!(get_with(edge.address(), "test", "/admin/x", &bearer).await.status, 200);
    let seen = &origin.seen()[0];
    assert_eq!((seen.header("x-user"), seen.header("authorization")), (Some("ada"), None));
    let forged = bearer.replace(message, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJldmUifQ");
    assert_eq!(get_with(edge.address(), "test", "/admin/x", &forged).await.status, 401);
}

#[tokio::test]
async fn a_country_is_refused() {
    let origin = Origin::fixed("", "x").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country.mmdb");
    let country = |code: &str| json!({ "country": { "iso_code": code } });
    let records = [(v4([127, 0, 0, 2], 32), country("NL")), (v4([127, 0, 0, 1], 32), country("DE"))];
    let records: Vec<_> = records.iter().map(|(bits, record)| (bits.as_str(), record.clone())).collect();
    std::fs::write(&path, database(4, &records)).unwrap();
    let rules = format!(
        "[geoip]\ncountry = \"{}\"\n[[rule]]\nname = \"no-nl\"\nwhen = 'client.country == \"NL\"'\ndo = {{ deny = 451 }}\n",
        path.display()
    );
    let edge = Edge::before(&origin.url(), &rules).await;
    assert_eq!(get_from(1, edge.address(), "/").await.status, 200);
    assert_eq!(get_from(2, edge.address(), "/").await.status, 451);
    assert_eq!(get_from(3, edge.address(), "/").await.status, 200, "nowhere");
}

#[tokio::test]
async fn responses_are_counted_whoever_makes_them_and_rules_read_the_counts() {
    let origin = Origin::start(|request| async move {
        let status = if request.path() == "/" { "200 OK" } else { "404 Not Found" };
        format!("HTTP/1.1 {status}\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
            .into_bytes()
    })
    .await;
    let rules = r#"
[[counter]]
name = "not-found"
when = 'response.status == 404'
key = ["client.net"]
window = "10m"
[[rule]]
name = "probes"
when = 'request.path == "/wp"'
do = { deny = 404 }
[[rule]]
name = "scanner"
when = 'count("not-found", "10m") >= 4'
do = { deny = 429 }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    let mut statuses = Vec::new();
    // From the origin, from the cache twice, from the edge itself, and not any more.
    for path in ["/a", "/a", "/a", "/", "/wp", "/a", "/"] {
        statuses.push(get(edge.address(), "test", path).await.status);
    }
    assert_eq!(statuses, [404, 404, 404, 200, 404, 429, 429]);
    assert_eq!(get_from(2, edge.address(), "/").await.status, 200);
}

#[tokio::test]
async fn a_connection_is_closed_before_anything_is_said() {
    let origin = Origin::fixed("", "x").await;
    let rules = r#"
[list.crawlers]
kind = "addresses"
items = ["127.0.0.2"]
[[rule]]
name = "crawlers"
phase = "connection"
when = 'client.ip in lists.crawlers'
do = { deny = 403 }
[[rule]]
name = "watched"
phase = "connection"
mode = "monitor"
do = { deny = 403 }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    let mut stream = connect_from(2, edge.address()).await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(heard.is_empty(), "nothing was said, and nothing answered");
    assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    let text = metrics(&edge).await;
    assert!(text.contains(r#"selvedge_connections_denied_total{rule="crawlers"} 1"#), "{text}");
    assert!(text.contains(r#"{action="deny",mode="monitor",rule="watched"} 1"#), "the first one ended them: {text}");
    assert!(!text.contains(r#"selvedge_connections_denied_total{rule="watched"}"#), "{text}");
    // What is said of the list at run time holds for the next connection.
    edge.command(&["lists", "rm", "crawlers", "127.0.0.2"]).await;
    assert_eq!(get_from(2, edge.address(), "/").await.status, 200);
    drop(TcpStream::connect(edge.address()).await.unwrap());
}

#[tokio::test]
async fn what_a_rule_does_at_one_pop_holds_at_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[list.friends]
kind = "strings"
[[rule]]
name = "befriend"
when = 'request.path == "/befriend"'
do = { list_add = { list = "friends", value = 'request.headers["x-name"]', for = "1h" } }
[[rule]]
name = "friends-only"
when = 'request.path == "/inner" && !(request.headers["x-name"] in lists.friends)'
do = { deny = 401 }
[[rule]]
name = "trap"
when = 'request.path == "/trap"'
do = { ban = { for = "1h" }, deny = 404 }
"#;
    cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams"], "");
    for pop in ["fra", "ams"] {
        let file = folder.path().join(pop).join("selvedge.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{config}\n{rules}")).unwrap();
    }
    let (fra, ams) = (cluster::start(folder.path(), "fra").await, cluster::start(folder.path(), "ams").await);
    let inner = async || get_with(ams.address(), "test", "/inner", "X-Name: ada\r\n").await.status;
    assert_eq!(inner().await, 401);
    get_with(fra.address(), "test", "/befriend", "X-Name: ada\r\n").await;
    eventually(DEADLINE, async || match inner().await {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(get_from(2, fra.address(), "/trap").await.status, 404);
    eventually(DEADLINE, async || match get_from(2, ams.address(), "/").await.status {
        403 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(get_from(3, ams.address(), "/").await.status, 200);
}
