//! Fetching: what a request asks another POP for while its client waits. It goes over connections of its own, one to each POP, which are kept and
//! carry many questions at once: a handshake for each would take longer than most answers. Whoever names [`FETCH_PROTOCOL`] in its
//! handshake speaks HTTP/2. What is answered is the admin room's business, as for those who [`watch`](super::watch).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use selvedge_state::PopId;

use super::Shared;
use super::watch::{WatchError, reach};

/// The name by which it is asked for (RFC 7301): HTTP/2 follows.
pub const FETCH_PROTOCOL: &[u8] = b"selvedge-fetch/1";

/// Connections that may fetch at once, from all peers together.
pub const FETCHERS_MAX: usize = 512;

/// The longest answer, bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// A POP that was not reached is left alone for so long, or until a link to anybody is up again: it may be there then.
const REST: Duration = Duration::from_secs(1);

/// A connection on which nothing comes back for so long is over.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It was not reached just now.
    #[error("it was not reached a moment ago")]
    Resting,
    /// This node keeps apart, and asks nobody.
    #[error("this node keeps apart")]
    Apart,
    /// It is not reached.
    #[error("{0}")]
    Unreached(WatchError),
    /// The connection, or the answer, broke off.
    #[error("the answer broke off: {0}")]
    Broken(String),
}

type Questions = SendRequest<Empty<Bytes>>;

/// The way to one POP.
#[derive(Default)]
struct Way {
    kept: Option<Questions>,
    /// When it was tried in vain, and how many links there had been by then.
    failed: Option<(Instant, u64)>,
}

/// The ways to all POPs that were ever asked: as many as the roster has at most.
#[derive(Default)]
pub(super) struct Fetches(Mutex<BTreeMap<PopId, Arc<tokio::sync::Mutex<Way>>>>);

impl Fetches {
    /// Asks a POP for what is at a path; `None` where it has nothing there.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(super) async fn ask(&self, shared: &Shared, pop: PopId, path: &str) -> Result<Option<Bytes>, FetchError> {
        if !shared.place.load().roster.peers(shared.me.pop).any(|peer| peer.id == pop) {
            return Err(FetchError::Unreached(WatchError::Unknown));
        }
        let way = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(pop).or_default());
        let mut questions = connected(shared, pop, &way).await?;
        let broken = |error: &dyn std::fmt::Display| FetchError::Broken(error.to_string());
        let question =
            Request::get(format!("https://peer{path}")).body(Empty::new()).map_err(|error| broken(&error))?;
        let answer = questions.send_request(question).await.map_err(|error| broken(&error))?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.map_err(|error| broken(&error))?;
        Ok(Some(body.to_bytes()))
    }
}

/// The connection that is kept, or one that is made now; whoever comes meanwhile waits for the same one.
async fn connected(shared: &Shared, pop: PopId, way: &tokio::sync::Mutex<Way>) -> Result<Questions, FetchError> {
    let mut way = way.lock().await;
    if let Some(kept) = way.kept.as_ref().filter(|kept| !kept.is_closed()) {
        return Ok(kept.clone());
    }
    let links = shared.links.load(Ordering::Relaxed);
    if way.failed.is_some_and(|(at, by_then)| at.elapsed() < REST && links == by_then) {
        return Err(FetchError::Resting);
    }
    // Whoever gives up waiting leaves this behind, and so has the next ones rest.
    way.failed = Some((Instant::now(), links));
    let stream = reach(shared, pop, FETCH_PROTOCOL).await.map_err(FetchError::Unreached)?;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(ALIVE_EVERY).keep_alive_timeout(ALIVE_EVERY);
    builder.keep_alive_while_idle(true);
    let (questions, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| FetchError::Broken(error.to_string()))?;
    // It ends when the other side closes it, or nobody has questions any more.
    tokio::spawn(connection);
    *way = Way { kept: Some(questions.clone()), failed: None };
    Ok(questions)
}
