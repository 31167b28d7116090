//! An answer that goes on: JSON, one value a line, as they come. An empty line now and then tells the reader that nothing
//! happened, and this end whether there still is a reader.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

/// After how long without a line an empty one is sent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// After how long without anything a reader gives up.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Lines between those who make them and the socket. Few: what waits, waits where it is counted when it is lost.
const LINES_MAX: usize = 16;

/// Where lines go in. The answer ends when all of these are gone.
pub(super) type Lines = mpsc::Sender<Bytes>;

/// An answer that goes on, and where its lines go in.
pub(super) fn lines() -> (Lines, Response) {
    let (near, far) = mpsc::channel(LINES_MAX);
    let answer = ([("content-type", "application/x-ndjson")], Body::new(Answer(far))).into_response();
    (near, answer)
}

/// A value as a line.
pub(super) fn line(value: &impl Serialize) -> Bytes {
    // What is written here has text keys and finite numbers only, so it can be written; else the line is empty.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

struct Answer(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
