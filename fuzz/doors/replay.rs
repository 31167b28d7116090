//! A corpus in a test: each of its inputs through the door of its fuzz target.

use std::fs;
use std::path::Path;

/// Runs each input of a target's corpus; the name of one that fails is printed.
pub(crate) fn replay(target: &str, door: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs: Vec<_> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an input").path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for input in inputs {
        println!("{}", input.display());
        door(&fs::read(&input).expect("an input"));
    }
}
