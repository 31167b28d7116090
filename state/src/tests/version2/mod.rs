//! A peer of protocol version 2: what it says is read here, what is said to it it can read, and it is kept in step. Its words
//! are its own ([`frozen`]), so the product is not judged by itself.

mod codec;
mod frozen;
mod peer;
