//! Several files: lists append, names stay unique, and each error knows its file.

use selvedge_conf::INCLUDES_MAX;

use crate::support::load_files;

const ENTRY: &str = "include = [\"conf.d/a.toml\"]\n[listen]\nhttp = [\"0.0.0.0:1\"]\n[[limit]]\nname = \"one\"\nkey = []\nrate = \"1/1s\"\n";

fn limit(name: &str) -> String {
    format!("[[limit]]\nname = \"{name}\"\nkey = []\nrate = \"1/1s\"\n")
}

#[track_caller]
fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let report = load_files(files, &[]).expect_err("a report");
    report.problems().iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect()
}

#[test]
fn lists_append() {
    let files = [("etc/edge.toml", ENTRY), ("etc/conf.d/a.toml", &limit("two"))];
    let config = load_files(&files, &[]).unwrap_or_else(|report| panic!("{report}"));
    let places: Vec<_> = config.limits.iter().map(|limit| (limit.name.as_str(), limit.place.to_string())).collect();
    assert_eq!(places, [("one", "etc/edge.toml:4:1".to_owned()), ("two", "etc/conf.d/a.toml:1:1".to_owned())]);
}

#[test]
fn a_name_in_two_files_names_both_places() {
    let files = [("edge.toml", ENTRY), ("conf.d/a.toml", &limit("one"))];
    let report = load_files(&files, &[]).expect_err("a report");
    let problem = &report.problems()[0];
    assert_eq!(problem.place.to_string(), "conf.d/a.toml:2:8");
    assert_eq!(problem.help.as_deref(), Some("the first one is at edge.toml:5:8"));
}

#[test]
fn a_section_in_two_files_names_both_places() {
    let files = [("edge.toml", ENTRY), ("conf.d/a.toml", "[listen]\nhttp = [\"0.0.0.0:2\"]\n")];
    let report = load_files(&files, &[]).expect_err("a report");
    let problem = &report.problems()[0];
    assert_eq!(
        (problem.place.to_string(), problem.message.as_str()),
        ("conf.d/a.toml:1:2".to_owned(), "[listen] is there twice")
    );
    assert_eq!(problem.help.as_deref(), Some("the first one is at edge.toml:2:2"));
}

#[test]
fn errors_of_all_files_come_in_their_order() {
    let files = [("edge.toml", &ENTRY.replace("0.0.0.0:1", "x") as &str), ("conf.d/a.toml", "[lisen]\n")];
    assert_eq!(
        refused(&files),
        ["edge.toml:3:9: `x` is not an address with a port", "conf.d/a.toml:1:2: unknown section `lisen`"]
    );
}

#[test]
fn syntax_errors_of_all_files_come_first() {
    let files = [("edge.toml", &ENTRY.replace("0.0.0.0:1", "x") as &str), ("conf.d/a.toml", "a = \n")];
    assert_eq!(refused(&files).len(), 1);
}

#[test]
fn what_cannot_be_included() {
    let including = |list: &str| ENTRY.replace("[\"conf.d/a.toml\"]", list);
    let entry = |list: &str| refused(&[("edge.toml", &including(list)), ("a.toml", "")]);
    assert_eq!(entry("[\"none.toml\"]"), ["edge.toml:1:12: none.toml cannot be read: no such file"]);
    assert_eq!(entry("[\"*/a.toml\"]"), ["edge.toml:1:12: `*` stands for the names of files, not of folders"]);
    assert_eq!(entry("[\"conf.d/*.toml\"]"), ["edge.toml:1:12: conf.d cannot be listed: no such folder"]);
    assert_eq!(entry("[\"a.toml\", \"a.toml\"]"), ["edge.toml:1:22: a.toml is included twice"]);
    assert_eq!(entry("[\"edge.toml\"]"), ["edge.toml:1:12: edge.toml is included twice"]);
    assert_eq!(entry("\"a.toml\""), ["edge.toml:1:11: expected a list of files, such as [\"limits.toml\"]"]);
    assert_eq!(entry("[1]"), ["edge.toml:1:12: expected a list of files, such as [\"limits.toml\"]"]);
    let nested = [("edge.toml", ENTRY), ("conf.d/a.toml", "include = [\"b.toml\"]\n")];
    assert_eq!(refused(&nested), ["conf.d/a.toml:1:1: only the first file includes others"]);
}

