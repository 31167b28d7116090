//! The name of a stored response: scheme, authority, path, query, and the origin where rules choose one, each with its length in
//! front, so that no two different requests spell the same name.

/// The format of the name. Part of it, so that a change of format is a cold cache and not a wrong answer.
const FORMAT: u8 = 2;

/// The scheme a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scheme {
    /// Plain text.
    #[default]
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it is written in a URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that is meant when none is written (RFC 9110 sections 4.2.1 and 4.2.2).
    pub fn port(self) -> &'static str {
        match self {
            Scheme::Http => "80",
            Scheme::Https => "443",
        }
    }
}

/// What names a stored response (RFC 9111 section 2: the target URI; GET and HEAD share).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// The scheme the client used.
    pub scheme: Scheme,
    /// The host in lower case, with the port unless it is the scheme's own.
    pub authority: &'a str,
    /// The path in normal form.
    pub path: &'a str,
    /// What follows `?`, as it came; an empty query is not an absent one.
    pub query: Option<&'a str>,
    /// The origin, when a rule chose another than the site's.
    pub origin: Option<&'a str>,
}

impl KeyParts<'_> {
    /// The bytes to hash. Equal only for equal parts.
    pub fn encode(&self) -> Vec<u8> {
        self.framed(None)
    }

    /// The same under a policy's key, which is spelled like this.
    pub(super) fn encode_under(&self, key: &[u8]) -> Vec<u8> {
        self.framed(Some(key))
    }

    fn framed(&self, key: Option<&[u8]>) -> Vec<u8> {
        let (query, origin) = (self.query.unwrap_or(""), self.origin.unwrap_or(""));
        let lengths = self.authority.len() + self.path.len() + query.len() + origin.len();
        let mut name = Vec::with_capacity(3 + 5 * 8 + lengths + key.map_or(0, <[u8]>::len));
        name.push(FORMAT);
        name.push(match self.scheme {
            Scheme::Http => 0,
            Scheme::Https => 1,
        });
        name.push(u8::from(self.query.is_some()) | u8::from(self.origin.is_some()) << 1 | u8::from(key.is_some()) << 2);
        for part in [self.authority, self.path, query, origin] {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part.as_bytes());
        }
        if let Some(key) = key {
            name.extend_from_slice(&(key.len() as u64).to_be_bytes());
            name.extend_from_slice(key);
        }
        name
    }
}
