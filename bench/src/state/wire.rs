//! Frames: what a join costs, what a changed counter takes, what more peers cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use selvedge_state::{Actor, Incarnation, Input, Key, LinkId, Output, PopId, Replica, ReplicaConfig, Time};

use super::{Args, Bench, START, keys};
use crate::figures::{Figures, median, rounded};

/// Types of frames, by their first byte.
const DELTA: u8 = 2;
const RANGE: u8 = 4;
const DIGEST: u8 = 5;

/// Counters that change at once.
const CHANGED: usize = 10_000;

/// All keys changed at one node, through frames, into an empty node, in memory that the process has already: cells joined a second.
pub(super) fn measure(args: &Args, keys: &[Key], figures: &mut Figures) -> Result<(), String> {
    let mut rates = Vec::new();
    let mut before: Option<Bench> = None;
    for _ in 0..=args.rounds.min(3) {
        let (from, to) = (Bench::new(0, keys.len())?, Bench::new(1, keys.len())?);
        let (mut sender, mut receiver) = (replica(&from, 0, 2), replica(&to, 1, 2));
        let mut link = Link::new(&mut sender, &mut receiver, START);
        from.fill(keys)?;
        // The receiver of the round before leaves its memory, so that what the system takes to clear pages is not measured.
        let is_warm = before.take().is_some();
        link.run(|| to.store.keys(to.table) < keys.len())?;
        if is_warm {
            // A charge changes two cells: one fine, one coarse.
            rates.push(2.0 * keys.len() as f64 / link.joining);
        }
        before = Some(to);
    }
    if let Some(rate) = median(rates) {
        figures.add("join_cells_per_s", rate.round());
    }
    changed_of_many(args, figures)?;
    idle(figures)?;
    for (name, peers) in [("encode_p1_ns", 1), ("encode_p300_ns", 300)] {
        let times = (0..args.rounds).map(|_| encode(peers)).collect::<Result<_, _>>()?;
        figures.add(name, median(times).map_or(0.0, f64::round));
    }
    Ok(())
}

/// Of many keys, few changed: the bytes of frames for each of those.
fn changed_of_many(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let keys = keys(args.many)?;
    let (from, to) = (Bench::new(0, keys.len())?, Bench::new(1, CHANGED)?);
    let (mut sender, mut receiver) = (replica(&from, 0, 2), replica(&to, 1, 2));
    from.fill(&keys)?;
    // What changed before there was a peer is repair's business, which is not what is measured: the table is emptied of it by time.
    let later = Time(START.0 + 600_000);
    sender.handle(Input::Dirty, later);
    while sender.poll_output().is_some() {}
    let mut link = Link::new(&mut sender, &mut receiver, later);
    link.carry();
    link.bytes = 0;
    let changed: Vec<Key> = keys.iter().step_by(keys.len() / CHANGED).take(CHANGED).copied().collect();
    changed.iter().try_for_each(|key| from.charge(*key, later))?;
    link.run(|| to.store.keys(to.table) < changed.len())?;
    figures.add("wire_bytes_per_counter", rounded(link.bytes as f64 / changed.len() as f64));
    Ok(())
}

/// Two nodes that know the same, for a minute: what goes over their link beside heartbeats.
fn idle(figures: &mut Figures) -> Result<(), String> {
    let keys = keys(CHANGED)?;
    let (one, other) = (Bench::new(0, keys.len())?, Bench::new(1, keys.len())?);
    let (mut near, mut far) = (replica(&one, 0, 2), replica(&other, 1, 2));
    let mut link = Link::new(&mut near, &mut far, START);
    one.fill(&keys)?;
    other.fill(&keys)?;
    link.run(|| other.store.keys(other.table) < keys.len())?;
    link.pass(5_000);
    link.sent = BTreeMap::new();
    link.pass(60_000);
    let of = |kind: u8| link.sent.get(&kind).copied().unwrap_or_default() as f64;
    figures.add("idle_payload_bytes", of(DELTA) + of(RANGE));
    // Both ask each other.
    figures.add("idle_digest_bytes_per_s_per_peer", rounded(of(DIGEST) / 60.0 / 2.0));
    Ok(())
}

/// Nanoseconds to encode ten thousand changed counters for so many peers that are up to date.
fn encode(peers: u16) -> Result<f64, String> {
    let keys = keys(CHANGED)?;
    let bench = Bench::of(0, keys.len(), peers + 1)?;
    let mut sender = replica(&bench, 0, peers + 1);
    for peer in 1..=peers {
        let link = LinkId(u64::from(peer));
        sender.handle(Input::Connected { link, peer: PopId(peer) }, START);
        let far = Bench::of(peer, 1, peers + 1)?;
        let mut far = replica(&far, peer, peers + 1);
        far.handle(Input::Connected { link, peer: PopId(0) }, START);
        exchange(&mut sender, &mut far, link);
    }
    keys.iter().try_for_each(|key| bench.charge(*key, START))?;
    let later = Time(START.0 + 100);
    let began = Instant::now();
    sender.handle(Input::Dirty, later);
    let took = began.elapsed();
    let mut sent = 0_usize;
    while let Some(output) = sender.poll_output() {
        sent += usize::from(matches!(output, Output::Send { .. }));
    }
    if sent < usize::from(peers) { Err("not all peers were sent to".to_owned()) } else { Ok(took.as_nanos() as f64) }
}

