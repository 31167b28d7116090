//! `[[cache]]`: what a policy says, and what it leaves to the response.

use std::time::Duration;

use selvedge_conf::{CachePolicy, CacheTimes, Caching, Keying, OnError, ParamName, QueryKey, Storing};

use crate::support::load;

fn policy(keys: &str) -> CachePolicy {
    let text = format!("[listen]\nhttp = [\"0.0.0.0:1\"]\n[[cache]]\nname = \"c\"\n{keys}\n");
    let config = load(&text).unwrap_or_else(|report| panic!("{report}"));
    let [policy] = config.caches.as_slice() else { panic!("one policy") };
    policy.clone()
}

fn storing(keys: &str) -> Storing {
    match policy(keys).does {
        Caching::Store(storing) => *storing,
        Caching::Pass => panic!("it passes"),
    }
}

#[test]
fn a_policy_passes_or_stores() {
    let passing = policy("pass = true\nwhen = 'request.path == \"/\"'");
    assert_eq!((passing.does, passing.when.is_some(), passing.sites), (Caching::Pass, true, vec![]));
    assert_eq!(
        storing("ttl = \"1h\"").times,
        CacheTimes { ttl: Some(Duration::from_secs(3600)), ..CacheTimes::default() }
    );
    let second = |seconds| Some(Duration::from_secs(seconds));
    let times = storing(
        "ttl_default = \"1s\"\nttl_max = \"2s\"\nnegative_ttl = \"3s\"\nstale_while_revalidate = \"4s\"\nstale_if_error = \"5s\"\non_error = \"stale\"",
    );
    let expected = CacheTimes {
        ttl: None,
        ttl_default: second(1),
        ttl_max: second(2),
        negative_ttl: second(3),
        stale_while_revalidate: second(4),
        stale_if_error: second(5),
        on_error: OnError::Stale,
    };
    assert_eq!(times.times, expected);
    assert_eq!(storing("object_max = \"1MiB\"").object_max, Some(1 << 20));
    let slices = storing("slice = \"1MiB\"");
    assert_eq!((slices.slice, slices.object_max), (Some(1 << 20), None));
}

#[test]
fn names_are_sorted_and_each_there_once() {
    let named = storing(
        "key = { query = { without = [\"utm_*\", \"gclid\", \"gclid\"], sort = true }, \
         headers = [\"X-B\", \"x-a\", \"x-b\"], cookies = [\"lang\", \"Lang\"] }\n\
         vary = { ignore = [\"User-Agent\"] }\ntags = [\"X-Tags\"]",
    );
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let without = vec![ParamName::Is("gclid".to_owned()), ParamName::Starts("utm_".to_owned())];
    let key = Keying {
        query: QueryKey::Without(without),
        sort: true,
        headers: strings(&["x-a", "x-b"]),
        cookies: strings(&["Lang", "lang"]),
    };
    assert_eq!(named.key, key);
    assert_eq!((named.vary_ignore, named.tags), (strings(&["user-agent"]), strings(&["x-tags"])));
    assert_eq!(storing("key = { query = { only = [] } }").key.query, QueryKey::Only(vec![]));
}
