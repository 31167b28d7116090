//! What keys and requests are told apart by: SHA-256 over their parts, each behind its length. No key of a cluster goes into it, since a name has to
//! mean the same after a secret was changed; nobody learns of a client's key from it, and nobody finds two that share one.

use std::fmt;

use ring::digest::{Context, SHA256};

/// Bytes of a hash.
const LEN: usize = 32;

/// What a key is called: by policy, site, whose it is, and its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name([u8; LEN]);

/// What a request asks for: by method, target, media type and body. Another one under the same key is another request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Print([u8; LEN]);

macro_rules! hash {
    ($name:ident) => {
        impl $name {
            /// The hash, as it is written down.
            pub fn to_bytes(self) -> [u8; LEN] {
                self.0
            }

            /// One that was written down.
            pub fn from_bytes(bytes: [u8; LEN]) -> $name {
                $name(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hash!(Name);
hash!(Print);

impl Name {
    /// Reads one as it is displayed: 64 hex digits.
    pub fn parse(text: &str) -> Option<Name> {
        let digits: Vec<u8> = text
            .bytes()
            .map(|digit| (digit as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let mut bytes = [0; LEN];
        if digits.len() != 2 * LEN {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        }
        Some(Name(bytes))
    }

    /// Of its parts, in order.
    pub(crate) fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Name {
        Name(hashed(b"selvedge idempotency name 1", parts))
    }
}

/// What a request asks for.
pub fn print(method: &str, authority: &str, target: [&str; 2], media: &[u8], body: &[u8]) -> Print {
    let [path, query] = target.map(str::as_bytes);
    let parts = [method.as_bytes(), authority.as_bytes(), path, query, media, body];
    Print(hashed(b"selvedge idempotency print 1", parts))
}

/// No two lists of parts are the same bytes.
fn hashed<'p>(what: &'p [u8], parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; LEN] {
    let mut hash = Context::new(&SHA256);
    for part in std::iter::once(what).chain(parts) {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; LEN];
    bytes.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_one_another() {
        let name = |parts: &[&str]| Name::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_ne!(name(&["", "a"]), name(&["a", ""]));
        assert_eq!(name(&["a", "b"]), name(&["a", "b"]));
    }

    /// POPs of other versions call keys the same.
    #[test]
    fn names_and_prints_never_change() {
        let name = Name::of([&b"payments"[..], b"a.example", b"", b"8e03978e"]);
        assert_eq!(name.to_string(), "441b3bb82e84036a2422bb03b9fcbab80d5248e5c6e563d8b2d9956a9f2be0f3");
        assert_eq!(Name::parse(&name.to_string()), Some(name));
        assert_eq!((Name::parse(""), Name::parse(&"x".repeat(64))), (None, None));
        let print = print("POST", "a.example", ["/pay", "a=1"], b"application/json", b"{}");
        assert_eq!(print.to_string(), "8d5ebf85bfdc1d02ffca845c768dd5b4ccb62dfddc9534454385f18186f25280");
        assert_eq!(Print::from_bytes(print.to_bytes()), print);
    }

    #[test]
    fn each_part_of_a_request_counts() {
        let one = print("POST", "a", ["/", ""], b"", b"");
        for other in [
            print("PATCH", "a", ["/", ""], b"", b""),
            print("POST", "b", ["/", ""], b"", b""),
            print("POST", "a", ["/a", ""], b"", b""),
            print("POST", "a", ["/", "a"], b"", b""),
            print("POST", "a", ["/", ""], b"a", b""),
            print("POST", "a", ["/", ""], b"", b"a"),
        ] {
            assert_ne!(one, other);
        }
    }
}
