//! What responses are purged by: which names a response has, which name a purge is about, and that the two meet.

use http::StatusCode;
use selvedge_filters::cache::{KeyParts, Scheme};
use selvedge_filters::purge::{
    DEPTH_MAX, Name, Reach, TAG_MAX, TAGS_MAX, TEXT_MAX, TagFlaw, Unfit, Wanted, names, runs, said_to_purge, tags,
};
use selvedge_state::{PurgeKey, Store};

use crate::cache::fields;
use crate::support::World;

fn place<'a>(authority: &'a str, path: &'a str, query: Option<&'a str>) -> KeyParts<'a> {
    KeyParts { scheme: Scheme::Https, authority, path, query, origin: Some("other") }
}

fn all_tags(lines: &[&str]) -> Result<(Vec<String>, Vec<String>), TagFlaw> {
    let text = |tag: &[u8]| String::from_utf8_lossy(tag).into_owned();
    tags(&fields(lines), &[]).map(|tags| (tags.tags().map(text).collect(), tags.groups().map(text).collect()))
}

#[test]
fn tags_are_read_from_their_fields() {
    let none: [&str; 0] = [];
    for (lines, tags, groups) in [
        (&["x: y"][..], &none[..], &none[..]),
        (&["surrogate-key: a b,c  a", "surrogate-key: d\te"], &["a", "b,c", "d", "e"], &none),
        (&["cache-tag: a, b c ,,A", "cache-tag: d"], &["a", "b c", "A", "d"], &none),
        (&["surrogate-key: a", "cache-tag: a,b"], &["a", "b"], &none),
        (&["cache-groups: \"a\" ,\"b, \\\"c\\\\\"", "cache-groups: \"a\",\"d\""], &none, &["a", "b, \"c\\", "d"]),
        (&["cache-groups: ", "surrogate-key: ", "cache-tag: ,"], &none, &none),
        (&["surrogate-key: a", "cache-groups: \"a\""], &["a"], &["a"]),
    ] {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(all_tags(lines), Ok((owned(tags), owned(groups))), "{lines:?}");
    }
}

/// RFC 9875 section 3: the groups of a response to an unsafe request, of its own authority.
#[test]
fn an_origin_says_which_groups_a_request_changed() {
    let said = |method: &str, status: u16, lines: &[&str]| {
        let status = StatusCode::from_u16(status).expect("a status");
        let wanted = said_to_purge(method, status, "a.example", &fields(lines));
        wanted.iter().map(|wanted| wanted.name().to_string()).collect::<Vec<_>>()
    };
    let groups = "cache-group-invalidation: \"news\", \"front page\"";
    for (method, status) in [("POST", 200), ("DELETE", 204), ("M-SEARCH", 303)] {
        assert_eq!(said(method, status, &[groups]), ["group a.example/news", "group a.example/front page"], "{method}");
    }
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 404), ("POST", 500), ("PUT", 103)] {
        assert!(said(method, status, &[groups]).is_empty(), "{method} {status}");
    }
    let twice = [groups, "cache-group-invalidation: \"news\", \"\""];
    assert_eq!(said("POST", 200, &twice).len(), 2, "each once, and nothing has a group without a name");
    for broken in ["cache-group-invalidation: news", "cache-group-invalidation: \"a\",", "cache-group-invalidation: 1"]
    {
        assert!(said("POST", 200, &[groups, broken]).is_empty(), "{broken}");
    }
    let many = |count: usize| (0..count).map(|nth| format!("\"{nth}\"")).collect::<Vec<_>>().join(",");
    let line = |count| format!("cache-group-invalidation: {}", many(count));
    assert_eq!(said("POST", 200, &[&line(TAGS_MAX)]).len(), TAGS_MAX);
    assert_eq!(said("POST", 200, &[&line(TAGS_MAX + 1)]), ["host a.example"], "too much rather than too little");
}

