//! The worked example of logins, live at two POPs: what fails too often, and whose sessions are over when all of somebody's are revoked.

use std::path::Path;

use crate::cluster::{plan_of, start};
use crate::support::{Answer, DEADLINE, Edge, Origin, base64, eventually, get_with, metrics, talk};

const EXAMPLE: &str = include_str!("../../../conf/examples/login.toml");

/// What the example says beside where it listens and whom it serves.
fn example() -> String {
    let (_, rest) = EXAMPLE.split_once("[challenge]").expect("a challenge");
    let (config, _) = rest.split_once("[[test]]").expect("tests");
    format!("[challenge]{config}").replace("\"keys/", "\"")
}

/// An origin that lets in whoever says `ok`.
async fn origin() -> Origin {
    Origin::start(|request| async move {
        let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
        let status = match (path, query) {
            ("/login" | "/password", "ok") => "303 See Other",
            ("/login" | "/password", _) => "401 Unauthorized",
            _ => "200 OK",
        };
        let fields = "Cache-Control: no-store\r\nContent-Length: 1\r\nConnection: close";
        format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\nx").into_bytes()
    })
    .await
}

/// One of somebody's devices.
#[derive(Clone, Default)]
struct Device {
    cookie: String,
}

impl Device {
    async fn ask(&mut self, edge: &Edge, line: &str, body: &str) -> Answer {
        let cookie =
            if self.cookie.is_empty() { String::new() } else { format!("Cookie: __Host-web={}\r\n", self.cookie) };
        let form = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
        let request = format!("{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{cookie}{form}\r\n{body}");
        let answer = Answer::parse(&talk(edge.address(), request.as_bytes()).await).expect("a whole answer");
        if let Some(rest) = answer.header("set-cookie").strip_prefix("__Host-web=") {
            self.cookie = rest.split(';').next().unwrap_or("").to_owned();
        }
        answer
    }

    async fn login(&mut self, edge: &Edge) {
        assert_eq!(self.ask(edge, "POST /login?ok", "user=Ann&password=x").await.status, 303);
        assert_eq!(self.members(edge).await, 200, "at once");
    }

    async fn members(&mut self, edge: &Edge) -> u16 {
        self.ask(edge, "GET /members/", "").await.status
    }

