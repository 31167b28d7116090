//! The checker of purges: nobody who asks after a purge was applied where he asks is answered with what is older than it.
//!
//! POPs in virtual time, over the links of [`selvedge_sim`], each with a real store and replica, and with a model of a cache: what is stored
//! in memory and on disk, fills on their way, requests that wait for one another, validations, a parent for some of what there is. The names
//! of what is stored, what purges made of it, what takes whose place, and what a life knows of those before it are decided by
//! [`selvedge_filters::purge`], as in the product. The origin numbers the versions of what it has, so a [judge](Failure) can tell what an answer
//! is. Purges follow a new version; requests race with them while messages are lost, ways cut, clocks apart and nodes gone.
//!
//! [`check`] runs so many random operations. A [`Break`] leaves one of the rules out, and must be found.

mod breaks;

mod disk;
mod fetch;
mod judge;
mod look;
mod origin;
mod pop;
mod run;
mod seen;
mod stored;
mod things;
mod trouble;

pub use self::breaks::Break;
pub use self::run::{Plan, check};
pub use self::seen::{Failure, Seen, Wrong};
