//! The admin socket's near end: routes, each a few lines, over what a [`Node`] can tell.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::UnixListener;

use super::purges::PURGE_QUESTION_MAX;
use super::report::{Apart, Failure};
use crate::node::Node;
use crate::observe::log;
use crate::plan::Cause;

/// The largest question, bytes.
const QUESTION_MAX: usize = 128 * 1024;

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("admin socket {}: {cause}", path.display())]
pub struct SocketError {
    /// Its path.
    pub path: PathBuf,
    /// Why not.
    pub cause: io::Error,
}

/// Makes the socket, readable and writable for owner and group. One that a dead process left behind is replaced; one that is
/// answered is not.
///
/// # Errors
/// [`SocketError`].
pub fn socket(path: &Path) -> Result<std::os::unix::net::UnixListener, SocketError> {
    let named = |cause| SocketError { path: path.to_owned(), cause };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(named(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file, and it is no socket")));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(named(io::Error::new(io::ErrorKind::AddrInUse, "another process answers there")));
        }
        std::fs::remove_file(path).map_err(named)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(named)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(named)?;
    listener.set_nonblocking(true).map_err(named)?;
    Ok(listener)
}

/// Answers at the socket for ever.
///
/// # Errors
/// When the socket cannot be listened on.
pub async fn serve(listener: std::os::unix::net::UnixListener, node: Arc<Node>) -> io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(|State(node)| told(node, |node| Ok(node.status()))))
        .route("/v1/reload", post(reload))
        .route("/v1/limits", get(super::limits::ls))
        .route("/v1/limits/{name}", get(super::limits::show))
        .route("/v1/limits/{name}/overrides", post(super::overrides::set).delete(super::overrides::clear))
        .route("/v1/limits/{name}/resets", post(super::overrides::reset))
        .route("/v1/bans/history", get(super::bans::history))
        .route("/v1/bans", get(super::bans::ls).post(super::bans::add).delete(super::bans::remove))
        .route("/v1/cluster", post(cluster))
        .route("/v1/lists", get(super::lists::ls))
        .route("/v1/lists/{name}", get(super::lists::show).post(super::lists::add).delete(super::lists::remove))
        .route("/v1/counters/{name}", get(super::counters::show))
        .route("/v1/sessions", get(super::sessions::ls))
        .route("/v1/sessions/revoke", post(super::sessions::revoke))
        .route("/v1/sessions/{id}", get(super::sessions::anywhere))
        .route("/v1/cache", get(super::cached::anywhere))
        .route("/v1/explain", get(super::explain::anywhere).post(super::explain::made_up))
        .route("/v1/tail", get(super::tail::anywhere))
        .route("/v1/purge", post(super::purges::add).layer(DefaultBodyLimit::max(PURGE_QUESTION_MAX)))
        .fallback(async || failure(StatusCode::NOT_FOUND, "there is no such path".to_owned()))
        .method_not_allowed_fallback(async || {
            failure(StatusCode::METHOD_NOT_ALLOWED, "not with this method".to_owned())
        })
        .layer(DefaultBodyLimit::max(QUESTION_MAX))
        .with_state(node);
    axum::serve(UnixListener::from_std(listener)?, routes).await
}

async fn readyz(State(node): State<Arc<Node>>) -> Response {
    if node.is_ready() {
        return "ready\n".into_response();
    }
    failure(StatusCode::SERVICE_UNAVAILABLE, "not ready".to_owned())
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    match aside(move || node.metrics_text().map_err(|error| error.to_string())).await {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn reload(State(node): State<Arc<Node>>) -> Response {
    match crate::plan::reload(&node, Cause::Admin).await {
        Ok(reloaded) => Json(reloaded).into_response(),
        Err(error) => {
            let failure = Failure { error: error.text, problems: Some(error.problems) };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(failure)).into_response()
        }
    }
}

async fn cluster(State(node): State<Arc<Node>>, wanted: Result<Json<Apart>, JsonRejection>) -> Response {
    match (wanted, node.links.get()) {
        (Ok(Json(wanted)), Some(links)) => {
            links.keep_apart(wanted.apart);
            log::apart(wanted.apart);
            Json(wanted).into_response()
        }
        (Ok(_), None) => failure(StatusCode::CONFLICT, "this POP is alone: its config has no [cluster]".to_owned()),
        (Err(rejection), _) => failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
}

/// What a look at the whole node tells.
pub(super) async fn told<T: Serialize + Send + 'static>(
    node: Arc<Node>,
    look: impl FnOnce(&Node) -> Result<T, String> + Send + 'static,
) -> Response {
    answer(aside(move || look(&node)).await, StatusCode::INTERNAL_SERVER_ERROR)
}

/// Looks on a thread of its own: a look at a million keys must not hold up the peer links.
pub(super) async fn aside<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| Err(error.to_string()))
}

pub(super) fn answer<T: Serialize>(outcome: Result<T, String>, otherwise: StatusCode) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(error) => failure(otherwise, error),
    }
}

pub(super) fn failure(status: StatusCode, error: String) -> Response {
    (status, Json(Failure { error, problems: None })).into_response()
}
