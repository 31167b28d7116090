//! Which header fields rules may touch: all but those by which messages are framed and connections are kept, and those the
//! edge writes itself.

use crate::value::{Wrong, field_name};

/// The name of a field that a rule may set or remove, in lower case.
pub(super) fn free(text: &str) -> Result<String, Wrong> {
    let name = field_name(text)?;
    let why = match name.as_str() {
        // RFC 9112 section 6: who changes these lets two readers see two different messages.
        "content-length" | "transfer-encoding" | "trailer" => "it says where the message ends",
        "host" => "what servers see as host is said by `host` of their origin",
        // RFC 9110 section 7.6.1: fields of one connection, which no intermediary forwards.
        "connection" | "keep-alive" | "te" | "upgrade" => "it belongs to one connection and is not forwarded",
        name if name.starts_with("proxy-") => "it belongs to one connection and is not forwarded",
        "via" | "cdn-loop" | "forwarded" | "x-request-id" => "the edge writes it",
        name if name.starts_with("x-forwarded-") || name.starts_with("selvedge-session-") => "the edge writes it",
        _ => return Ok(name),
    };
    Err(Wrong::new(format!("rules cannot change the header `{name}`")).advice(why))
}
