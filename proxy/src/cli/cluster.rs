//! `selvedge cluster`: a node among its peers.

use hyper::Method;

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
}

pub(super) fn cluster(command: &Command) -> Result<Render, Failure> {
    let (socket, apart) = match command {
        Command::Apart { socket } => (socket, true),
        Command::Join { socket } => (socket, false),
    };
    let now: Apart = ask(crate::admin::send(&socket.path()?, Method::POST, "/v1/cluster", &Apart { apart }))?;
    let text = match now.apart {
        true => "this POP keeps apart: it exchanges nothing with the others, and limits go by its share",
        false => "this POP exchanges with the others",
    };
    Ok(Render::new(text.to_owned(), &now))
}
