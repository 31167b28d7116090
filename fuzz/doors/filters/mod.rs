//! What a client sends.

pub(crate) mod request;
