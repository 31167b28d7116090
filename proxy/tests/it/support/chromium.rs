//! A browser: the Chromium that is installed, without a window.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What distributions call it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A running browser with one page; killed when dropped.
pub(crate) struct Chromium {
    folder: TempDir,
    child: Child,
}

impl Chromium {
    /// Opens a page.
    pub(crate) fn open(url: &str) -> Chromium {
        let folder = tempfile::tempdir().expect("a folder");
        for program in PROGRAMS {
            let log = std::fs::File::create(folder.path().join("log")).expect("a log");
            let mut command = Command::new(program);
            // Its own sandbox needs rights that a build machine may not give, and the pages here are ours.
            command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
            // Without a port to be steered by it would print the page and end; nobody steers it.
            command.args(["--remote-debugging-port=0", "--disable-background-networking", "--disable-sync"]);
            command.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg(url);
            match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn() {
                Ok(child) => return Chromium { folder, child },
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("cannot start {program}: {error}"),
            }
        }
        panic!("these tests need Chromium: please install it (Debian: apt install chromium)")
    }

    /// What it has to say of itself, and whether it still runs.
    pub(crate) fn state(&mut self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("{:?}: {log}", self.child.try_wait())
    }
}
