//! What the user sees: each `tests/reject/NAME.toml` is refused with exactly the text of `NAME.txt`. The texts are
//! written by hand before the code prints them; a change of wording is a change of those files.

use std::path::{Path, PathBuf};

use crate::support::load_named;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reject");
    let entries = std::fs::read_dir(folder).expect("the folder of cases");
    let mut cases: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases
}

#[test]
fn each_case_prints_its_text() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().and_then(|name| name.to_str()).expect("a name");
        let text = std::fs::read_to_string(&case).expect("the case");
        let expected = std::fs::read_to_string(case.with_extension("txt")).expect("the expected text");
        let printed = match load_named(name, &text) {
            Ok(_) => "it was accepted".to_owned(),
            Err(report) => report.render(false),
        };
        if printed != expected {
            wrong.push(format!("{name}: expected\n{expected}\nprinted\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
