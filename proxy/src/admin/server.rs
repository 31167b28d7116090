//! The admin socket's near end: routes, each a few lines, over what a [`Node`] can tell.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::UnixListener;

use super::report::{Failure, NewBan, Unban};
use crate::node::Node;

/// The largest question, bytes.
const QUESTION_MAX: usize = 16 * 1024;

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
    if path.exists() {
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
        .route("/v1/status", get(async |State(node): State<Arc<Node>>| Json(node.status())))
        .route("/v1/limits", get(async |State(node): State<Arc<Node>>| Json(node.limits())))
        .route("/v1/limits/{name}", get(limit))
        .route("/v1/bans", get(async |State(node): State<Arc<Node>>| Json(node.bans())).post(ban).delete(unban))
        .layer(axum::extract::DefaultBodyLimit::max(QUESTION_MAX))
        .with_state(node);
    axum::serve(UnixListener::from_std(listener)?, routes).await
}

async fn readyz(State(node): State<Arc<Node>>) -> (StatusCode, &'static str) {
    if node.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    match node.metrics_text() {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn limit(
    State(node): State<Arc<Node>>,
    axum::extract::Path(name): axum::extract::Path<String>,
    Query(parts): Query<Vec<(String, String)>>,
) -> Response {
    let key: Vec<String> = parts.into_iter().filter(|(name, _)| name == "key").map(|(_, value)| value).collect();
    answer(node.limit_named(&name, &key), StatusCode::NOT_FOUND)
}

async fn ban(State(node): State<Arc<Node>>, Json(new): Json<NewBan>) -> Response {
    answer(node.ban(&new), StatusCode::UNPROCESSABLE_ENTITY)
}

async fn unban(State(node): State<Arc<Node>>, Json(old): Json<Unban>) -> Response {
    answer(node.unban(&old), StatusCode::NOT_FOUND)
}

fn answer<T: Serialize>(outcome: Result<T, String>, otherwise: StatusCode) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(error) => failure(otherwise, error),
    }
}

fn failure(status: StatusCode, error: String) -> Response {
    (status, Json(Failure { error })).into_response()
}
