//! A name that nothing has: what is told then.

/// In words: there is none of that name, and which there are.
pub(super) fn unknown<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => format!("there is no {what} {name:?}, nor any other"),
        names => format!("there is no {what} {name:?}; there are: {}", names.join(", ")),
    }
}