/// Carries what both say on a link until they are quiet.
fn exchange(one: &mut Replica, other: &mut Replica, link: LinkId) {
    for step in 0..100 {
        let now = Time(START.0 + step);
        let mut quiet = true;
        let (from_one, from_other) = (frames(one, link), frames(other, link));
        for (to, frames) in [(&mut *other, from_one), (&mut *one, from_other)] {
            for bytes in frames {
                quiet = false;
                to.handle(Input::Frame { link, bytes }, now);
            }
        }
        if quiet && step > 20 {
            return;
        }
        one.handle(Input::Timeout, now);
        other.handle(Input::Timeout, now);
    }
}

fn frames(of: &mut Replica, on: LinkId) -> Vec<bytes::Bytes> {
    let mut frames = Vec::new();
    while let Some(output) = of.poll_output() {
        if let Output::Send { link, frame } = output {
            of.handle(Input::Sent { link, bytes: frame.len() }, START);
            if link == on {
                frames.push(frame);
            }
        }
    }
    frames
}

/// POP `me` of so many.
pub(super) fn replica(bench: &Bench, me: u16, pops: u16) -> Replica {
    let config = ReplicaConfig {
        cluster: "bench".to_owned(),
        secret_id: 1,
        secret_beside: None,
        roster_revision: 1,
        me: Actor { pop: PopId(me), node: 0 },
        incarnation: Incarnation(u64::from(me) + 1),
        boot: u64::from(me) + 1,
        peers: (0..pops).filter(|pop| *pop != me).map(PopId).collect(),
        seed: 1,
    };
    Replica::new(config, Arc::clone(&bench.store))
}

/// Two replicas and the wire between them, which takes no time.
struct Link<'a> {
    sender: &'a mut Replica,
    receiver: &'a mut Replica,
    now: Time,
    /// Bytes that the sender sent.
    bytes: usize,
    /// Bytes that both sent, by the type of the frame.
    sent: BTreeMap<u8, usize>,
    /// Seconds that the receiver took to decode and join.
    joining: f64,
}

impl<'a> Link<'a> {
    fn new(sender: &'a mut Replica, receiver: &'a mut Replica, now: Time) -> Link<'a> {
        let link = Link { sender, receiver, now, bytes: 0, sent: BTreeMap::new(), joining: 0.0 };
        let connected = |pop: u16| Input::Connected { link: LinkId(1), peer: PopId(pop) };
        link.sender.handle(connected(1), now);
        link.receiver.handle(connected(0), now);
        link
    }

    /// Carries frames until there is nothing more to wait for.
    fn run(&mut self, waiting: impl Fn() -> bool) -> Result<(), String> {
        self.carry();
        (self.bytes, self.joining) = (0, 0.0);
        for _ in 0..1_000_000 {
            if !waiting() {
                return Ok(());
            }
            self.now = Time(self.now.0 + 1);
            self.sender.handle(Input::Dirty, self.now);
            self.sender.handle(Input::Timeout, self.now);
            self.receiver.handle(Input::Timeout, self.now);
            self.carry();
        }
        Err("the nodes did not come together".to_owned())
    }

    /// Lets so many ms pass.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.now = Time(self.now.0 + 10);
            for replica in [&mut *self.sender, &mut *self.receiver] {
                replica.handle(Input::Dirty, self.now);
                replica.handle(Input::Timeout, self.now);
            }
            self.carry();
        }
    }

    fn note(&mut self, frame: &[u8]) {
        let kind = frame.first().copied().unwrap_or_default();
        *self.sent.entry(kind).or_default() += frame.len();
    }

    fn carry(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.sender.poll_output() {
                if let Output::Send { link, frame } = output {
                    moved = true;
                    self.bytes += frame.len();
                    self.note(&frame);
                    self.sender.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    let began = Instant::now();
                    self.receiver.handle(Input::Frame { link, bytes: frame }, self.now);
                    self.joining += began.elapsed().as_secs_f64();
                }
            }
            while let Some(output) = self.receiver.poll_output() {
                if let Output::Send { link, frame } = output {
                    moved = true;
                    self.note(&frame);
                    self.receiver.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    self.sender.handle(Input::Frame { link, bytes: frame }, self.now);
                }
            }
            if !moved {
                return;
            }
        }
    }
}
