//! What an origin has purged by what it says of a change: the groups of `Cache-Group-Invalidation` (RFC 9875 section 3).

use http::{HeaderMap, StatusCode};

use super::tags::{TAG_MAX, TAGS_MAX, groups};
use super::wanted::Wanted;
use crate::cache::is_change;

/// What is to be purged once the final response to a request is here: each group of the authority once, and all of the authority where there are more
/// than [`TAGS_MAX`]. Nothing after a safe method or an error, and nothing where any line is no list of strings (RFC 9651 section 4.2).
pub fn said_to_purge(method: &str, status: StatusCode, authority: &str, response: &HeaderMap) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    if !is_change(method, status) {
        return wanted;
    }
    for line in response.get_all("cache-group-invalidation") {
        let read = groups(line.as_bytes(), |group| {
            let name = Wanted::Group { authority: authority.to_owned(), name: group.to_vec() };
            // What is stored has none that is empty or longer.
            if (1..=TAG_MAX).contains(&group.len()) && !wanted.contains(&name) && wanted.len() <= TAGS_MAX {
                wanted.push(name);
            }
            Ok(())
        });
        if read.is_err() {
            return Vec::new();
        }
    }
    if wanted.len() > TAGS_MAX { vec![Wanted::Host(authority.to_owned())] } else { wanted }
}
