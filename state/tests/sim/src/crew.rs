//! Nodes that take what they are given at one instant, as many at once as the machine has processors. None sees what another does
//! then, and what they say is put in order afterwards, so a run does not depend on how many that are.

use std::num::NonZero;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use selvedge_state::{Input, Output, Time};

use crate::Node;

/// Fewer inputs than this are taken sooner than a thread starts.
const FEW: usize = 64;

static PROCESSORS: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// Inputs of some nodes, each named once.
pub(crate) type Given = Vec<(usize, Vec<Input>)>;

/// What nodes said, in the order of the nodes.
pub(crate) type Said = Vec<(usize, Vec<Output>)>;

/// Gives nodes their inputs.
pub(crate) fn take(nodes: &mut [Node], mut given: Given, now: Time) -> Said {
    given.sort_unstable_by_key(|(node, _)| *node);
    let inputs: usize = given.iter().map(|(_, inputs)| inputs.len()).sum();
    let crew = (*PROCESSORS).min(given.len());
    if crew < 2 || inputs < FEW {
        return given.into_iter().map(|(node, inputs)| (node, nodes[node].take(inputs, now))).collect();
    }
    take_at_once(nodes, given, now, crew)
}

fn take_at_once(nodes: &mut [Node], given: Given, now: Time, crew: usize) -> Said {
    let mut given = given.into_iter().peekable();
    let jobs = nodes.iter_mut().enumerate().filter_map(|(number, node)| {
        let (_, inputs) = given.next_if(|(next, _)| *next == number)?;
        Some((number, node, inputs))
    });
    let jobs = Mutex::new(jobs);
    let work = || {
        let mut said = Said::new();
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, node, inputs)) = job else { return said };
            said.push((number, node.take(inputs, now)));
        }
    };
    let mut said = thread::scope(|scope| {
        let others: Vec<_> = (1..crew).map(|_| scope.spawn(work)).collect();
        let mut said = work();
        for other in others {
            said.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        said
    });
    said.sort_unstable_by_key(|(node, _)| *node);
    said
}
