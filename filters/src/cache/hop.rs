//! Fields that belong to one connection and not to the response (RFC 9110 section 7.6.1).

use http::header::{CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName};

/// Fields that are never stored or forwarded, named by `Connection` or not. The last three are for a proxy on the way
/// (RFC 9111 section 3.1).
const ALWAYS: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-authorization"),
];

/// The fields of a message that must be removed before it is stored or forwarded: the known ones, and those that
/// `Connection` names. Only fields that are present, each once. Not for a 101, whose `Connection` and `Upgrade` are the point.
pub fn hop_by_hop(headers: &HeaderMap) -> Vec<HeaderName> {
    let nominated = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok());
    let mut names: Vec<HeaderName> =
        ALWAYS.into_iter().chain(nominated).filter(|name| headers.contains_key(name)).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}
