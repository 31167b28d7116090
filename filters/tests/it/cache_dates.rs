//! Dates in the forms that servers write.

use selvedge_filters::cache::NotStored;

use crate::cache::decide;

/// RFC 9111 section 4.2 and RFC 9110 section 5.6.7: all three forms, in any case, GMT and no other zone.
#[test]
fn dates_are_read_in_any_case_and_by_any_weekday() {
    let lives =
        |date: &str| decide(200, &[&format!("expires: {date}")], false, 0).map(|stored| stored.fresh_for.as_secs());
    for date in [
        "Sun, 06 Nov 1994 08:51:17 GMT",
        "SUN, 06 Nov 1994 08:51:17 GMT",
        "sun, 06 nov 1994 08:51:17 gmt",
        "Sun, 06 NOV 1994 08:51:17 GMT",
        "Sun, 06 Nov 1994 08:51:17 gMT",
        "Thu, 06 Nov 1994 08:51:17 GMT",
        "Sunday, 06-Nov-94 08:51:17 GMT",
        "Sun Nov  6 08:51:17 1994",
        "Thu Nov  6 08:51:17 1994",
        "thu nov  6 08:51:17 1994",
    ] {
        assert_eq!(lives(date), Ok(100), "{date}");
    }
    for date in [
        "Sun, 06 Nov 1994 08:51:17 UTC",
        "Sun, 06 Nov 1994 08:51:17 AEST",
        "Sun, 06 Nov 1994 08:51:17",
        "Sun, 06 Nov 94 08:51:17 GMT",
        "Sun 06 Nov 1994 08:51:17 GMT",
        "Sun,  06 Nov 1994 08:51:17 GMT",
        "Sun, 06  Nov  1994 08:51:17 GMT",
        "Sun, 06-Nov-1994 08:51:17 GMT",
        "Sun, 06 Nov 1994 08.51.17 GMT",
        "Sun, 06 Nov 1994 8:51:17 GMT",
        "Sun, 6 Nov 1994 08:51:17 GMT",
        "Sun, 31 Nov 1994 08:51:17 GMT",
        "Sun, 06 Nov 1994 24:51:17 GMT",
        "Son, 06 Nov 1994 08:51:17 GMT",
        "Sun, 06 Nou 1994 08:51:17 GMT",
        "Monday, 06 Nov 1994 08:51:17 GMT",
        "Sun, 06 Nov 1994 08:51:17 GMT x",
        "Sun",
        "",
        "0",
    ] {
        assert_eq!(lives(date), Err(NotStored::Stale), "{date}");
    }
}
