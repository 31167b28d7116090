//! Dates in fields (RFC 9110 section 5.6.7), read as leniently as RFC 9111 section 4.2 asks for: in any case. A weekday that is not
//! that date's is forgiven, too; nothing else is, and no other zone than GMT.

use std::time::SystemTime;

use http::HeaderValue;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What appears in a date beside the weekday that has letters.
const WORDS: [&str; 13] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "GMT"];

/// The longest text that is looked at twice: IMF-fixdate, in bytes.
const LONGEST: usize = 29;

/// The instant of a field's value; `None` when it is no date.
pub(crate) fn date(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?;
    httpdate::parse_http_date(text).ok().or_else(|| lenient(text))
}

/// The same of a text in another case, or with another weekday: in the form of IMF-fixdate or asctime.
fn lenient(text: &str) -> Option<SystemTime> {
    let (weekday, rest) = text.split_at_checked(3).filter(|_| text.len() <= LONGEST)?;
    let known = |list: &[&'static str], word: &str| list.iter().copied().find(|one| one.eq_ignore_ascii_case(word));
    known(&WEEKDAYS, weekday)?;
    if !rest.starts_with([' ', ',']) {
        return None;
    }
    let words: Vec<&str> = rest.split(' ').map(|word| known(&WORDS, word).unwrap_or(word)).collect();
    let rest = words.join(" ");
    WEEKDAYS.iter().find_map(|weekday| httpdate::parse_http_date(&format!("{weekday}{rest}")).ok())
}