#[test]
fn a_pattern_takes_the_files_it_fits_in_the_order_of_their_names() {
    let entry = ENTRY.replace("[\"conf.d/a.toml\"]", "[\"conf.d/x.toml\", \"conf.d/*.toml\"]");
    let (a, b, x) = (limit("a"), limit("b"), limit("x"));
    let broken = "this is no TOML";
    let files = [
        ("etc/edge.toml", entry.as_str()),
        ("etc/conf.d/b.toml", &b),
        ("etc/conf.d/a.toml", &a),
        ("etc/conf.d/x.toml", &x),
        ("etc/conf.d/a.toml~", broken),
        ("etc/conf.d/.hidden.toml", broken),
        ("etc/other/c.toml", broken),
    ];
    let config = load_files(&files, &[]).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<&str> = config.limits.iter().map(|limit| limit.name.as_str()).collect();
    assert_eq!(names, ["one", "x", "a", "b"]);
    let read: Vec<&str> = config.files.iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(read, ["etc/edge.toml", "etc/conf.d/x.toml", "etc/conf.d/a.toml", "etc/conf.d/b.toml"]);
}

#[test]
fn patterns() {
    let taken = |pattern: &str, name: &str| {
        let entry = ENTRY.replace("[\"conf.d/a.toml\"]", &format!("[\"{pattern}\"]"));
        load_files(&[("edge.toml", &entry), (name, &limit("two"))], &[]).expect("a config").limits.len() == 2
    };
    for (pattern, name) in [
        ("*.toml", "a.toml"),
        ("*", "a"),
        ("a*", "a"),
        ("a*c*e", "abcde"),
        ("a*c*e", "ace"),
        ("*ab", "aab"),
        ("a**b", "ab"),
        ("*.*", "a.b.c"),
        (".*.toml", ".a.toml"),
        ("ü*", "üx"),
    ] {
        assert!(taken(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("*.toml", "a.tom"),
        ("*.toml", ".toml"),
        ("a*", "ba"),
        ("*a", "ab"),
        ("a*a", "a"),
        ("a*c*e", "aec"),
        ("a*b*b", "ab"),
        ("[a]*", "a"),
    ] {
        assert!(!taken(pattern, name), "{pattern} {name}");
    }
}

#[test]
fn the_entry_does_not_include_itself_by_a_pattern() {
    let entry = ENTRY.replace("[\"conf.d/a.toml\"]", "[\"*.toml\"]");
    let config = load_files(&[("edge.toml", &entry), ("a.toml", &limit("two"))], &[]).expect("a config");
    assert_eq!(config.files, ["edge.toml", "a.toml"].map(std::path::PathBuf::from));
}

#[test]
fn the_revision_is_that_of_all_texts() {
    let revision = |entry: &str, included: &str| {
        let files = [("edge.toml", entry), ("conf.d/a.toml", included)];
        load_files(&files, &[]).unwrap_or_else(|report| panic!("{report}")).revision
    };
    let one = revision(ENTRY, "");
    assert_eq!(one.len(), 8);
    assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()), "{one}");
    assert_eq!(one, revision(ENTRY, ""));
    assert_ne!(one, revision(ENTRY, "#"));
    assert_ne!(one, revision(&format!("{ENTRY}#"), ""));
    assert_ne!(revision(&format!("{ENTRY}#"), "#"), revision(&format!("{ENTRY}##"), ""));
}

#[test]
fn no_more_files_than_the_bound() {
    let names: Vec<String> = (0..=INCLUDES_MAX).map(|n| format!("{n}.toml")).collect();
    let files = |count: usize| {
        let list: Vec<String> = names.iter().take(count).map(|name| format!("{name:?}")).collect();
        let entry = ENTRY.replace("[\"conf.d/a.toml\"]", &format!("[{}]", list.join(", ")));
        let mut files = vec![("edge.toml", entry.as_str())];
        files.extend(names.iter().map(|name| (name.as_str(), "")));
        load_files(&files, &[])
    };
    assert!(files(INCLUDES_MAX).is_ok());
    assert_eq!(files(INCLUDES_MAX + 1).expect_err("a report").problems().len(), 1);
}
