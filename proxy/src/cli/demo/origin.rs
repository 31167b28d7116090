//! The toy origin: a few pages that show what the edge does with them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

/// A running toy origin.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Origin {
    /// Starts it on a port the kernel chooses, on the current runtime.
    pub(super) async fn start() -> std::io::Result<Origin> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let routes = Router::new()
            .route("/", get(page))
            .route("/hello", get(hello))
            .route("/api/{*rest}", get(api).post(api))
            .with_state(Arc::clone(&requests));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Origin { address, requests })
    }

    /// Requests that reached it so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn page(State(requests): State<Arc<AtomicU64>>) -> impl IntoResponse {
    let number = count(&requests);
    let body = format!(
        "<!doctype html><meta charset=utf-8><title>Selvedge demo</title><h1>Selvedge</h1>\
         <p>The origin made this page for request {number}; it may be kept for 10 seconds.</p>"
    );
    ([(CACHE_CONTROL, "max-age=10")], Html(body))
}

async fn hello(State(requests): State<Arc<AtomicU64>>) -> impl IntoResponse {
    let body = format!("hello, this is answer {} of the origin\n", count(&requests));
    ([(CACHE_CONTROL, "max-age=60"), (CONTENT_TYPE, "text/plain")], body)
}

async fn api(State(requests): State<Arc<AtomicU64>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(json!({ "answer": count(&requests) })))
}

fn count(requests: &AtomicU64) -> u64 {
    requests.fetch_add(1, Ordering::Relaxed) + 1
}
