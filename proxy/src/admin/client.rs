//! The other end of the admin socket, for the commands of the CLI.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::report::{Failure, Reloaded};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a reload may take: files of any size are read, and reloads take turns.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

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
    /// It answered that a config cannot be used.
    #[error("{text}")]
    Config {
        /// Everything that is wrong, for people.
        text: String,
        /// The same for programs.
        problems: serde_json::Value,
    },
}

/// Asks, and reads the answer.
///
/// # Errors
/// [`ClientError`].
pub async fn get<A: DeserializeOwned>(socket: &Path, path: &str) -> Result<A, ClientError> {
    parse(socket, &call(socket, Method::GET, path, Bytes::new(), PATIENCE).await?)
}

/// Asks for a reload, and reads what was done.
///
/// # Errors
/// [`ClientError`]; [`ClientError::Config`] when the old config goes on.
pub async fn reload(socket: &Path) -> Result<Reloaded, ClientError> {
    parse(socket, &call(socket, Method::POST, "/v1/reload", Bytes::new(), RELOAD_PATIENCE).await?)
}

/// Asks for an answer that goes on, and gives each of its lines to `each` until that breaks, or the answer ends.
///
/// # Errors
/// [`ClientError`].
pub async fn follow(
    socket: &Path,
    path: &str,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let begun = tokio::time::timeout(PATIENCE, begin(socket, Method::GET, path, Bytes::new())).await;
    let response = begun.map_err(|_| unreachable(socket, &"it does not answer"))??;
    let (status, mut body) = (response.status(), response.into_body());
    if !status.is_success() {
        let said = body.collect().await.map_err(|error| unreachable(socket, &error))?.to_bytes();
        return Err(refused(status, path, &said));
    }
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreachable(socket, &error))?;
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in rest.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if each(line).is_break() {
                return Ok(());
            }
        }
        rest.drain(..whole);
    }
    Ok(())
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
    send_patiently(socket, method, path, question, Duration::ZERO).await
}

/// The same for an answer that may take so much longer than others.
///
/// # Errors
/// [`ClientError`].
pub async fn send_patiently<Q: Serialize, A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    question: &Q,
    longer: Duration,
) -> Result<A, ClientError> {
    let body = serde_json::to_vec(question).map_err(|error| unreachable(socket, &error))?;
    parse(socket, &call(socket, method, path, body.into(), PATIENCE.saturating_add(longer)).await?)
}

fn parse<A: DeserializeOwned>(socket: &Path, answer: &[u8]) -> Result<A, ClientError> {
    serde_json::from_slice(answer)
        .map_err(|error| ClientError::Garbled { socket: socket.display().to_string(), cause: error.to_string() })
}

fn unreachable(socket: &Path, cause: &dyn std::fmt::Display) -> ClientError {
    ClientError::Unreachable { socket: socket.display().to_string(), cause: cause.to_string() }
}

async fn call(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    patience: Duration,
) -> Result<Bytes, ClientError> {
    let exchange = tokio::time::timeout(patience, exchange(socket, method, path, body)).await;
    let (status, body) = exchange.map_err(|_| unreachable(socket, &"it does not answer"))??;
    if status.is_success() { Ok(body) } else { Err(refused(status, path, &body)) }
}

/// What an answer that is no means.
fn refused(status: StatusCode, path: &str, body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(Failure { error, problems: Some(problems) }) => ClientError::Config { text: error, problems },
        Ok(Failure { error, problems: None }) => ClientError::Refused(error),
        Err(_) => ClientError::Refused(format!("the edge answered {status} to {path}")),
    }
}

async fn exchange(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), ClientError> {
    let response = begin(socket, method, path, body).await?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| unreachable(socket, &error))?;
    Ok((status, body.to_bytes()))
}

async fn begin(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
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
    sender.send_request(request).await.map_err(|error| unreachable(socket, &error))
}
