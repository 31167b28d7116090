//! The cast of the tests: an edge, an origin, a client, and patience.

pub(crate) mod client;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod mmdb;
pub(crate) mod nats;
mod noise;
pub(crate) mod origin;

pub(crate) use client::{Answer, KeptOpen, connect_from, get, get_from, get_with, talk, talk_and_leave};
pub(crate) use edge::{Edge, metrics, program};
pub(crate) use eventually::{DEADLINE, eventually};
pub(crate) use nats::NatsServer;
pub(crate) use noise::Noise;
pub(crate) use origin::{Origin, ok};
