//! `selvedge cluster`: a node among its peers.

use std::path::{Path, PathBuf};

use hyper::Method;

use super::init;
use super::render::{Failure, Render};
use super::socket::{Socket, ask};
use crate::admin::report::Apart;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Exchange nothing with other POPs until `cluster join` or a restart: what they say is not taken, and they hear nothing.
    Apart {
        #[command(flatten)]
        socket: Socket,
    },
    /// Exchange with other POPs again.
    Join {
        #[command(flatten)]
        socket: Socket,
    },
    /// Make a new cluster secret, to take the place of the one in force, and say how the roster names it.
    Secret {
        /// The folder to write it into
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
}

/// A new secret.
#[derive(Debug, serde::Serialize)]
struct Made {
    file: PathBuf,
    id: String,
    /// The line that names it in the roster.
    roster: String,
}

pub(super) fn cluster(command: &Command) -> Result<Render, Failure> {
    let (socket, apart) = match command {
        Command::Apart { socket } => (socket, true),
        Command::Join { socket } => (socket, false),
        Command::Secret { out } => return secret(out),
    };
    let now: Apart = ask(crate::admin::send(&socket.path()?, Method::POST, "/v1/cluster", &Apart { apart }))?;
    let text = match now.apart {
        true => "this POP keeps apart: it exchanges nothing with the others, and limits go by its share",
        false => "this POP exchanges with the others",
    };
    Ok(Render::new(text.to_owned(), &now))
}

fn secret(out: &Path) -> Result<Render, Failure> {
    let (file, id) = init::new_secret(out).map_err(|error| Failure::Failed(error.to_string()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let roster = format!("secret_beside = {{ file = \"{name}\", id = \"{id}\" }}");
    let text = format!(
        "wrote {}: copy it beside the roster of every POP, for its owner alone to read\n\
         in the roster of every POP, with a higher revision, before the first [[pop]]:\n  {roster}\n\
         then restart the POPs one after another; docs/operating.md says how it goes on",
        file.display()
    );
    Ok(Render::new(text, &Made { id: id.to_string(), roster, file }))
}
