//! A name that nothing has: what is told then.

/// In words: there is none of that name, which there are, and which may have been meant.
pub(super) fn unknown<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let meant = selvedge_conf::nearest(name, names.iter().copied());
    let meant = meant.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
    match names.as_slice() {
        [] => format!("there is no {what} {name:?}, nor any other"),
        names => format!("there is no {what} {name:?}; there are: {}{meant}", names.join(", ")),
    }
}
