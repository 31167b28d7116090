//! What other POPs may ask: what goes by here, what became of one request, what is stored of a URL, and whether a purge
//! holds. Nothing else of the admin socket is reachable
//! from there, and nothing can be changed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use super::server::failure;
use super::{cached, explain, receipts, tail};
use crate::link::watch::WatchStream;
use crate::node::Node;

/// How long a question may take to arrive.
const QUESTION_WITHIN: Duration = Duration::from_secs(5);

/// Answers one question of another POP, to its end.
pub(crate) async fn answer(node: Arc<Node>, stream: WatchStream) {
    let routes = Router::new()
        .route("/v1/tail", get(tail::here))
        .route("/v1/cache", get(cached::here))
        .route("/v1/explain", get(explain::here))
        // A POST for its length: it changes nothing either.
        .route("/v1/purged", post(receipts::here))
        .fallback(async || failure(StatusCode::NOT_FOUND, "other POPs may not ask this".to_owned()))
        .method_not_allowed_fallback(async || {
            failure(StatusCode::METHOD_NOT_ALLOWED, "other POPs may only look".to_owned())
        })
        .with_state(node);
    // A connection that breaks off is the other side's business: it says so to whoever asked there.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(QUESTION_WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
}
