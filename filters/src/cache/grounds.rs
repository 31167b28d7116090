//! Why a response lives so long in this cache.

/// What said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grounds {
    /// A rule.
    Rule,
    /// `ttl` of a policy.
    Ttl,
    /// `ttl_default` of a policy: the response says nothing.
    TtlDefault,
    /// `ttl_max` of a policy: the response says more.
    TtlMax,
    /// `negative_ttl` of a policy: the response says nothing.
    NegativeTtl,
    /// `CDN-Cache-Control` (RFC 9213).
    Targeted,
    /// `s-maxage`.
    SMaxage,
    /// `max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// `Last-Modified`: it is guessed (RFC 9111 section 4.2.2).
    Guessed,
    /// `no-cache`: it is validated by each use.
    NoCache,
}

const ALL: [Grounds; 11] = [
    Grounds::Rule,
    Grounds::Ttl,
    Grounds::TtlDefault,
    Grounds::TtlMax,
    Grounds::NegativeTtl,
    Grounds::Targeted,
    Grounds::SMaxage,
    Grounds::MaxAge,
    Grounds::Expires,
    Grounds::Guessed,
    Grounds::NoCache,
];

impl Grounds {
    /// Of the name that it is reported by.
    pub fn named(name: &str) -> Option<Grounds> {
        ALL.into_iter().find(|grounds| grounds.as_str() == name)
    }

    /// A stable name, for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Grounds::Rule => "rule",
            Grounds::Ttl => "ttl",
            Grounds::TtlDefault => "ttl_default",
            Grounds::TtlMax => "ttl_max",
            Grounds::NegativeTtl => "negative_ttl",
            Grounds::Targeted => "CDN-Cache-Control",
            Grounds::SMaxage => "s-maxage",
            Grounds::MaxAge => "max-age",
            Grounds::Expires => "Expires",
            Grounds::Guessed => "Last-Modified",
            Grounds::NoCache => "no-cache",
        }
    }

    /// Whether a policy said it.
    pub fn is_of_policy(self) -> bool {
        matches!(self, Grounds::Ttl | Grounds::TtlDefault | Grounds::TtlMax | Grounds::NegativeTtl)
    }
}