/// A response whose tags cannot all be kept is not stored.
#[test]
fn tags_that_do_not_fit_are_said_so() {
    let long = |len: usize| "t".repeat(len);
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    for (line, expected) in [
        (format!("surrogate-key: {}", long(TAG_MAX)), None),
        (format!("surrogate-key: {}", long(TAG_MAX + 1)), Some(TagFlaw::Long)),
        (format!("cache-tag: {}", long(TAG_MAX + 1)), Some(TagFlaw::Long)),
        (format!("cache-groups: \"{}\"", long(TAG_MAX + 1)), Some(TagFlaw::Long)),
        (format!("surrogate-key: {}", many(TAGS_MAX)), None),
        (format!("surrogate-key: {}", many(TAGS_MAX + 1)), Some(TagFlaw::Many)),
        ("cache-groups: a".to_owned(), Some(TagFlaw::Malformed)),
        ("cache-groups: \"a".to_owned(), Some(TagFlaw::Malformed)),
        ("cache-groups: \"a\",".to_owned(), Some(TagFlaw::Malformed)),
        ("cache-groups: \"a\" \"b\"".to_owned(), Some(TagFlaw::Malformed)),
        ("cache-groups: \"a\\b\"".to_owned(), Some(TagFlaw::Malformed)),
        ("cache-groups: \"a\";p".to_owned(), Some(TagFlaw::Malformed)),
    ] {
        assert_eq!(tags(&fields(&[&line]), &[]).err(), expected, "{line}");
    }
    let both = [format!("surrogate-key: {}", many(TAGS_MAX)), "cache-groups: \"one more\"".to_owned()];
    assert_eq!(all_tags(&both.each_ref().map(String::as_str)), Err(TagFlaw::Many), "both kinds count together");
}

#[test]
fn a_path_has_the_runs_of_its_segments() {
    for (path, expected) in [
        ("/", &["/"][..]),
        ("/a", &["/", "/a"]),
        ("/a/", &["/", "/a"]),
        ("/a/b.html", &["/", "/a", "/a/b.html"]),
        ("/a/b/", &["/", "/a", "/a/b"]),
        ("*", &["/", "*"]),
    ] {
        assert_eq!(runs(path).collect::<Vec<_>>(), expected, "{path}");
    }
    let deep = "/s".repeat(DEPTH_MAX + 5);
    assert_eq!(runs(&deep).last(), Some("/s".repeat(DEPTH_MAX).as_str()));
    assert_eq!(runs(&deep).count(), DEPTH_MAX + 1);
}

#[test]
fn a_response_has_each_of_its_names_once() {
    let tags = tags(&fields(&["surrogate-key: t", "cache-groups: \"g\""]), &[]).unwrap();
    let authority = "a.example";
    let scheme = Scheme::Https;
    let one = names(&[place(authority, "/p", Some("q"))], &tags);
    let expected = [
        Name::All,
        Name::Host(authority),
        Name::Url { scheme, authority, path: "/p", query: Some("q") },
        Name::Prefix { authority, path: "/" },
        Name::Prefix { authority, path: "/p" },
        Name::Group { authority, name: b"g" },
        Name::Tag(b"t"),
    ];
    assert_eq!(one, expected);
    let two = names(&[place(authority, "/p", Some("q")), place(authority, "/r", None)], &tags);
    assert_eq!(two.len(), expected.len() + 2, "a URL and a prefix more: {two:?}");
}

#[test]
fn what_nothing_stored_can_have_is_refused() {
    let long = "x".repeat(TEXT_MAX + 1);
    for (wanted, expected) in [
        (Wanted::url("www.example.com/"), Unfit::Url),
        (Wanted::url("ftp://www.example.com/"), Unfit::Url),
        (Wanted::url("https:///a"), Unfit::Host),
        (Wanted::url("https://user@host/"), Unfit::Host),
        (Wanted::url("https://a:b/"), Unfit::Host),
        (Wanted::url("https://[::1/"), Unfit::Host),
        (Wanted::url(&long), Unfit::Long),
        (Wanted::url("https://a/%zz"), Unfit::Path(selvedge_filters::path::BadPath::Escape)),
        (Wanted::prefix("/a"), Unfit::Host),
        (Wanted::prefix("http://a/b"), Unfit::Host),
        (Wanted::prefix("a:/b"), Unfit::Host),
        (Wanted::prefix("a/b?c"), Unfit::Query),
        (Wanted::prefix(&format!("a{}", "/s".repeat(DEPTH_MAX + 1))), Unfit::Deep),
        (Wanted::prefix("a/%"), Unfit::Path(selvedge_filters::path::BadPath::Escape)),
        (Wanted::prefix(&long), Unfit::Long),
        (Wanted::host(""), Unfit::Host),
        (Wanted::host("a/b"), Unfit::Host),
        (Wanted::host("http:"), Unfit::Host),
        (Wanted::host("a:0"), Unfit::Host),
        (Wanted::host("a:99999"), Unfit::Host),
        (Wanted::group("http:", "g"), Unfit::Host),
        (Wanted::host("https://a"), Unfit::Host),
        (Wanted::host(&long), Unfit::Long),
        (Wanted::tag(""), Unfit::Tag),
        (Wanted::tag(" a"), Unfit::Tag),
        (Wanted::tag("a,"), Unfit::Tag),
        (Wanted::tag(&"t".repeat(TAG_MAX + 1)), Unfit::Tag),
        (Wanted::group("a b", "g"), Unfit::Host),
        (Wanted::group("a", ""), Unfit::Tag),
    ] {
        assert_eq!(wanted, Err(expected));
        assert!(!expected.to_string().is_empty());
    }
}

