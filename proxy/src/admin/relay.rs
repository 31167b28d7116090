//! Asking other POPs: the same question over a connection that watches, and what came of it. The admin socket of one POP is enough to
//! ask all of them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use selvedge_state::PopId;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::lines::SILENCE_MAX;
use super::report::Failure;
use crate::link::Links;
use crate::link::watch::broken;

/// How long a POP may take to begin its answer: less than whoever asks here waits.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest line, and the longest answer that is no stream, bytes.
const ANSWER_MAX: usize = 256 * 1024;

/// Why another POP gave no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// It cannot be asked now.
    Unreachable(String),
    /// It was asked, and said no.
    Refused(StatusCode, String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::Unreachable(cause) | Unanswered::Refused(_, cause) => formatter.write_str(cause),
        }
    }
}

/// An answer as it comes in, line by line.
pub(super) struct Coming {
    body: Incoming,
    buffer: BytesMut,
    connection: Connection,
}

type Connection = JoinHandle<Result<(), hyper::Error>>;

/// Asks a POP and waits for its answer to begin.
pub(super) async fn ask(links: &Arc<Links>, pop: PopId, path: &str) -> Result<Coming, Unanswered> {
    coming(links, pop, Request::get(path), Bytes::new(), PATIENCE).await
}

/// Asks a POP what takes more words than fit into a path.
pub(super) async fn put(
    links: &Arc<Links>,
    pop: PopId,
    path: &str,
    question: Bytes,
    patience: Duration,
) -> Result<Coming, Unanswered> {
    let request = Request::post(path).header("content-type", "application/json");
    coming(links, pop, request, question, patience).await
}

async fn coming(
    links: &Arc<Links>,
    pop: PopId,
    request: request::Builder,
    question: Bytes,
    patience: Duration,
) -> Result<Coming, Unanswered> {
    let begun = timeout(patience, begin(links, pop, request, question)).await;
    let (response, connection) =
        begun.map_err(|_| Unanswered::Unreachable(format!("it does not answer within {} s", patience.as_secs())))??;
    let status = response.status();
    let mut coming = Coming { body: response.into_body(), buffer: BytesMut::new(), connection };
    if status.is_success() {
        return Ok(coming);
    }
    let said = coming.whole().await?;
    let cause = match serde_json::from_slice::<Failure>(&said) {
        Ok(failure) => failure.error,
        Err(_) => format!("it answered {status}"),
    };
    Err(Unanswered::Refused(status, cause))
}

async fn begin(
    links: &Links,
    pop: PopId,
    request: request::Builder,
    question: Bytes,
) -> Result<(Response<Incoming>, Connection), Unanswered> {
    let stream = links.watch(pop).await.map_err(|error| Unanswered::Unreachable(error.to_string()))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    let connection = tokio::spawn(connection);
    let request = request.header("host", "watch").body(Full::new(question));
    let request = request.map_err(|error| Unanswered::Unreachable(error.to_string()))?;
    match sender.send_request(request).await {
        Ok(response) => Ok((response, connection)),
        Err(error) => Err(ended(connection).await.unwrap_or_else(|| unreachable(&error))),
    }
}

impl Coming {
    /// The next line with its line feed; none at the end of the answer.
    pub(super) async fn line(&mut self) -> Result<Option<Bytes>, Unanswered> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.split_to(end + 1).freeze()));
            }
            if self.buffer.len() > ANSWER_MAX {
                return Err(Unanswered::Unreachable(format!("a line of more than {ANSWER_MAX} bytes")));
            }
            match self.part().await? {
                Some(part) => self.buffer.extend_from_slice(&part),
                None => return Ok(None),
            }
        }
    }

    /// The whole of an answer that is no stream.
    pub(super) async fn whole(&mut self) -> Result<Bytes, Unanswered> {
        while let Some(part) = self.part().await? {
            self.buffer.extend_from_slice(&part);
            if self.buffer.len() > ANSWER_MAX {
                return Err(Unanswered::Unreachable(format!("an answer of more than {ANSWER_MAX} bytes")));
            }
        }
        Ok(self.buffer.split().freeze())
    }

    async fn part(&mut self) -> Result<Option<Bytes>, Unanswered> {
        loop {
            let silent = |_| Unanswered::Unreachable(format!("nothing heard for {} s", SILENCE_MAX.as_secs()));
            match timeout(SILENCE_MAX, self.body.frame()).await.map_err(silent)? {
                None => return Ok(None),
                Some(Err(error)) => return Err(unreachable(&error)),
                Some(Ok(frame)) => {
                    if let Ok(part) = frame.into_data() {
                        return Ok(Some(part));
                    }
                }
            }
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What ended a connection says more than what became of the request on it.
async fn ended(connection: Connection) -> Option<Unanswered> {
    match timeout(Duration::from_secs(1), connection).await {
        Ok(Ok(Err(error))) => Some(unreachable(&error)),
        _ => None,
    }
}

fn unreachable(error: &hyper::Error) -> Unanswered {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return Unanswered::Unreachable(broken(cause).to_string());
        }
        source = cause.source();
    }
    Unanswered::Unreachable(error.to_string())
}
