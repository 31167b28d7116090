//! Fields that speak of one client's limits: whoever is served from the cache is another client, or the same one later.

use http::{HeaderMap, HeaderName};

/// What begins like this tells how much of a limit is left (draft-ietf-httpapi-ratelimit-headers, and its forerunners, which no document
/// defines).
const PREFIXES: [&str; 3] = ["ratelimit", "x-ratelimit-", "x-rate-limit-"];

/// The fields of a response that are never stored with it, each once. They pass on with the response itself.
pub fn of_one_client(headers: &HeaderMap) -> Vec<HeaderName> {
    let is_personal = |name: &&HeaderName| PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    headers.keys().filter(is_personal).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_one_clients_limits() {
        let mut headers = HeaderMap::new();
        for name in [
            "ratelimit",
            "ratelimit-policy",
            "ratelimit-reset",
            "x-ratelimit-limit",
            "x-rate-limit-remaining",
            "etag",
            "x-rate",
        ] {
            headers.append(name, "1".parse().unwrap());
            headers.append(name, "2".parse().unwrap());
        }
        let mut found: Vec<String> = of_one_client(&headers).iter().map(HeaderName::to_string).collect();
        found.sort();
        let expected =
            ["ratelimit", "ratelimit-policy", "ratelimit-reset", "x-rate-limit-remaining", "x-ratelimit-limit"];
        assert_eq!(found, expected);
    }
}
