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
    assert_eq!(entry("[\"*.toml\"]"), ["edge.toml:1:12: a pattern instead of a file"]);
    assert_eq!(entry("[\"a.toml\", \"a.toml\"]"), ["edge.toml:1:22: a.toml is included twice"]);
    assert_eq!(entry("[\"edge.toml\"]"), ["edge.toml:1:12: edge.toml is included twice"]);
    assert_eq!(entry("\"a.toml\""), ["edge.toml:1:11: expected a list of files, such as [\"limits.toml\"]"]);
    assert_eq!(entry("[1]"), ["edge.toml:1:12: expected a list of files, such as [\"limits.toml\"]"]);
    let nested = [("edge.toml", ENTRY), ("conf.d/a.toml", "include = [\"b.toml\"]\n")];
    assert_eq!(refused(&nested), ["conf.d/a.toml:1:1: only the first file includes others"]);
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
