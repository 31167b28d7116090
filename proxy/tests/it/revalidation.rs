//! Background revalidations are nobody's requests: they fetch what the request that caused them was answered with, and neither
//! rules nor limits hear of them.

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::origin::Request;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get_with, metrics, ok};
use crate::tls;

/// Rules that change everything a revalidation must know, and a limit that counts who asks.
fn rules(canary: &Origin) -> String {
    format!(
        r#"
[origin.canary]
servers = ["{}"]
[[rule]]
name = "steer"
when = 'request.path.startsWith("/old/")'
do = {{ rewrite = {{ path = '"/new/" + request.path.substring(5)' }}, set_request_headers = {{ x-plan = 'request.cookies["plan"]', x-real-ip = 'string(client.ip)' }}, remove_request_headers = ["cookie"], origin = "canary" }}
[[rule]]
name = "steered-twice"
when = 'request.path.startsWith("/new/")'
do = {{ deny = 500 }}
[[limit]]
name = "api"
key = ["client.net"]
rate = "1/1h"
burst = 100
"#,
        canary.url()
    )
}

/// An origin whose answers are stale at once and may be served while they are fetched anew; each says which one it is.
async fn numbered() -> Origin {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |request| {
        let number = 1 + count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let plan = request.header("x-plan").unwrap_or("none").to_owned();
        async move {
            let headers = "Cache-Control: max-age=0, stale-while-revalidate=600\r\nVary: X-Plan\r\n";
            ok(headers, format!("{number} {plan}").as_bytes())
        }
    })
    .await
}

/// What the origin was asked, but for what differs from request to request.
fn fetched(origin: &Origin) -> Vec<[Option<String>; 4]> {
    let own = |value: Option<&str>| value.map(str::to_owned);
    let seen = origin.seen();
    let fields = ["x-plan", "x-real-ip", "cookie"];
    let one = |request: &Request| {
        let [plan, client, cookie] = fields.map(|field| own(request.header(field)));
        [own(Some(request.path())), plan, client, cookie]
    };
    seen.iter().map(one).collect()
}

async fn check(edge: &Edge, origin: &Origin, app: &Origin, asked: usize) {
    let fetched = fetched(origin);
    assert!(fetched.iter().all(|one| *one == fetched[0]), "{fetched:?}");
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(fetched[0], [said("/new/a?q"), said("paid"), said("127.0.0.1"), None]);
    assert!(app.seen().is_empty());
    let text = metrics(edge).await;
    assert!(text.contains(&format!(r#"{{action="effect",mode="enforce",rule="steer"}} {asked}"#)), "{text}");
    assert!(text.contains(r#"rule="steered-twice"} 0"#), "{text}");
}

#[tokio::test]
async fn it_goes_where_the_request_went_and_is_not_counted() {
    let (app, canary) = (Origin::fixed("", "app").await, numbered().await);
    let edge = Edge::before(&app.url(), &rules(&canary)).await;
    let ask = async || -> Answer { get_with(edge.address(), "test", "/old/a?q", "Cookie: plan=paid\r\n").await };
    assert_eq!(ask().await.text(), "1 paid");
    let mut asked = 1;
    // Each stale answer has the next one fetched.
    for newer in ["2 paid", "3 paid"] {
        eventually(DEADLINE, async || {
            asked += 1;
            let answer = ask().await;
            assert_eq!(answer.status, 200);
            if answer.text().as_str() >= newer { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }
    let left = format!("\"api\";r={};", 100 - asked - 1);
    let answer = ask().await;
    assert!(answer.header("ratelimit").starts_with(&left), "{left} {}", answer.header("ratelimit"));
    check(&edge, &canary, &app, asked + 1).await;
}

#[tokio::test]
async fn it_does_so_over_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let authority = tls::certificates(folder.path(), &["a.example"]);
    let (app, canary) = (Origin::fixed("", "app").await, numbered().await);
    let config = format!("{}{}", tls::config(folder.path(), &["a.example"], &app.url()), rules(&canary));
    let edge = Edge::with(&config).await;
    let stream = tls::connect(&edge, &authority, "a.example", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut asked = 0;
    eventually(DEADLINE, async || {
        asked += 1;
        let request = hyper::Request::get("https://a.example/old/a?q").header("cookie", "plan=paid");
        let response = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        if text.as_str() >= "3 paid" { Ok(()) } else { Err(text) }
    })
    .await;
    check(&edge, &canary, &app, asked).await;
}
