//! `selvedge reload`: the running node loads its config again.

use std::fmt::Write;

use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::report::Reloaded;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn reload(args: &Args) -> Result<Render, Failure> {
    let socket = args.socket.path()?;
    let reloaded = ask(crate::admin::reload(&socket))?;
    Ok(Render::new(page(&reloaded), &reloaded))
}

fn page(reloaded: &Reloaded) -> String {
    let Reloaded { from, to, changed, needs_restart } = reloaded;
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "reloaded: revision {from} -> {to}");
    for path in changed {
        let _ = writeln!(page, "changed: {}", path.display());
    }
    if !needs_restart.is_empty() {
        let _ = writeln!(page, "needs a restart: {}", needs_restart.join(", "));
    }
    page
}
