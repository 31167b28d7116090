//! The operator's side of a node: the control socket and the access log.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};

/// `[admin]`: how the node is watched and steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket of the admin interface. Default `/run/selvedge/admin.sock`.
    pub socket: PathBuf,
    /// Where the access log goes. Default [`AccessLog::Stdout`].
    pub log: AccessLog,
}

/// Where one line per request is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to a file.
    File(PathBuf),
}

/// `[admin]` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// The Unix socket of the admin interface. Default `/run/selvedge/admin.sock`. `${NAME}` is expanded.
    socket: Option<At<Text>>,
    /// The access log: `stdout` (the default), `off`, or a file. `${NAME}` is expanded.
    log: Option<At<Text>>,
}

impl RawAdmin {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Admin> {
        let socket = match &self.socket {
            None => Some(PathBuf::from("/run/selvedge/admin.sock")),
            Some(written) => check.path(written),
        };
        let log = match self.log.as_ref().map(|written| (written, written.value.as_ref())) {
            None | Some((_, "stdout")) => Some(AccessLog::Stdout),
            Some((_, "off")) => Some(AccessLog::Off),
            Some((written, _)) => check.path(written).map(AccessLog::File),
        };
        Some(Admin { socket: socket?, log: log? })
    }
}
