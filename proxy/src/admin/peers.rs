//! What other POPs may ask: what goes by here, what became of one request, what is stored of a URL, what is known of a session, and whether a
//! purge or a revocation holds; and, for requests that wait, the record of one session. Nothing else of the admin socket is reachable
//! from there, and nothing can be changed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use selvedge_state::SessionKey;

use super::server::failure;
use super::{cached, explain, receipts, sessions, tail};
use crate::link::watch::WatchStream;
use crate::node::Node;

/// How long a question may take to arrive.
const QUESTION_WITHIN: Duration = Duration::from_secs(5);

/// Questions of one POP that are answered at once.
const QUESTIONS_MAX: u32 = 256;

/// A connection on which nothing comes back for so long is over.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Answers what requests at another POP ask for, as long as that one likes.
pub(crate) async fn fetched(node: Arc<Node>, stream: WatchStream) {
    let routes = Router::new().route("/v1/session/{key}", get(session)).with_state(node);
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(ALIVE_EVERY).keep_alive_timeout(ALIVE_EVERY);
    builder.max_concurrent_streams(QUESTIONS_MAX);
    let _ = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await;
}

/// What is known here of one session, by its name in the store; nothing is while this node keeps apart, though it may count as heard elsewhere.
async fn session(State(node): State<Arc<Node>>, Path(key): Path<String>) -> Response {
    let is_apart = node.links.get().is_some_and(|links| links.is_apart());
    let key = SessionKey::parse(&key).filter(|_| !is_apart);
    let known = key.and_then(|key| node.store.export_session(key, node.clock.now()));
    known.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

/// Answers one question of another POP, to its end.
pub(crate) async fn answer(node: Arc<Node>, stream: WatchStream) {
    let routes = Router::new()
        .route("/v1/tail", get(tail::here))
        .route("/v1/cache", get(cached::here))
        .route("/v1/explain", get(explain::here))
        .route("/v1/sessions/{id}", get(sessions::here))
        // A POST for its length: it changes nothing either.
        .route("/v1/purged", post(receipts::purged::here))
        .route("/v1/revoked", post(receipts::revoked::here))
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
