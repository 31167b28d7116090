//! The other end of the admin socket, for the commands of the CLI.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::report::Failure;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question could not be put or was answered with no.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("cannot reach the edge at {socket}: {cause} (is it running? is this its admin socket?)")]
    Unreachable {
        /// The socket's path.
        socket: String,
        /// Why not.
        cause: String,
    },
    /// It answered what this program does not understand: another version, or something else altogether.
    #[error("the answer at {socket} cannot be read: {cause}")]
    Garbled {
        /// The socket's path.
        socket: String,
        /// Why not.
        cause: String,
    },
    /// It answered, and said no.
    #[error("{0}")]
    Refused(String),
}

/// Asks, and reads the answer.
///
/// # Errors
/// [`ClientError`].
pub async fn get<A: DeserializeOwned>(socket: &Path, path: &str) -> Result<A, ClientError> {
    parse(socket, &call(socket, Method::GET, path, Bytes::new()).await?)
}

/// Tells, and reads the answer.
///
/// # Errors
/// [`ClientError`].
pub async fn send<Q: Serialize, A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    question: &Q,
) -> Result<A, ClientError> {
    let body = serde_json::to_vec(question).map_err(|error| unreachable(socket, &error))?;
    parse(socket, &call(socket, method, path, body.into()).await?)
}

fn parse<A: DeserializeOwned>(socket: &Path, answer: &[u8]) -> Result<A, ClientError> {
    serde_json::from_slice(answer)
        .map_err(|error| ClientError::Garbled { socket: socket.display().to_string(), cause: error.to_string() })
}

fn unreachable(socket: &Path, cause: &dyn std::fmt::Display) -> ClientError {
    ClientError::Unreachable { socket: socket.display().to_string(), cause: cause.to_string() }
}

async fn call(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
    let exchange = tokio::time::timeout(PATIENCE, exchange(socket, method, path, body)).await;
    let (status, body) = exchange.map_err(|_| unreachable(socket, &"it does not answer"))??;
    if status.is_success() {
        return Ok(body);
    }
    let said = serde_json::from_slice::<Failure>(&body).map(|failure| failure.error);
    Err(ClientError::Refused(said.unwrap_or_else(|_| format!("the edge answered {status} to {path}"))))
}

async fn exchange(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(socket, &error))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "admin")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(|error| unreachable(socket, &error))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(socket, &error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| unreachable(socket, &error))?;
    Ok((status, body.to_bytes()))
}
