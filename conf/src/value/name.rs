//! Names: short, without spaces, safe in logs, metrics and file names.

use super::{Wrong, shown};

const NAME_LONGEST: usize = 64;
const LABEL_LONGEST: usize = 32;

/// The name of an origin, a limit, a rule and their like: 1 to 64 characters of `[A-Za-z0-9._-]`.
pub(crate) fn name(text: &str) -> Result<String, Wrong> {
    let fits = (1..=NAME_LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("`{}` cannot be a name", shown(text)));
    Err(wrong.advice("a name has 1 to 64 letters, digits, `.`, `_` and `-`"))
}

/// The name of a POP or region: 1 to 32 characters of `[a-z0-9-]`.
pub(crate) fn label(text: &str) -> Result<String, Wrong> {
    let fits = (1..=LABEL_LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("`{}` cannot be the name of a POP or region", shown(text)));
    Err(wrong.advice("it has 1 to 32 lower-case letters, digits and `-`"))
}

/// The name of a header field in lower case (RFC 9110 section 5.6.2, `token`).
pub(crate) fn field_name(text: &str) -> Result<String, Wrong> {
    const LONGEST: usize = 256;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if (1..=LONGEST).contains(&text.len()) && text.bytes().all(token) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::new(format!("`{}` cannot be the name of a header", shown(text))))
}

/// The name of a cookie: a token (RFC 6265 section 4.1.1).
pub(crate) fn cookie_name(text: &str) -> Result<String, Wrong> {
    const LONGEST: usize = 64;
    match field_name(text) {
        Ok(_) if text.len() <= LONGEST => Ok(text.to_owned()),
        _ => {
            let wrong = Wrong::new(format!("`{}` cannot be the name of a cookie", shown(text)));
            Err(wrong.advice("it has 1 to 64 letters, digits and characters such as `-` and `_`"))
        }
    }
}
