//! Why a solution leads to no pass, or a pass lets nobody through.

/// A reason. Rules know that there is no pass, metrics know why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than any that is given.
    Overlong,
    /// It is no text of this kind.
    Malformed,
    /// It is of a format that is not known here, or the one where the other is asked for.
    Version,
    /// It was signed by no key that there is: by one that was retired, or by others.
    Key,
    /// Its signature is none of the key that it names.
    Forged,
    /// It is too late for it.
    Expired,
    /// It is for a client of another network.
    Network,
    /// It is for another host.
    Host,
    /// The number does not solve the puzzle.
    Unsolved,
}

impl Refused {
    /// Each of them, in the order in which they are looked for.
    pub const ALL: [Refused; 9] = [
        Refused::Overlong,
        Refused::Malformed,
        Refused::Version,
        Refused::Key,
        Refused::Forged,
        Refused::Expired,
        Refused::Network,
        Refused::Host,
        Refused::Unsolved,
    ];

    /// In a word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refused::Overlong => "overlong",
            Refused::Malformed => "malformed",
            Refused::Version => "version",
            Refused::Key => "key",
            Refused::Forged => "forged",
            Refused::Expired => "expired",
            Refused::Network => "network",
            Refused::Host => "host",
            Refused::Unsolved => "unsolved",
        }
    }
}
