//! Why a cookie is none that is believed.

/// A reason. All of them come to the same for rules: there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It is longer than any that is given.
    Overlong,
    /// It is no text of this kind.
    Malformed,
    /// It ends too early, or goes on too long, for what it says that it holds.
    Truncated,
    /// It is of a format that is not known here.
    Version,
    /// It was signed by no key that this session has: by one that was retired, or for a session of another name.
    Key,
    /// Its signature is none of the key that it names.
    Forged,
    /// The session has come to its end.
    Expired,
}

impl Invalid {
    /// Each of them, in the order in which they are looked for.
    pub const ALL: [Invalid; 7] = [
        Invalid::Overlong,
        Invalid::Malformed,
        Invalid::Truncated,
        Invalid::Version,
        Invalid::Key,
        Invalid::Forged,
        Invalid::Expired,
    ];

    /// In a word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Invalid::Overlong => "overlong",
            Invalid::Malformed => "malformed",
            Invalid::Truncated => "truncated",
            Invalid::Version => "version",
            Invalid::Key => "key",
            Invalid::Forged => "forged",
            Invalid::Expired => "expired",
        }
    }
}