fn key(store: &Store, wanted: &Result<Wanted, Unfit>) -> PurgeKey {
    wanted.as_ref().unwrap().name().key(store, Reach::Hard)
}

/// A purge is about a response exactly if the response has its name, however either is spelled.
#[test]
fn purges_meet_the_responses_they_are_about() {
    let world = World::alone("");
    let tags = tags(&fields(&["surrogate-key: t u,v", "cache-tag: w x", "cache-groups: \"g\""]), &[]).unwrap();
    let stored = place("www.example.com", "/img/a b/c.png".replace(' ', "%20").leak(), Some("v=1"));
    let keys: Vec<_> = names(&[stored], &tags).iter().map(|name| name.key(&world.store, Reach::Hard)).collect();
    let about = |wanted: Result<Wanted, Unfit>| keys.contains(&key(&world.store, &wanted));
    for (wanted, expected) in [
        (Ok(Wanted::All), true),
        (Wanted::host("www.example.com"), true),
        (Wanted::host("WWW.Example.com."), true),
        (Wanted::host("www.example.com:8443"), false),
        (Wanted::host("example.com"), false),
        (Wanted::url("https://www.example.com/img/a b/c.png?v=1"), true),
        (Wanted::url("HTTPS://WWW.example.com:443//img/./a%20b/%63.png?v=1#top"), true),
        (Wanted::url("http://www.example.com/img/a%20b/c.png?v=1"), false),
        (Wanted::url("https://www.example.com:444/img/a%20b/c.png?v=1"), false),
        (Wanted::url("https://www.example.com/img/a%20b/c.png"), false),
        (Wanted::url("https://www.example.com/img/a%20b/c.png?v=2"), false),
        (Wanted::prefix("www.example.com"), true),
        (Wanted::prefix("www.example.com/"), true),
        (Wanted::prefix("www.example.com/img"), true),
        (Wanted::prefix("www.example.com/img/"), true),
        (Wanted::prefix("www.example.com/img/a b/c.png"), true),
        (Wanted::prefix("www.example.com/im"), false),
        (Wanted::prefix("www.example.com/img/a"), false),
        (Wanted::prefix("www.example.com/img/a b/c.png/d"), false),
        (Wanted::prefix("example.com/img"), false),
        (Wanted::tag("t"), true),
        (Wanted::tag("u,v"), true),
        (Wanted::tag("w x"), true),
        (Wanted::tag("T"), false),
        (Wanted::tag("g"), false),
        (Wanted::group("www.example.com", "g"), true),
        (Wanted::group("a.example.com", "g"), false),
        (Wanted::group("www.example.com", "t"), false),
    ] {
        assert_eq!(about(wanted.clone()), expected, "{wanted:?}");
    }
}

/// No two names share a key, whatever is written where, and a hard one is not a soft one.
#[test]
fn keys_tell_names_apart() {
    let world = World::alone("");
    let (scheme, authority) = (Scheme::Http, "a");
    let different = [
        Name::All,
        Name::Host("a"),
        Name::Host("all"),
        Name::Tag(b"a"),
        Name::Tag(b"all"),
        Name::Group { authority: "a", name: b"/" },
        Name::Prefix { authority: "a", path: "/" },
        Name::Url { scheme, authority, path: "/", query: None },
        Name::Url { scheme, authority, path: "/", query: Some("") },
        Name::Url { scheme, authority: "a/", path: "/", query: None },
        Name::Url { scheme, authority: "a", path: "//", query: None },
        Name::Url { scheme: Scheme::Https, authority, path: "/", query: None },
    ];
    let keys = |reach| different.map(|name| name.key(&world.store, reach));
    let mut all = [keys(Reach::Hard), keys(Reach::Soft)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2 * different.len());
}
