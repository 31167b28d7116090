//! Whatever a peer sends, the replica goes on.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use selvedge_state::{FRAME_MAX, Input, LinkId, Output, PopId, Replica, Rung, Store, Time};

use crate::support::{START, replica, spec, store_of, uniques_spec};

/// What an acknowledgement begins with.
const ACK: u8 = 3;

const LINK: LinkId = LinkId(1);

fn node(pop: u16) -> (Replica, Arc<Store>) {
    let store = store_of(pop, 1, 2, 1_000, 100);
    let replica = replica(pop, 1, u64::from(pop), 2, &store);
    (replica, store)
}

/// The frames that one node sends another in a second of work.
fn conversation() -> Vec<Bytes> {
    let ((mut near, near_store), (mut far, far_store)) = (node(2), node(1));
    let table = near_store.table(&spec("t", Rung::Ms100, Rung::S10)).unwrap();
    far_store.table(&spec("t", Rung::Ms100, Rung::S10)).unwrap();
    let (uniques, list) = (near_store.uniques(&uniques_spec(Rung::S1)).unwrap(), near_store.list("blocked").unwrap());
    let mut frames = Vec::new();
    let mut now = START;
    near.handle(Input::Connected { link: LINK, peer: PopId(1) }, now);
    far.handle(Input::Connected { link: LINK, peer: PopId(2) }, now);
    for step in 0..40_u8 {
        near_store.add(table, near_store.key(&[&[step % 7]]), u32::from(step) + 1, now);
        near_store.ban(&format!("192.0.2.{}/32", step % 5), now.plus(5_000), step, "x", now).unwrap();
        near_store.list_set(list, &format!("192.0.2.{}", step % 5), step % 2 > 0, now.plus(5_000), now).unwrap();
        // One key with few values, one with so many that its sketch is of the large form.
        near_store.observe(uniques, near_store.key(&[b"few"]), &[step % 11], now);
        (0..9_u8).for_each(|n| near_store.observe(uniques, near_store.key(&[b"many"]), &[step, n], now));
        for from in [true, false] {
            let (side, other) = if from { (&mut near, &mut far) } else { (&mut far, &mut near) };
            side.handle(Input::Timeout, now);
            while let Some(output) = side.poll_output() {
                if let Output::Send { frame, .. } = output {
                    other.handle(Input::Sent { link: LINK, bytes: 0 }, now);
                    other.handle(Input::Frame { link: LINK, bytes: frame.clone() }, now);
                    if from {
                        frames.push(frame);
                    }
                }
            }
        }
        now = now.plus(25);
    }
    frames
}

fn feed(replica: &mut Replica, frames: impl IntoIterator<Item = Bytes>) {
    let mut now: Time = START;
    for bytes in frames {
        replica.handle(Input::Frame { link: LINK, bytes }, now);
        while replica.poll_output().is_some() {}
        now = now.plus(3);
    }
}

/// How to spoil a frame.
#[derive(Debug, Clone)]
enum Spoil {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
    /// Spoil it and make the checksum of the last block right again.
    Forge(prop::sample::Index, u8),
}

fn spoils() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1..=u8::MAX).prop_map(|(at, by)| Spoil::Flip(at, by)),
        any::<prop::sample::Index>().prop_map(Spoil::Cut),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Spoil::Append),
        (any::<prop::sample::Index>(), 1..=u8::MAX).prop_map(|(at, by)| Spoil::Forge(at, by)),
    ]
}

