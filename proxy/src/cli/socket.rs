//! Which admin socket a command talks to, and how.

use std::path::PathBuf;

use super::check;
use super::render::Failure;

/// The options by which a running node is found.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Socket {
    /// The node's admin socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// The node's config file, which names its socket.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Socket {
    /// The socket's path.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match (&self.socket, &self.config) {
            (Some(socket), _) => Ok(socket.clone()),
            (None, Some(config)) => Ok(check::config(config)?.admin.socket),
            (None, None) => Ok(PathBuf::from("/run/selvedge/admin.sock")),
        }
    }
}

/// Runs one question to its end.
pub(super) fn ask<T>(question: impl Future<Output = Result<T, crate::admin::ClientError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(question)?)
}
