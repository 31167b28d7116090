//! What a request is aimed at, out of whichever place its protocol puts it, in one spelling: rules, cache key and origin all get
//! this one, so that no client can store an answer to one spelling under another.

use pingora::http::RequestHeader;
use selvedge_filters::cache::Scheme;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Target {
    /// Lower case, no port, no trailing dot: what sites and rules know.
    pub(super) host: String,
    /// The same with the port, unless it is the scheme's own: what the cache key and the origin get.
    pub(super) authority: String,
    /// The scheme the client used, as far as anybody who is believed says so.
    pub(super) scheme: Scheme,
}

/// Why a request's target cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadTarget {
    /// Neither Host nor authority.
    NoHost,
    /// More than one Host field (RFC 9112 section 3.2).
    ManyHosts,
    /// Host and authority disagree.
    Mismatch,
    /// A host with characters no host has.
    Malformed,
    /// Neither a path nor a whole http URI nor `*`; or with bytes that no URI has (RFC 3986 section 2).
    Path,
}

impl BadTarget {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            BadTarget::NoHost => "the request names no host",
            BadTarget::ManyHosts => "the request has several Host fields",
            BadTarget::Mismatch => "Host and the request target name different hosts",
            BadTarget::Malformed => "the host is malformed",
            BadTarget::Path => "the request target is no valid path",
        }
    }
}

/// Reads a request's target.
///
/// # Errors
/// [`BadTarget`].
pub(super) fn target(request: &RequestHeader, scheme: Scheme) -> Result<Target, BadTarget> {
    check_path(request)?;
    let (host, port) = split(named(request)?)?;
    let authority = match port {
        Some(port) if port != scheme.port() => format!("{host}:{port}"),
        _ => host.clone(),
    };
    Ok(Target { host, authority, scheme })
}

/// The authority a request names (RFC 9110 section 7.2): `:authority` or an absolute target before Host.
fn named(request: &RequestHeader) -> Result<&str, BadTarget> {
    let mut fields = request.headers.get_all("host").iter();
    let field = fields.next().map(|value| value.to_str().map_err(|_| BadTarget::Malformed)).transpose()?;
    if fields.next().is_some() {
        return Err(BadTarget::ManyHosts);
    }
    let named = request.uri.authority().map(|authority| authority.as_str());
    if let (Some(named), Some(field)) = (named, field)
        && !named.eq_ignore_ascii_case(field)
    {
        return Err(BadTarget::Mismatch);
    }
    named.or(field).filter(|host| !host.is_empty()).ok_or(BadTarget::NoHost)
}

/// The host of an authority, lower case and without trailing dot, and its port.
fn split(authority: &str) -> Result<(String, Option<&str>), BadTarget> {
    let end = if authority.starts_with('[') {
        authority.find(']').ok_or(BadTarget::Malformed)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(end).ok_or(BadTarget::Malformed)?;
    let port = match rest.strip_prefix(':') {
        Some("") => None,
        Some(port) if port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port),
        None if rest.is_empty() => None,
        _ => return Err(BadTarget::Malformed),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || !host.bytes().all(known) {
        return Err(BadTarget::Malformed);
    }
    Ok((host.to_ascii_lowercase(), port))
}

/// Whether a request target is in absolute form (RFC 9112 section 3.2.2). Pingora has compared its authority with Host, shows its
/// path, and would pass it on as it came.
pub(super) fn is_absolute(request: &RequestHeader) -> bool {
    let raw = request.raw_path();
    let starts = |scheme: &[u8]| raw.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts(b"http://") || starts(b"https://")
}

/// Pingora passes a target it cannot read on as it came while showing `/`, so the bytes themselves are looked at.
fn check_path(request: &RequestHeader) -> Result<(), BadTarget> {
    let raw = request.raw_path();
    let any = raw == b"*" && request.method == http::Method::OPTIONS;
    let known = any || raw.starts_with(b"/") || is_absolute(request);
    if known && raw.is_ascii() { Ok(()) } else { Err(BadTarget::Path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str) -> Result<(String, String), BadTarget> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("host", host).unwrap();
        target(&request, Scheme::Http).map(|target| (target.host, target.authority))
    }

    #[test]
    fn hosts_are_cleaned() {
        for (named, expected) in [
            ("www.Example.com", Ok(("www.example.com", "www.example.com"))),
            ("www.example.com:8080", Ok(("www.example.com", "www.example.com:8080"))),
            ("www.example.com:80", Ok(("www.example.com", "www.example.com"))),
            ("www.example.com:", Ok(("www.example.com", "www.example.com"))),
            ("www.example.com.", Ok(("www.example.com", "www.example.com"))),
            ("[2001:DB8::1]:81", Ok(("[2001:db8::1]", "[2001:db8::1]:81"))),
            ("a/b", Err(BadTarget::Malformed)),
            ("a@b", Err(BadTarget::Malformed)),
            ("a:80x", Err(BadTarget::Malformed)),
            ("a:123456", Err(BadTarget::Malformed)),
            ("[::1", Err(BadTarget::Malformed)),
            ("[::1]80", Err(BadTarget::Malformed)),
            (":80", Err(BadTarget::Malformed)),
        ] {
            let expected = expected.map(|(host, authority)| (host.to_owned(), authority.to_owned()));
            assert_eq!(asked(named), expected, "{named:?}");
        }
    }

    #[test]
    fn two_hosts_in_one_request_are_refused() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        assert_eq!(target(&request, Scheme::Http), Err(BadTarget::NoHost));
        request.append_header("host", "a.example").unwrap();
        assert!(target(&request, Scheme::Http).is_ok());
        request.append_header("host", "b.example").unwrap();
        assert_eq!(target(&request, Scheme::Http), Err(BadTarget::ManyHosts));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let path = |method: &str, target: &[u8]| {
            let mut request = RequestHeader::build(method, b"/", None).unwrap();
            request.set_raw_path(target).unwrap();
            check_path(&request)
        };
        assert_eq!(path("GET", b"/a?b"), Ok(()));
        assert_eq!(path("OPTIONS", b"*"), Ok(()));
        assert_eq!(path("GET", b"http://a.example/b"), Ok(()));
        for bad in [&b"foo"[..], b"*", b"/\xff", b"ftp://a.example/b"] {
            assert_eq!(path("GET", bad), Err(BadTarget::Path), "{}", String::from_utf8_lossy(bad));
        }
    }
}
