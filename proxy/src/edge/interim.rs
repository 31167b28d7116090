//! Interim responses (RFC 9110 section 15.2): passed on when they come.
//!
//! Pingora hands them on together with what follows. Where the final response is stored, and read from the cache from its header
//! on, it drops what came in one piece with it. So they are written here, and Pingora's own writing of them is turned off.

use http::{StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

/// Writes an interim response to the client, if it takes one: no client of HTTP/1.0 does (RFC 9110 section 15.2). HTTP/2 clients get none
/// by Pingora. For `response_filter`, last.
pub(super) async fn pass_on(session: &mut Session, response: &ResponseHeader) {
    // A 100 is for who waits with a body, a 101 is final: both are Pingora's.
    let ours = response.status.is_informational()
        && !matches!(response.status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS);
    if !ours || session.subrequest_ctx.is_some() || session.is_http2() {
        return;
    }
    let takes_one = session.req_header().version == Version::HTTP_11;
    let client = session.as_downstream_mut();
    if takes_one {
        client.set_ignore_info_resp(false);
        // A client that is gone is noticed by the final response, and no reason to end a fill.
        let _ = client.write_response_header_ref(response).await;
    }
    client.set_ignore_info_resp(true);
}
