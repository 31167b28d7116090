//! What a request becomes on its way to an origin.

use pingora::http::RequestHeader;

use super::context::Context;
use super::{forwarded, idempotency, max_forwards, parent};
use crate::node::Node;

/// How a POP names itself in `CDN-Loop` (RFC 8586), `Via` and `Cache-Status`.
pub(super) fn pseudonym(pop: &str) -> String {
    format!("selvedge-{pop}")
}

/// Whether the request has passed through this POP already (RFC 8586 section 2): it would go round for ever.
pub(super) fn been_here(request: &RequestHeader, pop: &str) -> bool {
    let name = pseudonym(pop);
    let fields = request.headers.get_all("cdn-loop").iter();
    fields
        .flat_map(|field| field.to_str().unwrap_or("").split(','))
        .any(|member| member.split(';').next().is_some_and(|id| id.trim() == name))
}

/// Dresses a request for where it goes.
///
/// # Errors
/// When a value is no valid header value.
pub(super) fn dress(node: &Node, request: &mut RequestHeader, context: &Context) -> pingora::Result<()> {
    if idempotency::dress(request, context)? {
        return Ok(());
    }
    match context.way.parent() {
        Some(parent) => parent::dress(node, parent, request, context),
        None => for_origin(request, context, &context.plan.config.pop.name),
    }
}

/// Dresses a request for an origin: its Host, whom it is for, and the marks of having been here.
fn for_origin(request: &mut RequestHeader, context: &Context, pop: &str) -> pingora::Result<()> {
    let asked = &context.target.authority;
    if let (Some(origin), Some(server)) = (&context.origin, context.server) {
        request.insert_header("host", origin.host(server, asked).as_ref())?;
    }
    if context.form.is_begun() {
        // Its body is here, and the client has had its leave.
        request.remove_header("expect");
    }
    if let (Some(peer), Some(client)) = (context.peer, context.client) {
        // Where another POP sends it on, what is claimed is what rules say there.
        if context.original.is_none() && context.child.is_none() {
            forwarded::drop_claims(request, client);
        }
        forwarded::describe(request, peer, client, asked, context.target.scheme.as_str())?;
    }
    request.insert_header("x-request-id", context.id.to_string())?;
    pass_on(request, pop)
}

/// Marks a request as one that this POP passed on (RFC 9110 sections 7.6.2 and 7.6.3, RFC 8586).
///
/// # Errors
/// When a value is no valid header value.
pub(super) fn pass_on(request: &mut RequestHeader, pop: &str) -> pingora::Result<()> {
    request.append_header("via", format!("1.1 {}", pseudonym(pop)))?;
    request.append_header("cdn-loop", pseudonym(pop))?;
    max_forwards::count_down(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_here_is_known() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        assert!(!been_here(&request, "fra"));
        request.append_header("cdn-loop", "other.example; v=1, selvedge-ams").unwrap();
        assert!(!been_here(&request, "fra"));
        request.append_header("cdn-loop", "selvedge-fra;x=y").unwrap();
        assert!(been_here(&request, "fra"));
    }
}
