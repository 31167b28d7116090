//! Absolute URLs, as tests of rules write them.

use super::{Wrong, host_name, shown};

/// The longest URL, in bytes.
const LONGEST: usize = 8192;

/// An `http` or `https` URL with a host, without user and fragment; path and query as they are written, because what is
/// tested may be how the edge reads a strange one.
pub(crate) fn url(text: &str) -> Result<String, Wrong> {
    let malformed = |help: &str| Wrong::new(format!("`{}` is not a URL", shown(text))).advice(help);
    const EXAMPLE: &str = "write it as \"https://www.example.com/path\"";
    if text.len() > LONGEST {
        return Err(malformed("it has at most 8192 bytes"));
    }
    let rest = match text.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some(_) => return Err(malformed("the schemes are http and https")),
        None => return Err(malformed(EXAMPLE)),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if port.is_empty() || is_port(port) => host,
        Some(_) => return Err(malformed(EXAMPLE)),
        None => match authority.find(':') {
            Some(colon) if is_port(authority.get(colon..).unwrap_or_default()) => {
                authority.get(..colon).unwrap_or_default()
            }
            Some(_) => return Err(malformed(EXAMPLE)),
            None => authority,
        },
    };
    host_name(host).map_err(|wrong| wrong.advice(EXAMPLE))?;
    if path.contains('#') {
        return Err(malformed("what follows `#` is never sent"));
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(malformed("white space is written %20"));
    }
    Ok(text.to_owned())
}

/// `:` and a port.
fn is_port(text: &str) -> bool {
    let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix(':').filter(digits).is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
