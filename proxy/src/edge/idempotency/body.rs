//! The body of a request, read whole before anything is run: what it asks for is told by it, and it may be sent more than once.

use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora::proxy::Session;

use crate::edge::context::Context;
use crate::edge::declared;
use crate::edge::form::{self, Form};

/// A body, if it is one.
pub(super) enum Body {
    Whole(Bytes),
    /// It is longer than it may be.
    TooLong,
    /// It does not come in time.
    Late,
}

/// Reads a body of so many bytes at most; rules may have read it already.
///
/// # Errors
/// When the client's connection fails.
pub(super) async fn read(session: &mut Session, context: &mut Context, max: u64) -> Result<Body> {
    if let Form::Read(body) = &context.form {
        return Ok(if body.len() as u64 > max { Body::TooLong } else { Body::Whole(body.clone()) });
    }
    if declared(session.req_header()).is_some_and(|length| length > max) {
        return Ok(Body::TooLong);
    }
    form::let_send(session).await?;
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(part) =
            session.as_downstream_mut().read_request_body().await.map_err(|error| error.into_down())?
        {
            if (body.len() + part.len()) as u64 > max {
                return Ok(Body::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok(Body::Whole(body.freeze()))
    };
    let within = context.plan.config.listen.bounds.read_timeout;
    tokio::time::timeout(within, whole).await.unwrap_or(Ok(Body::Late))
}
