//! All names of one response.

use super::name::Name;
use super::tags::Tags;
use crate::cache::KeyParts;

/// The segments of a path by whose runs a response is purged.
pub const DEPTH_MAX: usize = 16;

/// The names of a response that is stored for these places, each once: the URL that it is stored under, and the one that was asked
/// for where rules changed it.
pub fn names<'a>(places: &[KeyParts<'a>], tags: &'a Tags) -> Vec<Name<'a>> {
    let mut names = vec![Name::All];
    let mut add = |name: Name<'a>| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for KeyParts { scheme, authority, path, query, .. } in places.iter().copied() {
        add(Name::Host(authority));
        add(Name::Url { scheme, authority, path, query });
        runs(path).for_each(|path| add(Name::Prefix { authority, path }));
        tags.groups().for_each(|name| add(Name::Group { authority, name }));
    }
    tags.tags().for_each(|tag| add(Name::Tag(tag)));
    names
}

/// The leading runs of whole segments of a path in normal form, as prefixes are named: `/`, then the first segment, and so on to
/// the whole path, or to [`DEPTH_MAX`] segments. A `/` at the end makes no segment.
pub fn runs(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    let runs = ends.filter_map(|end| path.get(..end)).filter(|run| !run.is_empty());
    std::iter::once("/").chain(runs.take(DEPTH_MAX))
}
