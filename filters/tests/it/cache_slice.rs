//! Slices: which one a range begins in, what asks for it, and which responses have it.

use http::HeaderValue;
use selvedge_filters::cache::{KeyParts, Scheme, Slice};

use crate::cache::fields;

#[test]
fn a_range_begins_in_a_slice() {
    for (range, start) in [
        (None, 0),
        (Some("bytes=0-"), 0),
        (Some("bytes=99-"), 0),
        (Some("bytes=100-150"), 100),
        (Some("Bytes= 250 -"), 200),
        (Some("bytes=350-360, 0-1"), 300),
        (Some("bytes=-5"), 0),
        (Some("bytes=x-5"), 0),
        (Some("lines=200-"), 0),
        (Some("bytes"), 0),
        (Some("bytes=99999999999999999999999-"), 0),
    ] {
        let field = range.map(|range| HeaderValue::from_str(range).expect("a value"));
        assert_eq!(Slice::first_of(field.as_ref(), 100).start(), start, "{range:?}");
    }
    let last = Slice::at(u64::MAX, 3);
    assert!(last.end() >= last.start() && !last.is_first() && Slice::at(2, 0).start() == 2);
}

#[test]
fn a_response_has_a_slice_or_it_is_another_one() {
    let slice = Slice::at(250, 100);
    assert_eq!((slice.start(), slice.end(), slice.range().as_str()), (200, 300, "bytes=200-299"));
    for (range, whole) in [
        ("bytes 200-299/1000", Some(1000)),
        ("bytes 200-299/300", Some(300)),
        ("bytes 200-249/250", Some(250)),
        ("bytes 200-200/201", Some(201)),
        ("bytes 200-249/1000", None),
        ("bytes 200-299/299", None),
        ("bytes 199-299/1000", None),
        ("bytes 200-300/1000", None),
        ("bytes 200-299/*", None),
        ("bytes */1000", None),
        ("bytes 200-/1000", None),
        ("200-299/1000", None),
        ("bytes 200-299/200", None),
        ("", None),
    ] {
        assert_eq!(slice.whole_of(&fields(&[&format!("content-range: {range}")])), whole, "{range}");
    }
    assert_eq!(slice.whole_of(&fields(&[])), None);
    let two = ["content-range: bytes 200-299/1000", "content-range: bytes 200-299/2000"];
    assert_eq!(slice.whole_of(&fields(&two)), None, "which of them?");
}

#[test]
fn slices_of_all_sizes_have_names_of_their_own() {
    let whole = |path| KeyParts { scheme: Scheme::Http, authority: "a", path, query: None, origin: None }.encode();
    let mut names = vec![whole("/"), whole("/b")];
    for (position, size) in [(0, 100), (100, 100), (0, 200), (200, 200)] {
        names.push(Slice::at(position, size).named(whole("/")));
    }
    names.push(Slice::at(0, 100).named(whole("/b")));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(Slice::at(5, 100).named(whole("/")), Slice::at(99, 100).named(whole("/")));
}
