//! The front: from a listening address to a connection that Pingora serves.
//!
//! In go the `[listen]` facts; out come [`ClientStream`]s, handed to Pingora's HTTP proxy. The accept loop is ours (a Pingora
//! service without its listeners), since Pingora's own listeners know neither a deadline for a whole request header, nor an
//! idle limit between requests, nor a bound on writes that a client does not take in.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accept;
mod deadline;
mod listen;
mod newcomer;
mod stall;
mod stream;
mod tls;

pub use accept::{Admission, Door, Front, Gate};
pub use listen::{BindError, Comer, Listening, bind};
pub use stream::ClientStream;
pub use tls::{CertificateError, Certificates, Keyring};
