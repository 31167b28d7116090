//! What stored responses are purged by.
//!
//! In: a response's URL and fields, or what somebody wants purged. Out: [`Name`]s. A response has a purge's name exactly if the
//! purge is about it; so whoever stores it keeps the keys of all its names, and nobody keeps an index from names to responses.
//! Nothing is forgotten: a response with more tags than are kept is not stored.
//!
//! What is stored carries a [`Stamp`], and what purges made of it is its [`Standing`]; of what earlier lives stored on disk
//! [`lives::Earlier`] says so.

pub mod lives;
mod name;
mod names;
mod pass;
mod said;
mod stamp;
mod tags;
mod wanted;

pub use name::{Name, Reach};
pub use names::{DEPTH_MAX, names, runs};
pub use pass::{Beyond, Pass};
pub use said::said_to_purge;
pub use stamp::{Renewal, Stamp, Stamped, Standing};
pub use tags::{TAG_MAX, TAGS_MAX, TagFlaw, Tags, tags};
pub use wanted::{TEXT_MAX, Unfit, Wanted};
