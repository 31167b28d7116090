//! Requests that are run once for each key that a client names (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! In goes a request; out comes which policy is for it, what its key is called ([`Name`]) and what it asks for ([`Print`]); and, at the POP that
//! answers for the key ([`home`]), what [`Keys`] know of it: that it may run now, that it runs or ran, or why nothing is said. What is known is a machine without a
//! clock, a disk or a network, of which each step is a value.

mod fields;
mod home;
mod keys;
mod named;
mod policy;
mod refusal;
mod sha;

pub use fields::is_kept;
pub use home::home;
pub use keys::{Asked, Fence, Keys, Recalled, Run};
pub use named::{KEY_MAX, Malformed, key_of};
pub(crate) use policy::Policies;
pub use policy::{IdempotencyId, Keyed, Policy};
pub use refusal::Refusal;
pub use sha::{Name, Print, print};
