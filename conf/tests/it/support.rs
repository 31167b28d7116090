//! A file system and an environment that exist in the test alone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use selvedge_conf::{Config, Report};

/// Loads one file, called `edge.toml`.
pub(crate) fn load(text: &str) -> Result<Config, Report> {
    load_named("edge.toml", text)
}

/// Loads one file by this name.
pub(crate) fn load_named(name: &str, text: &str) -> Result<Config, Report> {
    load_files(&[(name, text)], &[])
}

/// Loads the first of these files, with the others beside it and these environment variables.
pub(crate) fn load_files(files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, Report> {
    let by_path: BTreeMap<&str, &str> = files.iter().copied().collect();
    let env: BTreeMap<&str, &str> = env.iter().copied().collect();
    let read = |path: &Path| {
        let text = path.to_str().and_then(|path| by_path.get(path));
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    };
    let list = |folder: &Path| {
        let inside =
            |path: &&Path| path.parent().map(|parent| Path::new(".").join(parent)) == Some(Path::new(".").join(folder));
        let mut found: Vec<PathBuf> =
            by_path.keys().map(|path| Path::new(*path)).filter(inside).map(Path::to_owned).collect();
        // A folder has no order.
        found.reverse();
        if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "no such folder")) } else { Ok(found) }
    };
    let (entry, _) = files.first().expect("an entry");
    selvedge_conf::load(Path::new(entry), &read, &list, &|name| env.get(name).map(|value| (*value).to_owned()))
}
