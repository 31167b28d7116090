//! Spellings and what they are brought to.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{BadPath, is_normal, normal};

#[test]
fn one_spelling_each() {
    for (raw, expected) in [
        ("/", "/"),
        ("*", "*"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/%61%2d%7E", "/a-~"),
        ("/a%2fb%3a", "/a%2Fb%3A"),
        ("//a///b", "/a/b"),
        ("/./a/./b/.", "/a/b/"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a//../b", "/b"),
        ("/..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/%2e%2E/a", "/a"),
        ("/a/%2e./b", "/b"),
        ("/a/.%2e", "/"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/a\\b..\\...", "/a%5Cb..%5C..."),
        ("/a..%2f.b;c=..d/%3B", "/a..%2F.b;c=..d/%3B"),
        ("/a b\"<>^`{|}", "/a%20b%22%3C%3E%5E%60%7B%7C%7D"),
        ("/a?b#c[d]", "/a%3Fb%23c%5Bd%5D"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/\u{1}\u{7f}", "/%01%7F"),
        ("/a/...", "/a/..."),
        ("/a./.b/..c/d..", "/a./.b/..c/d.."),
        ("/;a=b,c!$&'()*+@:", "/;a=b,c!$&'()*+@:"),
    ] {
        assert_eq!(normal(raw).as_deref(), Ok(expected), "{raw}");
        assert_eq!(
            matches!(normal(raw), Ok(Cow::Borrowed(_))),
            raw == expected,
            "{raw}: borrowed when nothing changes"
        );
    }
}

#[test]
fn what_cannot_be_spelt_is_refused() {
    for (raw, expected) in [
        ("", BadPath::Relative),
        ("a", BadPath::Relative),
        ("**", BadPath::Relative),
        ("/%", BadPath::Escape),
        ("/%4", BadPath::Escape),
        ("/%4g", BadPath::Escape),
        ("/%+1", BadPath::Escape),
        ("/a%00b", BadPath::Nul),
        ("/a\0b", BadPath::Nul),
    ] {
        assert_eq!(normal(raw), Err(expected), "{raw:?}");
    }
}

#[test]
fn dots_beside_what_some_origins_take_for_a_separator_are_refused() {
    for raw in [
        "/static/..%2fadmin",
        "/static/..%2Fadmin",
        "/static/%2e%2e%2fadmin",
        "/a%2f../b",
        "/a%2f..",
        "/a%2f.%2fb",
        "/static/..%5cadmin",
        "/static/..\\admin",
        "/a\\..\\b",
        "/public/..;/admin",
        "/public/..;x=1/admin",
        "/public/..%3b/admin",
        "/public/;..",
        "/.;/admin",
        // Taken away by the next segment, but not for an origin that cuts it.
        "/a/..%2fb/../c",
    ] {
        assert_eq!(normal(raw), Err(BadPath::Dots), "{raw}");
    }
}

/// Pieces that matter to the normal form, and arbitrary text between them.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%5c".to_owned()),
        Just("\\".to_owned()),
        Just(";".to_owned()),
        Just("%25".to_owned()),
        Just("%".to_owned()),
        Just("a".to_owned()),
        "%[0-9a-fA-F]{2}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// The segments of a path between its slashes, decoded once: what a path means to a plain file server.
fn meaning(path: &str) -> Vec<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split('/') {
        let mut decoded = Vec::new();
        let mut bytes = segment.bytes();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        match decoded.as_slice() {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(decoded),
        }
    }
    segments
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn the_normal_form_is_its_own_normal_form_and_means_the_same(raw in paths()) {
        let Ok(once) = normal(&raw) else { return Ok(()) };
        prop_assert!(is_normal(once.as_bytes()), "{raw:?} became {once:?}");
        prop_assert_eq!(normal(&once), Ok(Cow::Borrowed(&*once)));
        prop_assert_eq!(meaning(&once), meaning(&raw));
        let cut = once.replace("%2F", "/").replace("%5C", "/").replace(';', "/");
        prop_assert!(!cut.split('/').any(|part| matches!(part, "." | "..")), "{raw:?} became {once:?}");
        prop_assert!(once.is_ascii() && once.starts_with('/') && !once.contains("//"));
    }
}
