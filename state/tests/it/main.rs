//! What the store and the replica promise, checked from outside.

mod bounds;
mod bucket;
mod clocks;
mod compare;
mod converge;
mod corpus;
mod counts;
mod crowd;
mod defects;
mod edits;
mod fabric;
mod facts;
mod gauges;
mod greet;
mod handover;
mod holds;
mod lanes;
mod lists;
mod load;
mod peek;
mod registers;
mod relay;
mod repair;
mod rights;
mod rotation;
mod shapes;
mod shares;
mod snapshot;
mod stopped;
mod support;
mod total;
mod trouble;
mod uniques;
mod voids;
mod warming;

use selvedge_sim as sim;
