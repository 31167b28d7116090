//! "Did you mean": the nearest of the possible names, by edit distance.

/// Names further away than this many edits are no help.
const DISTANCE_MAX: usize = 2;
/// Longer text is not a mistyped name, and comparing it would cost time.
const LENGTH_MAX: usize = 64;

/// Comparing with more names than this would cost time, too.
const NAMES_MAX: usize = 128;

/// The name nearest to `written`, if one is near enough; the first of equals.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = written.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let written = written.to_lowercase();
    // A short name turns into any other in two edits.
    let allowed = DISTANCE_MAX.min(length / 2);
    names
        .into_iter()
        .take(NAMES_MAX)
        // The distance is at least the difference in length, which costs nothing to know.
        .filter(|name| name.chars().count().abs_diff(length) <= allowed)
        .map(|name| (strsim::osa_distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Help for a wrong name: the nearest one, else all of them if they are few.
pub(crate) fn among<'a, I: IntoIterator<Item = &'a str>>(written: &str, names: impl Fn() -> I) -> Option<String> {
    const FEW: usize = 20;
    if let Some(name) = nearest(written, names()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<String> = names().into_iter().take(FEW + 1).map(|name| format!("`{name}`")).collect();
    match all.as_slice() {
        [] => None,
        [only] => Some(format!("{only} is possible here")),
        all if all.len() <= FEW => Some(format!("possible here: {}", all.join(", "))),
        _ => None,
    }
}
