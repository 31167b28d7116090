//! The authority of a URL in the spelling that stored responses have.

use super::key::Scheme;

/// Lower case, no trailing dot, no port that is the scheme's own; `None` when no host is spelled like this. Where no scheme is
/// named, a port stays.
pub(crate) fn authority(text: &str, scheme: Option<Scheme>) -> Option<String> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at_checked(end)?;
    let port = match rest.strip_prefix(':') {
        // RFC 3986 section 3.2.3 lets a URL end its authority like this; without a scheme it is what was one.
        Some("") if scheme.is_some() => None,
        Some(port)
            if port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Some(port)
        }
        None if rest.is_empty() => None,
        _ => return None,
    };
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if host.is_empty() || !host.bytes().all(is_known) {
        return None;
    }
    Some(match port.filter(|port| scheme.is_none_or(|scheme| scheme.port() != *port)) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}
