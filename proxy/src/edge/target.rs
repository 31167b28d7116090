//! What a request is aimed at: its host, cleaned, out of whichever place its protocol puts it.

use pingora::http::RequestHeader;

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
    /// A path that does not start with `/`, and is not `*`; or with bytes that no URI has (RFC 3986 section 2), which rules
    /// and cache would see other than the origin does.
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

/// The authority a request names (RFC 9110 section 7.2): `:authority` or an absolute target before Host.
///
/// # Errors
/// [`BadTarget`].
pub(super) fn authority(request: &RequestHeader) -> Result<&str, BadTarget> {
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

/// The host of an authority: lower case, without port and trailing dot.
///
/// # Errors
/// [`BadTarget::Malformed`].
pub(super) fn host(authority: &str) -> Result<String, BadTarget> {
    let host = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(BadTarget::Malformed)?;
        authority.get(..=end).ok_or(BadTarget::Malformed)?
    } else {
        authority.split(':').next().unwrap_or(authority)
    };
    let rest = authority.get(host.len()..).unwrap_or("");
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || !host.bytes().all(known) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadTarget::Malformed);
    }
    Ok(host.to_ascii_lowercase())
}

/// The path of a request.
///
/// # Errors
/// [`BadTarget::Path`].
pub(super) fn path(request: &RequestHeader) -> Result<&str, BadTarget> {
    let path = request.uri.path();
    if !request.raw_path().is_ascii() {
        return Err(BadTarget::Path);
    }
    if path.starts_with('/') || (path == "*" && request.method == http::Method::OPTIONS) {
        Ok(path)
    } else {
        Err(BadTarget::Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_cleaned() {
        for (authority, expected) in [
            ("www.Example.com", Ok("www.example.com")),
            ("www.example.com:8080", Ok("www.example.com")),
            ("www.example.com.", Ok("www.example.com")),
            ("[2001:DB8::1]:80", Ok("[2001:db8::1]")),
            ("", Err(BadTarget::Malformed)),
            ("a/b", Err(BadTarget::Malformed)),
            ("a@b", Err(BadTarget::Malformed)),
            ("a:80x", Err(BadTarget::Malformed)),
            ("[::1", Err(BadTarget::Malformed)),
            ("[::1]x", Err(BadTarget::Malformed)),
        ] {
            assert_eq!(host(authority), expected.map(str::to_owned), "{authority:?}");
        }
    }

    #[test]
    fn two_hosts_in_one_request_are_refused() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        assert_eq!(authority(&request), Err(BadTarget::NoHost));
        request.append_header("host", "a.example").unwrap();
        assert_eq!(authority(&request), Ok("a.example"));
        request.append_header("host", "b.example").unwrap();
        assert_eq!(authority(&request), Err(BadTarget::ManyHosts));
    }
}
