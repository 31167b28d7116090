//! What a client sends.

pub(crate) mod challenge;
mod edited;
pub(crate) mod request;
pub(crate) mod session;
