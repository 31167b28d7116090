//! A process hands over: who is told, and what one that says so without end can do.

use super::bounds::{LINK, NOW, Node, node, pair};
use super::given::author;
use crate::identity::PopId;
use crate::replica::{Event, Input};
use crate::wire::{self, FEATURES, Hello, NEWEST, SUCCEEDS};

/// The type of the message.
const RETIRES: u8 = 7;

/// A node that hands over and meets a peer of these features; how often it says so.
fn told(features: u64) -> usize {
    let mut near = node(1, 10, 10);
    let (mut frames, _) = near.feed(Input::Retire, NOW);
    frames.extend(near.feed(Input::Connected { link: LINK, peer: PopId(2) }, NOW).0);
    let hello = Hello {
        oldest: 2,
        newest: NEWEST,
        features,
        cluster: "edge".to_owned(),
        secret_id: 1,
        roster_revision: 1,
        author: author(2, 1).into(),
        boot: 5,
        base: 0,
        at: NOW.0,
    };
    frames.extend(near.takes(vec![wire::hello(&hello)], NOW).0);
    frames.extend(near.feed(Input::Retire, NOW).0);
    frames.iter().filter(|frame| frame.first() == Some(&RETIRES)).count()
}

#[test]
fn only_those_who_know_what_it_means_are_told() {
    assert_eq!([0, FEATURES & !SUCCEEDS, SUCCEEDS, FEATURES, u64::MAX].map(told), [0, 0, 1, 1, 1]);
}

/// Whoever says it without end is heard once, and gets nothing for it.
#[test]
fn it_is_told_once_however_often_it_is_said() {
    let (mut near, _) = pair(10, 10);
    let hears = |near: &mut Node| near.takes(vec![wire::retires(); 1_000], NOW);
    let (frames, events) = hears(&mut near);
    assert_eq!(events, [Event::Retires { actor: author(2, 1).actor, link: LINK }]);
    let (more, again) = hears(&mut near);
    assert_eq!((frames.len() + more.len(), again), (0, vec![]));
    assert_eq!(near.replica.status(NOW).peers.iter().map(|peer| peer.dropped).sum::<u64>(), 0);
}
