//! One slice, as a request of its own inside of the edge.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Method;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::proxy::subrequest::{BodyMode, Ctx};
use pingora::{Error, ErrorType, Result};
use selvedge_filters::cache::{Outcome, Slice};
use tokio::sync::mpsc;

use crate::edge::context::Context;
use crate::edge::errand::{self, Errand};
use crate::edge::request_id::RequestId;

/// Fields by which a client asks for a part of the whole, or for nothing if it knows it; a slice is always wanted.
const OF_THE_WHOLE: [http::HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// What a slice's request takes along.
#[derive(Debug, Clone)]
struct Orders {
    errand: Errand,
    id: RequestId,
    slice: Slice,
    told: Arc<OnceLock<Told>>,
}

/// Where a slice came from.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: Option<Outcome>,
    /// `Cache-Status`.
    pub(super) status: Option<String>,
    pub(super) tries: u8,
    pub(super) origin_address: Option<SocketAddr>,
}

/// A response to a slice's request, as it comes.
#[derive(Debug)]
pub(super) struct Part {
    tasks: mpsc::Receiver<HttpTask>,
    /// Held, or its request would be taken for one whose client has left.
    _body: mpsc::Sender<HttpTask>,
    told: Arc<OnceLock<Told>>,
    is_over: bool,
}

impl Part {
    /// Asks for a slice of what a client's request is about.
    ///
    /// # Errors
    /// When nobody can be asked, which would be a fault of ours.
    pub(super) fn open(session: &mut Session, context: &Context, slice: Slice) -> Result<Part> {
        let told = Arc::new(OnceLock::new());
        let errand = Errand::of(session, context);
        let orders = Orders { errand, id: context.id, slice, told: Arc::clone(&told) };
        errand::write_down_as_http_1(session);
        let Some(spawner) = &session.subrequest_spawner else {
            return Error::e_explain(ErrorType::InternalError, "no request can be made for a slice");
        };
        let ctx = Ctx::builder().user_ctx(Box::new(orders)).body_mode(BodyMode::NoBody).build();
        let (request, handle) = spawner.create_subrequest(session.as_downstream(), ctx);
        tokio::spawn(request.run());
        Ok(Part { tasks: handle.rx, _body: handle.tx, told, is_over: false })
    }

    /// The header of its response.
    ///
    /// # Errors
    /// When none comes.
    pub(super) async fn header(&mut self) -> Result<ResponseHeader> {
        while let Some(task) = self.tasks.recv().await {
            match task {
                HttpTask::Header(header, is_over) if !header.status.is_informational() => {
                    self.is_over = is_over;
                    return Ok(*header);
                }
                HttpTask::Failed(error) => return Err(error),
                _ => {}
            }
        }
        Error::e_explain(ErrorType::InternalError, "a slice's request ended without a response")
    }

    /// The next bytes of its body; `None` at the end.
    ///
    /// # Errors
    /// When it breaks off.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.is_over {
            let Some(task) = self.tasks.recv().await else {
                return Error::e_explain(ErrorType::InternalError, "a slice's request ended before its response");
            };
            self.is_over = task.is_end();
            match task {
                HttpTask::Body(Some(bytes), _) if !bytes.is_empty() => return Ok(Some(bytes)),
                HttpTask::Failed(error) => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Where it came from, once the header is here.
    pub(super) fn told(&self) -> Option<&Told> {
        self.told.get()
    }
}

/// Makes a request that of a slice, if that is what it is for. For `request_filter`.
pub(in crate::edge) fn take(session: &mut Session, context: &mut Context) -> bool {
    let orders = session.subrequest_ctx.as_ref().and_then(|ctx| ctx.user_ctx()?.downcast_ref::<Orders>()).cloned();
    let Some(Orders { errand, id, slice, .. }) = orders else { return false };
    errand.run(session, context);
    (context.id, context.slice) = (id, Some(slice));
    let request = session.req_header_mut();
    request.set_method(Method::GET);
    for field in OF_THE_WHOLE {
        request.remove_header(&field);
    }
    true
}

/// What a child asks for is a slice where it is one by the policy here: it is found and stored as those are that were asked for here.
pub(in crate::edge) fn of_child(session: &mut Session, context: &mut Context) {
    let Some(size) = context.policy().and_then(|policy| policy.slice()) else { return };
    let request = session.req_header_mut();
    let range = request.headers.get(RANGE);
    let slice = Slice::first_of(range, size);
    if range.is_some_and(|range| range.as_bytes() == slice.range().as_bytes()) {
        request.remove_header(&RANGE);
        context.slice = Some(slice);
    }
}

/// Tells whoever asked for a slice inside of this edge where it came from; false where nobody did. For `response_filter`.
pub(in crate::edge) fn tell(session: &Session, context: &Context, status: Option<&str>) -> bool {
    let orders = session.subrequest_ctx.as_ref().and_then(|ctx| ctx.user_ctx()?.downcast_ref::<Orders>());
    if let Some(orders) = orders {
        let status = status.map(str::to_owned);
        // The header of one response comes once.
        let Context { outcome, tries, origin_address, .. } = *context;
        let _ = orders.told.set(Told { outcome, status, tries, origin_address });
    }
    orders.is_some()
}
