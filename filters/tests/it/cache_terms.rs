//! What is stored on terms: by caches that know its status.

use selvedge_filters::cache::NotStored;

use crate::cache::decide;

/// RFC 9111 section 5.2.2.3: a cache that knows the status does not obey the `no-store` beside `must-understand`.
#[test]
fn must_understand_replaces_no_store_where_the_status_is_known() {
    let with =
        |status, said: &str| decide(status, &[&format!("cache-control: max-age=60, {said}")], false, 0).map(|_| ());
    for status in [200, 204, 301, 404, 501] {
        assert_eq!(with(status, "no-store, must-understand"), Ok(()), "{status}");
        assert_eq!(with(status, "no-store"), Err(NotStored::NoStore), "{status}");
    }
    for status in [201, 418, 500, 599] {
        assert_eq!(with(status, "no-store, must-understand"), Err(NotStored::Status), "{status}");
        assert_eq!(with(status, "must-understand"), Err(NotStored::Status), "{status}");
    }
    assert_eq!(with(200, "no-store, must-understand, private"), Err(NotStored::Private));
}
