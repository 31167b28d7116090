//! The cast of the tests: an edge, an origin, a client, and patience.

mod base64;
pub(crate) mod chromium;
pub(crate) mod client;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod lies;
pub(crate) mod mmdb;
pub(crate) mod nats;
mod noise;
mod operator;
pub(crate) mod origin;
pub(crate) mod peer;

pub(crate) use base64::base64;
pub(crate) use client::{Answer, KeptOpen, connect_from, get, get_from, get_with, talk, talk_and_leave};
pub(crate) use edge::{Edge, metrics, program};
pub(crate) use eventually::{DEADLINE, eventually};
pub(crate) use nats::NatsServer;
pub(crate) use noise::Noise;
pub(crate) use operator::{Operator, Permissions};
pub(crate) use origin::{Gate, Origin, ok};