    /// Waits until it is let in, or is not.
    async fn comes_to(&self, edge: &Edge, status: u16) {
        eventually(DEADLINE, async || match self.clone().members(edge).await {
            come if come == status => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    }
}

async fn pops(folder: &Path, origin: &Origin) -> [Edge; 2] {
    plan_of(folder, &origin.url(), &["one", "two"], &example());
    for name in ["one", "two"] {
        let key = |file: &str| std::fs::write(folder.join(name).join(file), "a secret of thirty-two bytes or more\n");
        key("session.key").and_then(|()| key("challenge.key")).expect("keys");
    }
    let pops = [start(folder, "one").await, start(folder, "two").await];
    for pop in &pops {
        eventually(DEADLINE, async || {
            let heard = pop.status().await.cluster.expect("a cluster").heard;
            if heard == 2 { Ok(()) } else { Err(format!("{heard} heard")) }
        })
        .await;
    }
    pops
}

#[tokio::test]
async fn all_that_somebody_has_is_over_at_every_pop() {
    let (folder, origin) = (tempfile::tempdir().expect("a folder"), origin().await);
    let [one, two] = pops(folder.path(), &origin).await;
    let [mut phone, mut laptop, mut bob] = [Device::default(), Device::default(), Device::default()];
    phone.login(&one).await;
    laptop.login(&two).await;
    assert_eq!(bob.ask(&two, "POST /login?ok", "user=bob&password=x").await.status, 303);
    phone.comes_to(&two, 200).await;
    laptop.comes_to(&one, 200).await;
    // Another password: the device that changed it goes on, under another id.
    let before = laptop.clone();
    assert_eq!(laptop.ask(&two, "POST /password", "password=wrong").await.status, 401);
    assert_eq!((laptop.cookie == before.cookie, laptop.members(&two).await), (true, 200));
    assert_eq!(laptop.ask(&two, "POST /password?ok", "password=y").await.status, 303);
    assert_eq!((laptop.cookie == before.cookie, laptop.members(&two).await), (false, 200));
    assert_eq!([phone.clone().members(&two).await, before.clone().members(&two).await], [303, 303], "here at once");
    phone.comes_to(&one, 303).await;
    laptop.comes_to(&one, 200).await;
    // Who logs in again is let in, and logs out everywhere.
    phone.login(&one).await;
    let over = phone.clone();
    let left = phone.ask(&one, "POST /logout-everywhere", "").await;
    assert_eq!((left.status, left.header("location"), phone.cookie.as_str()), (303, "/login", ""));
    assert_eq!([over.clone().members(&one).await, laptop.clone().members(&one).await], [303, 303], "here at once");
    laptop.comes_to(&two, 303).await;
    over.comes_to(&two, 303).await;
    laptop.login(&two).await;
    laptop.comes_to(&one, 200).await;
    bob.comes_to(&one, 200).await;
    let (here, there) = (metrics(&one).await, metrics(&two).await);
    for text in [&here, &there] {
        let line = "selvedge_session_requests_total{standing=\"revoked_user\"} ";
        assert!(text.lines().any(|known| known.strip_prefix(line).is_some_and(|count| count != "0")), "{text}");
        assert!(text.contains("selvedge_revocations_total{by=\"rule\",what=\"user\"} 1"), "{text}");
        assert!(text.contains("selvedge_revocations{what=\"user\"} 1"), "{text}");
    }
}

#[tokio::test]
async fn who_fails_too_often_is_held_up_at_every_pop() {
    let (folder, origin) = (tempfile::tempdir().expect("a folder"), origin().await);
    let [one, two] = pops(folder.path(), &origin).await;
    let mut guesser = Device::default();
    for _ in 0..5 {
        assert_eq!(guesser.ask(&one, "POST /login", "user=ann&password=guess").await.status, 401);
    }
    assert_eq!(guesser.ask(&one, "POST /login?ok", "user=ann&password=x").await.status, 403, "a puzzle");
    eventually(DEADLINE, async || match guesser.clone().ask(&two, "GET /login", "").await.status {
        403 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    assert_eq!(guesser.cookie, "");
}

const SECRET: &str = "a secret of more than thirty-two bytes";

/// A token with these claims, signed.
fn token(claims: &str) -> String {
    let message = format!("{}.{}", base64(br#"{"alg":"HS256"}"#), base64(claims.as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{message}.{}", base64(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
}

/// One token, all of a user's, all of a tenant's: each was looked at before, so it is known that it is signed.
#[tokio::test]
async fn a_token_is_refused_that_was_revoked() {
    let (folder, origin) = (tempfile::tempdir().expect("a folder"), Origin::fixed("", "x").await);
    let key = folder.path().join("api.key");
    std::fs::write(&key, SECRET).expect("a key");
    let rules = format!(
        r#"
[jwt.api]
keys = "{}"
algorithms = ["HS256"]
claims = {{ sub = "string", org = "string" }}
tenant = "org"
realm = "shop"
[[rule]]
name = "one"
when = 'request.path == "/one"'
do = {{ revoke = {{ token = "api" }} }}
[[rule]]
name = "user"
when = 'request.path == "/user"'
do = {{ revoke = {{ user = 'jwt.api.claims.sub' }} }}
[[rule]]
name = "tenant"
phase = "response"
when = 'request.path == "/tenant" && response.status == 200'
do = {{ revoke = {{ tenant = 'jwt.api.claims.org', realm = "shop" }} }}
[[rule]]
name = "valid"
when = '!jwt.api.valid'
do = {{ deny = 401, set_response_headers = {{ x-error = 'jwt.api.error' }} }}
"#,
        key.display()
    );
    let edge = Edge::before(&origin.url(), &rules).await;
    let ask = async |token: &str, path: &str| {
        let answer = get_with(edge.address(), "test", path, &format!("Authorization: Bearer {token}\r\n")).await;
        (answer.status, answer.header("x-error").to_owned())
    };
    let (fine, revoked) = ((200, String::new()), (401, "revoked".to_owned()));
    let claims = ["t1", "t2"].map(|id| format!(r#"{{"jti":"{id}","sub":"ann","org":"acme"}}"#));
    let [one, two] = claims.map(|claims| token(&claims));
    let bob = token(r#"{"sub":"bob","org":"acme"}"#);
    // Issued long after all of this.
    let later = token(r#"{"sub":"ann","org":"acme","iat":4102444800}"#);
    for token in [&one, &two, &bob, &later] {
        assert_eq!(ask(token, "/").await, fine);
    }
    ask(&one, "/one").await;
    assert_eq!([ask(&one, "/").await, ask(&two, "/").await], [revoked.clone(), fine.clone()]);
    ask(&two, "/user").await;
    assert_eq!([ask(&two, "/").await, ask(&bob, "/").await], [revoked.clone(), fine.clone()]);
    assert_eq!(ask(&bob, "/tenant").await, fine);
    assert_eq!([ask(&bob, "/").await, ask(&later, "/").await], [revoked, fine]);
    let field = format!("Authorization: Bearer {later}");
    let (code, page, error) = edge.command(&["explain", "GET", "http://test/user", "-H", &field]).await;
    assert!(code == 0 && page.contains("revoke user in realm shop"), "{page}{error}");
    let text = metrics(&edge).await;
    for what in ["token", "user", "tenant"] {
        assert!(text.contains(&format!("selvedge_revocations_total{{by=\"rule\",what=\"{what}\"}} 1")), "{text}");
    }
}
