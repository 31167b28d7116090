//! `${NAME}` in the values that allow it: server addresses and file paths.

use super::{Wrong, shown};

/// The longest value after expansion, in bytes.
const LONGEST: usize = 4096;

/// Replaces each `${NAME}` by the environment variable. A `$` without `{` is itself.
pub(crate) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Wrong> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (name, next) = after
            .split_once('}')
            .ok_or_else(|| Wrong::new("`${` without `}`").advice("an environment variable is written `${NAME}`"))?;
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain {
            return Err(Wrong::new(format!("`{}` cannot name an environment variable", shown(name))));
        }
        let value =
            env(name).ok_or_else(|| Wrong::new(format!("the environment variable `{}` is not set", shown(name))))?;
        out.push_str(&value);
        rest = next;
    }
    out.push_str(rest);
    if out.len() > LONGEST {
        return Err(Wrong::new(format!("{} bytes after expansion; at most {LONGEST} fit here", out.len())));
    }
    Ok(out)
}
