//! What a request is aimed at, out of whichever place its protocol puts it, in one spelling: rules, cache key and origin all get
//! this one, so that no client gets past a rule, or stores an answer to one spelling under another, by writing it differently.
//! The query is left as it came: what it means is the origin's to say.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;
use pingora::http::RequestHeader;
use selvedge_filters::cache::Scheme;
use selvedge_filters::path::{self, BadPath};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Target {
    /// Lower case, no port, no trailing dot: what sites and rules know.
    pub(super) host: String,
    /// The same with the port, unless it is the scheme's own: what the cache key and the origin get.
    pub(super) authority: String,
    /// The scheme the client used, as far as anybody who is believed says so.
    pub(super) scheme: Scheme,
    /// The path in normal form, or `*`.
    pub(super) path: String,
    /// The path as it came.
    pub(super) raw_path: String,
    /// What follows `?`, as it came.
    pub(super) query: Option<String>,
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
    Form,
    /// A path without a normal form.
    Path(BadPath),
}

impl BadTarget {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            BadTarget::NoHost => "the request names no host",
            BadTarget::ManyHosts => "the request has several Host fields",
            BadTarget::Mismatch => "Host and the request target name different hosts",
            BadTarget::Malformed => "the host is malformed",
            BadTarget::Form => "the request target is no valid path",
            BadTarget::Path(bad) => bad.as_str(),
        }
    }
}

/// Reads a request's target.
///
/// # Errors
/// [`BadTarget`].
pub(super) fn target(request: &RequestHeader, scheme: Scheme) -> Result<Target, BadTarget> {
    let asked = asked(request, scheme)?;
    Ok(Target { path: normal(&asked.raw_path)?, ..asked })
}

/// The same but for the normal form of its path, which is left empty.
///
/// # Errors
/// [`BadTarget`].
pub(super) fn asked(request: &RequestHeader, scheme: Scheme) -> Result<Target, BadTarget> {
    let (raw_path, query) = parts(request)?;
    let (raw_path, query) = (raw_path.to_owned(), query.map(str::to_owned));
    let (host, port) = split(named(request)?)?;
    let authority = match port {
        Some(port) if port != scheme.port() => format!("{host}:{port}"),
        _ => host.clone(),
    };
    Ok(Target { host, authority, scheme, path: String::new(), raw_path, query })
}

/// The target that another POP found already.
///
/// # Errors
/// [`BadTarget`].
pub(super) fn of_order(
    authority: &str,
    scheme: Scheme,
    (path, query): (String, Option<String>),
) -> Result<Target, BadTarget> {
    let (host, _) = split(authority)?;
    if !path.starts_with('/') {
        return Err(BadTarget::Form);
    }
    Ok(Target { host, authority: authority.to_owned(), scheme, raw_path: path.clone(), path, query })
}

/// The normal form of a path.
///
/// # Errors
/// [`BadTarget::Path`].
pub(super) fn normal(raw_path: &str) -> Result<String, BadTarget> {
    path::normal(raw_path).map(Cow::into_owned).map_err(BadTarget::Path)
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

/// Path and query of a request target in origin form, absolute form or `*` (RFC 9112 section 3.2). Pingora passes a target it
/// cannot read on as it came while showing `/`, so the bytes themselves are looked at.
fn parts(request: &RequestHeader) -> Result<(&str, Option<&str>), BadTarget> {
    let raw = std::str::from_utf8(request.raw_path()).ok().filter(|raw| raw.is_ascii()).ok_or(BadTarget::Form)?;
    if raw == "*" && request.method == http::Method::OPTIONS {
        return Ok((raw, None));
    }
    // A fragment is no part of a target; Pingora drops it as well.
    let raw = raw.split('#').next().unwrap_or(raw);
    let (path, query) = raw.split_once('?').map_or((raw, None), |(path, query)| (path, Some(query)));
    let path = match absolute(path) {
        // Section 3.2.1: an empty path is sent as `/`.
        Some(rest) => rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/"),
        None => path,
    };
    if path.starts_with('/') { Ok((path, query)) } else { Err(BadTarget::Form) }
}

/// What follows the scheme of a target in absolute form; Pingora has compared its authority with Host.
fn absolute(target: &str) -> Option<&str> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Makes a request ask for this path and query, in origin form, whichever it asked for before.
///
/// # Errors
/// [`BadTarget::Form`] when a URI cannot hold them, which leaves the request as it is.
pub(super) fn aim(request: &mut RequestHeader, path: &str, query: Option<&str>) -> Result<(), BadTarget> {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    if request.raw_path() == target.as_bytes() {
        return Ok(());
    }
    let mut parts = request.uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| BadTarget::Form)?);
    request.set_uri(Uri::from_parts(parts).map_err(|_| BadTarget::Form)?);
    Ok(())
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

    fn aimed(method: &str, raw: &[u8]) -> Result<(String, String, Option<String>), BadTarget> {
        let mut request = RequestHeader::build(method, b"/", None).unwrap();
        request.append_header("host", "a.example").unwrap();
        request.set_raw_path(raw).unwrap();
        let target = target(&request, Scheme::Http)?;
        aim(&mut request, &target.path, target.query.as_deref())?;
        let sent = String::from_utf8(request.raw_path().to_vec()).unwrap();
        Ok((sent, target.raw_path, target.query))
    }

    #[test]
    fn one_spelling_is_sent_and_the_other_remembered() {
        for (raw, sent, raw_path, query) in [
            (&b"/a?b"[..], "/a?b", "/a", Some("b")),
            (b"/a?", "/a?", "/a", Some("")),
            (b"/%6Cogin?x=%6c&y=/../", "/login?x=%6c&y=/../", "/%6Cogin", Some("x=%6c&y=/../")),
            (b"/a/../login", "/login", "/a/../login", None),
            (b"//login", "/login", "//login", None),
            (b"/%2e%2e/x", "/x", "/%2e%2e/x", None),
            (b"/%252e", "/%252e", "/%252e", None),
            (b"http://a.example/%6C", "/l", "/%6C", None),
            (b"HTTP://a.example?b=/c", "/?b=/c", "/", Some("b=/c")),
            (b"http://a.example", "/", "/", None),
        ] {
            let expected = (sent.to_owned(), raw_path.to_owned(), query.map(str::to_owned));
            assert_eq!(aimed("GET", raw), Ok(expected), "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(aimed("OPTIONS", b"*"), Ok(("*".to_owned(), "*".to_owned(), None)));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in [&b"foo"[..], b"*", b"/\xff", b"ftp://a.example/b"] {
            assert_eq!(aimed("GET", bad), Err(BadTarget::Form), "{}", String::from_utf8_lossy(bad));
        }
        for (bad, why) in [(&b"/%"[..], BadPath::Escape), (b"/%zz", BadPath::Escape), (b"/a%00", BadPath::Nul)] {
            assert_eq!(aimed("GET", bad), Err(BadTarget::Path(why)), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn the_authority_of_http_2_stays() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_uri("https://a.example/%61?q".parse().unwrap());
        let target = target(&request, Scheme::Https).unwrap();
        aim(&mut request, &target.path, target.query.as_deref()).unwrap();
        assert_eq!(request.uri, "https://a.example/a?q");
    }
}
