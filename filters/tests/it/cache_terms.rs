//! What is stored on terms: to be validated at each use, or by caches that know its status.

use http::StatusCode;
use selvedge_filters::cache::{Answer, Asked, NotStored, Reuse, Stored, freshness};

use crate::cache::{decide, fields, now};

const ETAG: &str = "etag: W/\"a\"";
const CHANGED: &str = "last-modified: Sun, 06 Nov 1994 08:32:57 GMT";

/// RFC 9111 section 5.2.2.4: `no-cache` may be stored, and not be used without a validation that succeeds.
#[test]
fn no_cache_is_stored_where_it_can_be_validated_and_is_never_fresh_nor_stale() {
    let table: &[(&[&str], Result<(), NotStored>)] = &[
        (&["cache-control: no-cache", ETAG], Ok(())),
        (&["cache-control: no-cache", CHANGED], Ok(())),
        (&["cache-control: max-age=60, no-cache, stale-while-revalidate=9, stale-if-error=9", ETAG], Ok(())),
        (&["cache-control: no-cache=\"x-a\", max-age=60", ETAG], Ok(())),
        (&["cdn-cache-control: no-cache", "cache-control: max-age=60", ETAG], Ok(())),
        (&["cache-control: no-cache"], Err(NotStored::NoCache)),
        (&["cache-control: no-cache, max-age=60"], Err(NotStored::NoCache)),
        (&["cache-control: no-cache, no-store", ETAG], Err(NotStored::NoStore)),
        (&["cache-control: no-cache, private", ETAG], Err(NotStored::Private)),
        (&["cache-control: no-cache", ETAG, "set-cookie: a=b"], Err(NotStored::SetCookie)),
        (&["cache-control: no-cache", ETAG, "vary: *"], Err(NotStored::VaryAny)),
    ];
    for (lines, expected) in table {
        let stored = decide(200, lines, false, 0);
        assert_eq!(stored.map(|_| ()), *expected, "{lines:?}");
        let Ok(Stored { fresh_for, stale_while_revalidate, stale_if_error, stale_if_unreachable, reuse, .. }) = stored
        else {
            continue;
        };
        assert_eq!(reuse, Reuse::Validated, "{lines:?}");
        assert!((fresh_for + stale_while_revalidate + stale_if_error + stale_if_unreachable).is_zero(), "{lines:?}");
    }
    let fresh = decide(200, &["cache-control: max-age=60", ETAG], false, 0).expect("stored");
    assert_eq!(fresh.reuse, Reuse::WhileFresh);
}

/// Section 3.5 holds there too, and what a request with a cookie was answered is left alone.
#[test]
fn no_cache_keeps_nothing_that_may_be_one_clients_own() {
    let said = |lines: &[&str], asked| {
        freshness(&Answer {
            status: StatusCode::OK,
            headers: &fields(lines),
            asked,
            request_time: now(),
            response_time: now(),
        })
        .map(|_| ())
    };
    let authorized = Asked { authorized: true, ..Asked::default() };
    assert_eq!(said(&["cache-control: no-cache", ETAG], authorized), Err(NotStored::Authorization));
    assert_eq!(said(&["cache-control: no-cache, public", ETAG], authorized), Ok(()));
    let cookie = Asked { cookie: true, ..Asked::default() };
    assert_eq!(said(&["cache-control: no-cache, public", ETAG], cookie), Err(NotStored::NoCache));
    assert_eq!(said(&["cache-control: max-age=60", ETAG], cookie), Ok(()), "this one says that it is for all");
}

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
