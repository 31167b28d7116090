//! Writes the corpora's first inputs: what two nodes really say to each other in each version of the protocol, and what stands in
//! a snapshot. `cargo run --example seeds` from this folder, after the wire format grew; then `make fuzz`.

#[allow(dead_code, reason = "seeds go through no door")]
#[path = "../doors/state/mod.rs"]
mod doors;

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use bytes::Bytes;
use doors::framed;
use doors::node::{Node, START, actor, node, sent};
use selvedge_state::{Incarnation, Input, Snapshot, SnapshotHead, Time};

/// Where a hello says the newest version that its sender speaks: behind the type, the head of the block, and the oldest one.
const NEWEST_AT: usize = 11;

/// The longest input.
const INPUT_MAX: usize = 4096;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let hello = sent(&node(2).connect(1, START)).swap_remove(0);
    for version in hello[NEWEST_AT - 1]..=hello[NEWEST_AT] {
        for (kinds, frames) in conversation(version) {
            write(&corpus.join("frames"), &format!("v{version}-{kinds}"), &frames)?;
        }
    }
    let (node, now) = (busy(), START.plus(1_000));
    let head = SnapshotHead {
        cluster: "test".to_owned(),
        secret_id: 7,
        actor: actor(1),
        incarnation: Incarnation(1),
        at: now,
    };
    write(&corpus.join("snapshot"), "whole", &Snapshot::new(&node.store, head).collect::<Vec<_>>())
}

fn write(folder: &Path, name: &str, frames: &[Bytes]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let input = input(frames.iter().map(AsRef::as_ref));
    assert!(input.len() <= INPUT_MAX, "{name} has {} bytes", input.len());
    fs::write(folder.join(format!("seed-{name}")), input)
}

/// An input of these frames, to be sealed.
fn input<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut input = vec![framed::SEALED];
    for frame in frames {
        // A frame has at most 64 KiB; the one that is exactly as long loses its last byte here.
        let length = u16::try_from(frame.len()).unwrap_or(u16::MAX);
        input.extend_from_slice(&length.to_le_bytes());
        input.extend_from_slice(&frame[..usize::from(length)]);
    }
    input
}

/// A bit of everything.
fn work(node: &Node, step: u8, now: Time) {
    let Node { store, table, uniques, list, .. } = node;
    store.add(*table, store.key(&[&[step % 7]]), u32::from(step) * 100 + 1, now);
    store.observe(*uniques, store.key(&[b"few"]), &[step % 11], now);
    if step.is_multiple_of(8) {
        let (subject, until) = (format!("192.0.2.{step}/32"), now.plus(5_000));
        store.ban(&subject, until, step, "x", now).expect("there is room");
        store.list_set(*list, &subject, !step.is_multiple_of(16), until, now).expect("there is room");
    }
    if step == 30 {
        (0..250_u8).for_each(|n| store.observe(*uniques, store.key(&[b"many"]), &[n], now));
        store.unban("192.0.2.8/32", now);
    }
}

fn busy() -> Node {
    let node = node(1);
    (0..40).for_each(|step| work(&node, step, START.plus(u64::from(step) * 25)));
    node
}

/// What POP 2 says to POP 1, which speaks up to this version: the first frames of each type and mix of blocks.
fn conversation(version: u8) -> BTreeMap<String, Vec<Bytes>> {
    let (mut near, mut far) = (node(2), node(1));
    // What there is before they meet comes by repair.
    (0..20).for_each(|step| work(&near, step, START));
    let mut said: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
    let (mut to_far, mut to_near) = (near.connect(1, START), far.connect(2, START));
    for step in 0..60_u8 {
        let now = START.plus(u64::from(step) * 25);
        for frame in sent(&to_near) {
            let mut frame = frame.to_vec();
            if frame.first() == Some(&1) {
                frame[NEWEST_AT] = version;
                framed::seal(&mut frame);
            }
            to_far.extend(near.hear(1, &frame, now));
        }
        if step < 40 {
            work(&near, step, now);
        }
        if step == 50 {
            to_far.extend(near.handle(Input::Retire, now));
        }
        to_far.extend(near.handle(Input::Timeout, now));
        to_near = far.handle(Input::Timeout, now);
        for frame in sent(&to_far) {
            to_near.extend(far.hear(2, &frame, now));
            let of = said.entry(kinds(&frame)).or_default();
            if of.len() < 3 && of.iter().map(Bytes::len).sum::<usize>() + frame.len() < INPUT_MAX - 16 {
                of.push(frame);
            }
        }
        to_far.clear();
    }
    said
}

/// The type of a frame and the kinds of its blocks, as a name.
fn kinds(frame: &[u8]) -> String {
    let mut name = format!("type{}", frame[0]);
    let mut start = 1;
    while let Some(head) = frame.get(start..start + 5) {
        name += &format!("-{}", head[0]);
        start += 9 + u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    }
    name
}
