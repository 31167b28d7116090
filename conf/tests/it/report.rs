//! Reports: sorted, capped, the same text everywhere, and JSON for programs.

use std::path::Path;

use selvedge_conf::PROBLEMS_MAX;

use crate::support::load;

fn many(count: usize) -> String {
    let mut text = "[listen]\nhttp = [\"0.0.0.0:8080\"]\n".to_owned();
    (0..count).for_each(|n| text.push_str(&format!("zz{n:03} = 1\n")));
    text
}

#[test]
fn no_more_problems_than_the_bound() {
    let report = load(&many(PROBLEMS_MAX)).expect_err("a report");
    assert_eq!((report.problems().len(), report.left_out()), (PROBLEMS_MAX, 0));
    assert!(report.render(false).ends_with("\n20 problems\n"));
    let report = load(&many(PROBLEMS_MAX + 3)).expect_err("a report");
    assert_eq!((report.problems().len(), report.left_out()), (PROBLEMS_MAX, 3));
    assert!(report.render(false).ends_with("\n20 problems, and 3 more not shown\n"));
    let lines: Vec<u32> = report.problems().iter().map(|problem| problem.place.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn colour_only_adds_colour() {
    let report = load("[lisen]\n").expect_err("a report");
    let (plain, colour) = (report.render(false), report.render(true));
    assert!(!plain.contains('\u{1b}'));
    assert!(colour.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = colour.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        stripped.push_str(before);
        rest = after.split_once('m').expect("the end of a colour").1;
    }
    stripped.push_str(rest);
    let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
}

#[test]
fn json_names_the_place() {
    let report = load("[listen]\nhtp = 1\n").expect_err("a report");
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["left_out"], 0);
    assert_eq!(
        json["problems"][0],
        serde_json::json!({ "file": "edge.toml", "line": 1, "column": 2, "message": "[listen] has no address", "help": "write at least one, such as http = [\"0.0.0.0:8080\"]" })
    );
    assert_eq!(json["problems"][1]["column"], 1);
    assert_eq!(json["problems"][1]["help"], "did you mean `http`?");
}

#[test]
fn a_file_that_cannot_be_read_has_no_line() {
    let read = |_: &Path| Err(std::io::Error::other("it is on fire"));
    let report =
        selvedge_conf::load(Path::new("/etc/edge.toml"), &read, &|_| Ok(Vec::new()), &|_| None).expect_err("a report");
    assert_eq!(report.problems()[0].place.to_string(), "/etc/edge.toml");
    assert_eq!(report.render(false), "  × /etc/edge.toml cannot be read: it is on fire\n\n1 problem\n");
}

#[test]
fn columns_count_characters() {
    let report = load("[listen]\nhttp = [\"ü\", \"0.0.0.0:1\", \"x\"]\n").expect_err("a report");
    let columns: Vec<u32> = report.problems().iter().map(|problem| problem.place.column).collect();
    assert_eq!(columns, [9, 27]);
}

#[test]
fn control_characters_are_not_printed() {
    let report = load("[listen]\nhttp = [\"\u{1b}[31mred\"]\n\u{9b}31m").expect_err("a report");
    assert!(!report.render(false).contains(['\u{1b}', '\u{9b}']));
}

#[test]
fn tables_within_tables_are_checked_too() {
    let report = load(concat!(
        "[listen]\nhttps = [{ address = \"0.0.0.0:1\", certs = [] }, { certificates = [\"a\"], x = 1 }]\n",
        "[[limit]]\nname = \"l\"\nkey = []\nrate = \"1/1s\"\npenalty = { afer = 1, ban = [\"1m\"] }\n",
    ))
    .expect_err("a report");
    let messages: Vec<&str> = report.problems().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`https` of [listen] has no `certificates`",
            "unknown key `certs` in `https` of [listen]",
            "`https` of [listen] has no `address`",
            "unknown key `x` in `https` of [listen]",
            "`penalty` of limit \"l\" has no `within`",
            "unknown key `afer` in `penalty` of limit \"l\"",
        ]
    );
}
