//! A client that leaves while its request waits: nothing else reads its connection then.

use std::future::pending;

use pingora::proxy::Session;
use pingora::{Error, ErrorType};

/// Comes to an end when the client has left: it closed its connection, or reset the request's stream. A client that only will send no more has
/// left, too, as it has while an origin is asked. Never where a body is still to come over HTTP/1: to look would be to read it.
pub(super) async fn left(session: &mut Session) -> Box<Error> {
    if !session.is_http2() && !session.is_body_done() {
        return pending().await;
    }
    match session.read_body_or_idle(true).await {
        // It sent more, of which a byte is lost: this request goes on, and none comes after it.
        Err(error) if *error.etype() == ErrorType::ConnectError => {
            session.set_keepalive(None);
            pending().await
        }
        Err(_) => Error::new_down(ErrorType::ConnectionClosed),
        Ok(_) => pending().await,
    }
}
