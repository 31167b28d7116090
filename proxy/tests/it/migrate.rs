//! The how-tos in `docs/migrate` hold: each config of ours in them loads and its stories go as told, and nginx and HAProxy, where they are
//! installed, take theirs.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::support::program;

/// The how-tos.
const FROM: [&str; 4] = ["nginx", "haproxy", "fastly", "envoy"];

/// A config in a how-to.
struct Block {
    /// Whose it is: `toml` is ours.
    language: String,
    text: String,
}

/// All configs of a how-to, in order.
fn blocks(from: &str) -> Vec<Block> {
    let path = format!("{}/../docs/migrate/{from}.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let fenced = text.split("```").skip(1).step_by(2);
    fenced
        .map(|fenced| {
            let (language, text) = fenced.split_once('\n').expect("a language, and a config");
            Block { language: language.to_owned(), text: text.to_owned() }
        })
        .collect()
}

/// Where Debian installs it, if it did.
fn installed(name: &str) -> Option<PathBuf> {
    let known = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&known).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs a command that must take a config, and gives back what it said.
async fn takes(mut command: Command, text: &str) -> String {
    let output = command.output().await.expect("a program that runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = said(&output.stdout) + &said(&output.stderr);
    assert!(output.status.success(), "{all}\n{text}");
    all
}

/// nginx, which is to open nothing outside of a folder.
fn nginx(path: PathBuf, folder: &Path, text: &str) -> (Command, String) {
    let here = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.map(|kind| format!("{kind}_temp_path {here}/{kind}; ")).concat();
    let text = text
        .replace("listen 8080;", &format!("listen unix:{here}/nginx.sock;"))
        .replace("http {", &format!("http {{ {temporary}"));
    let mut command = Command::new(path);
    command.args(["-t", "-p", &here.to_string(), "-e", "stderr", "-c", "config"]);
    command.args(["-g", &format!("pid {here}/nginx.pid;")]);
    (command, text)
}

#[tokio::test]
async fn our_configs_load_and_their_stories_go_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("selvedge.toml");
    for from in FROM {
        let ours: Vec<Block> = blocks(from).into_iter().filter(|block| block.language == "toml").collect();
        assert!(ours.len() >= 4, "{} configs from {from}", ours.len());
        for Block { text, .. } in ours {
            std::fs::write(&path, &text).unwrap();
            let mut command = program();
            command.arg("test").arg(&path);
            let said = takes(command, &text).await;
            assert!(!said.starts_with("0 tests"), "no stories in {from}:\n{text}");
        }
    }
}

#[tokio::test]
async fn nginx_and_haproxy_take_their_configs() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["nginx", "haproxy"] {
        let theirs: Vec<Block> = blocks(name).into_iter().filter(|block| block.language == name).collect();
        assert!(theirs.len() >= 6, "{} configs of {name}", theirs.len());
        let Some(path) = installed(name) else {
            eprintln!("{name} is not installed: its configs are not looked at");
            continue;
        };
        for Block { text, .. } in theirs {
            let (mut command, text) = match name {
                "nginx" => nginx(path.clone(), folder.path(), &text),
                _ => {
                    let mut command = Command::new(&path);
                    command.args(["-c", "-f", "config"]);
                    (command, text)
                }
            };
            command.current_dir(folder.path());
            std::fs::write(folder.path().join("config"), &text).unwrap();
            takes(command, &text).await;
        }
    }
}
