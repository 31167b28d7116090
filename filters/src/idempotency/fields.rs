//! Which fields of a response are kept for its repeats. Those are answers to the same client, so all of them are, what it was to remember (`Set-Cookie`) as well; but not
//! those of one connection or one frame, and none by which an edge speaks.

use http::HeaderName;
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};

/// Fields of one hop (RFC 9110 section 7.6.1) and of one framing: what is kept has a length of its own.
const FRAMING: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// The same, which have no constant; and those of an edge.
const OTHERS: [&str; 5] =
    ["keep-alive", "proxy-connection", "selvedge-answer", "selvedge-fence", "selvedge-idempotency"];

/// Whether a field of a response is kept.
pub fn is_kept(name: &HeaderName) -> bool {
    !FRAMING.contains(name) && !OTHERS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_connection_is_not_kept() {
        for (name, kept) in [
            ("set-cookie", true),
            ("location", true),
            ("date", true),
            ("content-type", true),
            ("content-encoding", true),
            ("connection", false),
            ("keep-alive", false),
            ("content-length", false),
            ("transfer-encoding", false),
            ("selvedge-fence", false),
        ] {
            assert_eq!(is_kept(&name.parse().unwrap()), kept, "{name}");
        }
    }
}
