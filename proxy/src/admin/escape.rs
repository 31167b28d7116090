//! Text in a path or query: the one way in which both ends of the admin socket write it.

use std::fmt::Write;

/// Percent-encodes all but unreserved characters (RFC 3986 section 2.3).
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