fn spoil(frame: &Bytes, how: &Spoil) -> Bytes {
    let mut bytes = frame.to_vec();
    match how {
        Spoil::Flip(at, by) => bytes[at.index(frame.len())] ^= by,
        Spoil::Cut(at) => bytes.truncate(at.index(frame.len())),
        Spoil::Append(more) => bytes.extend_from_slice(more),
        // A forged acknowledgement tells of a clock that is far away: it is believed, see the tests of clocks.
        Spoil::Forge(..) if bytes.first() == Some(&ACK) => {}
        Spoil::Forge(at, by) => {
            // Blocks begin after the type: kind, length, checksum, body.
            let mut start = 1;
            while let Some(head) = bytes.get(start..start + 9).map(<[u8]>::to_vec) {
                let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
                let body = start + 9..start + 9 + length;
                if bytes.len() == body.end && length > 0 {
                    bytes[body.start + at.index(length)] ^= by;
                    let mut crc = crc32(&[head[0]], !0);
                    crc = !crc32(&bytes[body.clone()], crc);
                    bytes[start + 5..start + 9].copy_from_slice(&crc.to_le_bytes());
                }
                start = body.end;
            }
        }
    }
    Bytes::from(bytes)
}

/// CRC-32 (ISO 3309), bit by bit: the test's own.
fn crc32(bytes: &[u8], mut crc: u32) -> u32 {
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    crc
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..10), greeted in any::<bool>()) {
        let (mut replica, store) = node(1);
        store.table(&spec("t", Rung::Ms100, Rung::S10)).unwrap();
        store.uniques(&uniques_spec(Rung::S1)).unwrap();
        replica.handle(Input::Connected { link: LINK, peer: PopId(2) }, START);
        if greeted {
            feed(&mut replica, conversation().into_iter().take(1));
        }
        feed(&mut replica, frames.iter().map(|bytes| Bytes::from(bytes.clone())));
        let status = replica.status(START);
        prop_assert_eq!(status.peers[0].frames_in, frames.len() as u64 + u64::from(greeted));
        prop_assert!(status.peers[0].dropped > 0);
    }

    #[test]
    fn spoilt_frames(picks in prop::collection::vec((any::<prop::sample::Index>(), spoils()), 1..60)) {
        let (mut replica, store) = node(1);
        let table = store.table(&spec("t", Rung::Ms100, Rung::S10)).unwrap();
        let (uniques, list) = (store.uniques(&uniques_spec(Rung::S1)).unwrap(), store.list("blocked").unwrap());
        replica.handle(Input::Connected { link: LINK, peer: PopId(2) }, START);
        let good = conversation();
        feed(&mut replica, good.iter().take(1).cloned());
        let spoilt = picks.iter().map(|(pick, how)| spoil(&good[pick.index(good.len())], how));
        feed(&mut replica, spoilt);
        // And the good ones are still taken.
        feed(&mut replica, good.clone());
        prop_assert!(store.has_listed(list));
        let last = store.counts(table, store.key(&[&[4]]), START.plus(1_000));
        let count: u64 = last.iter().map(|(_, _, n)| n).sum();
        prop_assert!(count >= 5 + 12 + 19 + 26 + 33 + 40, "{count}");
        prop_assert!(store.distinct(uniques, store.key(&[b"few"]), 8_000, START.plus(1_000)) >= 11);
        prop_assert!(store.distinct(uniques, store.key(&[b"many"]), 8_000, START.plus(1_000)) >= 300);
    }
}

#[test]
fn a_frame_that_is_too_long_is_dropped() {
    let (mut replica, _) = node(1);
    replica.handle(Input::Connected { link: LINK, peer: PopId(2) }, START);
    feed(&mut replica, [Bytes::from(vec![2; FRAME_MAX + 1])]);
    assert_eq!(replica.status(START).peers[0].dropped, 1);
}

#[test]
fn inputs_about_links_that_are_not_there_change_nothing() {
    let (mut replica, _) = node(1);
    for input in [
        Input::Disconnected { link: LINK },
        Input::Sent { link: LINK, bytes: usize::MAX },
        Input::Frame { link: LINK, bytes: conversation()[0].clone() },
        Input::Dirty,
        Input::Timeout,
    ] {
        replica.handle(input, START);
        assert!(replica.poll_output().is_none());
    }
    assert_eq!(replica.poll_timeout(), Some(START.plus(10_000)), "when it is warm");
}
