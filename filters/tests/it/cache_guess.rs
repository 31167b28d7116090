//! A lifetime by its age, for a response that does not say it.

use std::time::Duration;

use http::StatusCode;
use selvedge_conf::{CacheTimes, OnError};
use selvedge_filters::cache::{Answer, Asked, Lifetime, NotStored, freshness};

use crate::cache::{fields, now};

const NO_TIMES: CacheTimes = CacheTimes {
    ttl: None,
    ttl_default: None,
    ttl_max: None,
    negative_ttl: None,
    stale_while_revalidate: None,
    stale_if_error: None,
    on_error: OnError::Said,
};
const ASKED: Asked = Asked { authorized: false, cookie: false, heuristic: true, ruled: None, times: NO_TIMES };
/// 1000 seconds before now.
const CHANGED: &str = "last-modified: Sun, 06 Nov 1994 08:32:57 GMT";
const YEAR_AGO: &str = "last-modified: Sat, 06 Nov 1993 08:49:37 GMT";

/// Seconds of freshness.
fn guess(asked: Asked, status: u16, lines: &[&str]) -> Result<u64, NotStored> {
    let stored = freshness(&Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &fields(lines),
        asked,
        request_time: now(),
        response_time: now(),
    })?;
    Ok(stored.fresh_for.as_secs())
}

/// RFC 9111 section 4.2.2: a fraction of the time since the last change, 10 % as it proposes; here at most an hour.
#[test]
fn a_tenth_of_its_age_is_guessed_where_nothing_explicit_is_said() {
    let table: &[(&[&str], Result<u64, NotStored>)] = &[
        (&[CHANGED], Ok(100)),
        (&[YEAR_AGO], Ok(3600)),
        (&[CHANGED, "date: Sun, 06 Nov 1994 08:34:37 GMT"], Ok(10)),
        (&[CHANGED, "age: 40"], Ok(60)),
        (&[CHANGED, "age: 100"], Err(NotStored::Stale)),
        (&[CHANGED, "cache-control: public"], Ok(100)),
        (&[CHANGED, "cdn-cache-control: public"], Ok(100)),
        // What is explicit is not guessed, even where it cannot be read.
        (&[CHANGED, "cache-control: max-age=5"], Ok(5)),
        (&[CHANGED, "cache-control: max-age=0"], Err(NotStored::Stale)),
        (&[CHANGED, "cache-control: max-age=soon"], Err(NotStored::Stale)),
        (&[CHANGED, "expires: 0"], Err(NotStored::Stale)),
        // There is nothing to guess by.
        (&[], Err(NotStored::NoLifetime)),
        (&["last-modified: yesterday"], Err(NotStored::NoLifetime)),
        (&["last-modified: Sun, 06 Nov 1994 08:49:37 GMT"], Err(NotStored::NoLifetime)),
        (&["last-modified: Sun, 06 Nov 1994 08:50:37 GMT"], Err(NotStored::NoLifetime)),
        // It was not meant to be kept, or not for all.
        (&[CHANGED, "pragma: no-cache"], Err(NotStored::NoLifetime)),
        (&[CHANGED, "pragma: x, No-Cache"], Err(NotStored::NoLifetime)),
        (&[CHANGED, "cache-control: no-store"], Err(NotStored::NoStore)),
        (&[CHANGED, "cache-control: private"], Err(NotStored::Private)),
        (&[CHANGED, "set-cookie: a=b"], Err(NotStored::SetCookie)),
        (&[CHANGED, "vary: *"], Err(NotStored::VaryAny)),
    ];
    for (lines, expected) in table {
        assert_eq!(guess(ASKED, 200, lines), *expected, "{lines:?}");
    }
}

#[test]
fn it_is_guessed_only_where_that_is_asked_for_and_for_nobodys_own_answer() {
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(guess(ASKED, status, &[CHANGED]), Ok(100), "{status}");
    }
    for status in [201, 202, 302, 303, 307, 403, 500, 502, 503, 504, 599] {
        assert_eq!(guess(ASKED, status, &[CHANGED]), Err(NotStored::NoLifetime), "{status}");
        assert_eq!(guess(ASKED, status, &[CHANGED, "cache-control: public"]), Ok(100), "{status} is public");
    }
    for lines in [&[CHANGED][..], &[CHANGED, "cache-control: public"]] {
        assert_eq!(guess(Asked { heuristic: false, ..ASKED }, 200, lines), Err(NotStored::NoLifetime));
        assert_eq!(guess(Asked { cookie: true, ..ASKED }, 200, lines), Err(NotStored::NoLifetime));
    }
    let authorized = Asked { authorized: true, ..ASKED };
    assert_eq!(guess(authorized, 200, &[CHANGED]), Err(NotStored::Authorization));
    let ruled = Lifetime { ttl: Duration::from_secs(7), stale_while_revalidate: None, stale_if_error: None };
    assert_eq!(guess(Asked { ruled: Some(ruled), ..ASKED }, 200, &[CHANGED]), Ok(7), "a rule says it");
}
