//! Origins that fail, and what clients notice of it.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::{Answer, Edge, Origin, get, talk};

fn config(servers: &[&str], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [{}]\n{more}\n[site.\"*\"]\norigin = \"app\"\n",
        servers.join(", ")
    )
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_dead_server_is_passed_over() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "alive").await;
    let dead = nobody().await;
    let edge = Edge::with(&config(&[&dead, &origin.url()], "eject = { failures = 2, for = \"1m\" }")).await;
    for _ in 0..10 {
        assert_eq!(get(edge.address(), "test", "/").await.text(), "alive");
    }
    let ejected: Vec<bool> = edge.status().await.origins[0].servers.iter().map(|server| server.ejected).collect();
    assert_eq!(ejected, [true, false]);
}

#[tokio::test]
async fn without_any_server_the_answer_is_bad_gateway() {
    let edge = Edge::with(&config(&[&nobody().await], "")).await;
    let answer = get(edge.address(), "test", "/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_keeps_nothing_else_from_serving() {
    let origin = Origin::fixed("", "x").await;
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.lost]\nservers = [\"http://no-such-name.invalid\"]\n[origin.app]\nservers = [\"{}\"]\n\
         [site.\"lost.example\"]\norigin = \"lost\"\n[site.\"*\"]\norigin = \"app\"\n",
        origin.url()
    );
    let edge = Edge::with(&config).await;
    assert_eq!(get(edge.address(), "lost.example", "/").await.status, 502);
    assert_eq!(get(edge.address(), "other.example", "/").await.status, 200);
}

#[tokio::test]
async fn an_idempotent_request_is_tried_once_more_and_another_is_not() {
    let origin = Origin::start(|_| async { Vec::new() }).await;
    let edge = Edge::with(&config(&[&origin.url()], "")).await;
    assert_eq!(get(edge.address(), "test", "/").await.status, 502);
    assert_eq!(origin.seen().len(), 2, "GET: one retry");
    let post = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert_eq!(Answer::parse(&talk(edge.address(), post).await).unwrap().status, 502);
    assert_eq!(origin.seen().len(), 3, "POST: none");
}

#[tokio::test]
async fn an_origin_that_says_nothing_is_given_up() {
    let (origin, gate) = Origin::gated("", "late").await;
    let edge = Edge::with(&config(&[&origin.url()], "read_timeout = \"300ms\"")).await;
    let answer =
        tokio::time::timeout(Duration::from_secs(30), get(edge.address(), "test", "/")).await.expect("an answer");
    assert_eq!(answer.status, 504);
    gate.open();
}

#[tokio::test]
async fn names_are_resolved_in_the_background() {
    let origin = Origin::fixed("", "by name").await;
    let edge =
        Edge::with(&config(&[&format!("http://localhost:{}", origin.address.port())], "host = \"origin\"")).await;
    assert_eq!(get(edge.address(), "test", "/").await.text(), "by name");
    assert_eq!(origin.seen()[0].header("host"), Some(format!("localhost:{}", origin.address.port()).as_str()));
}
