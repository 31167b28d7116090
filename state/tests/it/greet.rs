//! How links begin, and who is refused.

use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{
    Actor, CloseReason, Event, Incarnation, Input, LinkId, Output, PeerState, PopId, Replica, ReplicaConfig, Store,
    Time,
};

use crate::support::{START, actor, config, store_of};

const LINK: LinkId = LinkId(1);
const OTHER: LinkId = LinkId(2);

struct Side {
    replica: Replica,
    store: Arc<Store>,
}

fn side(config: ReplicaConfig) -> Side {
    let store = store_of(config.me.pop.0, config.incarnation.0, 3, 100, 100);
    Side { replica: Replica::new(config, Arc::clone(&store)), store }
}

impl Side {
    fn feed(&mut self, input: Input, now: Time) -> Vec<Output> {
        self.replica.handle(input, now);
        std::iter::from_fn(|| self.replica.poll_output()).collect()
    }

    /// Peers that are heard.
    fn heard(&self, now: Time) -> usize {
        self.replica.status(now).peers.iter().filter(|peer| peer.state == PeerState::Up).count()
    }

    /// Connects a link to POP 2 and takes a frame on it.
    fn hears(&mut self, link: LinkId, frames: &[Bytes]) -> Vec<Output> {
        let mut outputs = self.feed(Input::Connected { link, peer: PopId(2) }, START);
        for bytes in frames {
            outputs.extend(self.feed(Input::Frame { link, bytes: bytes.clone() }, START));
        }
        outputs
    }
}

fn ours() -> Side {
    side(config(1, 1, 1, 3))
}

/// What POP 2 says first, with this config.
fn hello(config: ReplicaConfig) -> Bytes {
    let outputs = side(config).feed(Input::Connected { link: LINK, peer: PopId(1) }, START);
    let frame = |output: &Output| match output {
        Output::Send { frame, .. } => Some(frame.clone()),
        _ => None,
    };
    outputs.iter().find_map(frame).unwrap()
}

fn closed(outputs: &[Output]) -> Vec<(LinkId, CloseReason)> {
    let close = |output: &Output| match output {
        Output::Close { link, reason } => Some((*link, reason.clone())),
        _ => None,
    };
    outputs.iter().filter_map(close).collect()
}

fn events(outputs: &[Output]) -> Vec<Event> {
    let event = |output: &Output| match output {
        Output::Event(event) => Some(event.clone()),
        _ => None,
    };
    outputs.iter().filter_map(event).collect()
}

fn theirs() -> ReplicaConfig {
    config(2, 5, 2, 3)
}

fn refusal(config: ReplicaConfig) -> CloseReason {
    let outputs = ours().hears(LINK, &[hello(config)]);
    assert_eq!(events(&outputs), []);
    closed(&outputs).first().expect("it is refused").1.clone()
}

#[test]
fn a_peer_is_heard_from_its_hello_on() {
    let mut us = ours();
    let outputs = us.hears(LINK, &[hello(theirs())]);
    assert_eq!(closed(&outputs), []);
    assert_eq!(events(&outputs), [Event::PeerUp { actor: actor(2), incarnation: Incarnation(5) }]);
    assert_eq!(us.store.peers(START).roster, 3);
    let status = us.replica.status(START);
    assert_eq!((status.peers[0].state, status.peers[0].incarnation), (PeerState::Up, Some(Incarnation(5))));
    assert_eq!((status.peers[1].state, status.peers[1].lag_ms), (PeerState::NeverHeard, None));
}

#[test]
fn another_cluster_is_refused_by_name() {
    let reason = refusal(ReplicaConfig { cluster: "other".to_owned(), ..theirs() });
    assert_eq!(reason, CloseReason::OtherCluster { theirs: "other".to_owned(), ours: "test".to_owned() });
    assert_eq!(reason.to_string(), r#"the peer belongs to cluster "other", this node to "test""#);
}

#[test]
fn another_secret_is_refused_by_its_id() {
    let reason = refusal(ReplicaConfig { secret_id: 8, ..theirs() });
    assert_eq!(reason, CloseReason::OtherSecret { theirs: 8, ours: 7 });
    assert_eq!(reason.to_string(), "the peer has the cluster secret 0000000000000008, this node 0000000000000007");
}

/// While the secret is rotated a peer may have either one in force, and a third one is a stranger's.
#[test]
fn the_secret_beside_is_let_in_and_a_third_is_refused() {
    let hears = |secret_id: u64| {
        let mut us = side(ReplicaConfig { secret_beside: Some(8), ..config(1, 1, 1, 3) });
        let outputs = us.hears(LINK, &[hello(ReplicaConfig { secret_id, ..theirs() })]);
        let differs = events(&outputs).into_iter().find(|event| matches!(event, Event::SecretDiffers { .. }));
        (closed(&outputs), differs, us.replica.status(START).peers[0].secret_id)
    };
    assert_eq!(hears(7), (vec![], None, Some(7)));
    let differs = Event::SecretDiffers { pop: PopId(2), theirs: 8, ours: 7 };
    let text = "POP 2 has the secret 0000000000000008 in force, this node 0000000000000007, and each knows the other's";
    assert_eq!(differs.to_string(), text);
    assert_eq!(hears(8), (vec![], Some(differs), Some(8)));
    assert_eq!(hears(9), (vec![(LINK, CloseReason::OtherSecret { theirs: 9, ours: 7 })], None, None));
}

#[test]
fn a_peer_is_who_its_certificate_says() {
    let reason = refusal(ReplicaConfig { me: actor(3), ..theirs() });
    assert_eq!(reason, CloseReason::NotItsCertificate { certificate: PopId(2), says: PopId(3) });
}

#[test]
fn a_stranger_is_refused_at_once() {
    let outputs = ours().feed(Input::Connected { link: LINK, peer: PopId(9) }, START);
    assert_eq!(closed(&outputs), [(LINK, CloseReason::NotInRoster(PopId(9)))]);
}

#[test]
fn a_node_is_not_its_own_peer() {
    let mut us = ours();
    us.feed(Input::Connected { link: LINK, peer: PopId(1) }, START);
    let outputs = us.feed(Input::Frame { link: LINK, bytes: hello(config(1, 9, 9, 3)) }, START);
    assert_eq!(closed(&outputs), [(LINK, CloseReason::Myself(actor(1)))]);
    assert_eq!(us.store.peers(START).roster, 3);
}

/// A node of a POP, by its number there.
fn node(pop: u16, node: u32) -> ReplicaConfig {
    let boot = u64::from(node) + 50;
    ReplicaConfig { me: Actor { pop: PopId(pop), node }, boot, ..config(pop, 5, boot, 3) }
}

#[test]
fn several_nodes_of_a_pop_are_peers_each() {
    let mut us = ours();
    // A node of a POP takes the place that was kept for the POP; its fellows, and those of this very POP, come beside.
    for (link, config, known) in [(1, node(2, 7), 3), (2, node(2, 8), 4), (3, node(1, 1), 5)] {
        let pop = config.me.pop;
        us.feed(Input::Connected { link: LinkId(link), peer: pop }, START);
        let outputs = us.feed(Input::Frame { link: LinkId(link), bytes: hello(config) }, START);
        assert_eq!(closed(&outputs), []);
        assert_eq!((us.store.peers(START).roster, us.heard(START) as u64), (known, link));
    }
    let actors: Vec<String> = us.replica.status(START).peers.iter().map(|peer| peer.actor.to_string()).collect();
    assert_eq!(actors, ["1/1", "2/7", "2/8", "3/0"]);
}

#[test]
fn a_node_that_left_is_forgotten_and_its_pop_is_not() {
    let mut us = ours();
    let two = node(2, 7);
    us.feed(Input::Connected { link: LINK, peer: PopId(2) }, START);
    us.feed(Input::Frame { link: LINK, bytes: hello(two.clone()) }, START);
    us.feed(Input::Gone { peer: two.me }, START);
    assert_eq!(us.replica.status(START).peers[0].actor, two.me, "who is linked is not gone");
    us.feed(Input::Disconnected { link: LINK }, START);
    us.feed(Input::Gone { peer: two.me }, START);
    let peers = us.replica.status(START).peers;
    assert_eq!((peers[0].actor, peers[0].state), (actor(2), PeerState::NeverHeard));
    assert_eq!((us.store.peers(START).roster, us.store.peers(START).heard), (3, 1));
}

#[test]
fn another_roster_is_told_and_let_in() {
    let outputs = ours().hears(LINK, &[hello(ReplicaConfig { roster_revision: 2, ..theirs() })]);
    assert_eq!(closed(&outputs), []);
    assert!(events(&outputs).contains(&Event::RosterDiffers { pop: PopId(2), theirs: 2, ours: 1 }));
}

/// A life of POP 2 by its number.
fn life(incarnation: u64) -> ReplicaConfig {
    ReplicaConfig { incarnation: Incarnation(incarnation), boot: incarnation, ..theirs() }
}

#[test]
fn a_process_and_its_successor_have_a_link_each_and_of_three_lives_the_oldest_gives_way() {
    let lives = |us: &Side| {
        let peer = us.replica.status(START).peers.swap_remove(0);
        (peer.incarnation.map(|life| life.0 >> 16), peer.draining.map(|draining| draining.incarnation.0 >> 16))
    };
    let (five, six, seven) = (life(5 << 16), life(6 << 16), life(7 << 16));
    let mut us = ours();
    us.hears(LINK, &[hello(five.clone())]);
    assert_eq!(closed(&us.hears(OTHER, &[hello(six.clone())])), []);
    assert_eq!(lives(&us), (Some(6), Some(5)));
    // The older one's link is made anew, and stays the older one's.
    let outputs = us.hears(LinkId(3), &[hello(five.clone())]);
    assert_eq!(closed(&outputs), [(LINK, CloseReason::Superseded { by: five.incarnation })]);
    assert_eq!(lives(&us), (Some(6), Some(5)));
    let outputs = us.hears(LinkId(4), &[hello(seven.clone())]);
    assert_eq!(closed(&outputs), [(LinkId(3), CloseReason::Superseded { by: seven.incarnation })]);
    assert_eq!(lives(&us), (Some(7), Some(6)));
    let outputs = us.hears(LinkId(5), &[hello(five)]);
    assert_eq!(closed(&outputs), [(LinkId(5), CloseReason::Superseded { by: seven.incarnation })]);
    us.feed(Input::Disconnected { link: OTHER }, START);
    assert_eq!(lives(&us), (Some(7), None));
    // A successor that fails leaves the older one where it was.
    assert_eq!(closed(&us.hears(LinkId(6), &[hello(six)])), []);
    us.feed(Input::Disconnected { link: LinkId(4) }, START);
    assert_eq!(us.replica.status(START).peers[0].state, PeerState::Up);
    assert_eq!(lives(&us), (Some(7), None));
}

#[test]
fn a_new_link_of_the_same_life_takes_over() {
    let mut us = ours();
    us.hears(LINK, &[hello(theirs())]);
    let outputs = us.hears(OTHER, &[hello(theirs())]);
    assert_eq!(closed(&outputs), [(LINK, CloseReason::Superseded { by: Incarnation(5) })]);
    assert_eq!(events(&outputs), []);
}

#[test]
fn two_processes_with_one_name_are_told() {
    let mut us = ours();
    us.hears(LINK, &[hello(theirs())]);
    let outputs = us.hears(OTHER, &[hello(ReplicaConfig { boot: 77, ..theirs() })]);
    assert!(events(&outputs).contains(&Event::SameIncarnation { actor: actor(2), incarnation: Incarnation(5) }));
    let said = us.replica.status(START).peers[0].last_error.clone();
    assert_eq!(said.as_deref(), Some("two processes say they are 2/0 in incarnation 5"));
}

#[test]
fn a_link_without_a_hello_is_closed() {
    let mut us = ours();
    us.hears(LINK, &[]);
    let mut closes = Vec::new();
    let mut now = START;
    while closes.is_empty() {
        now = us.replica.poll_timeout().expect("something is due until it is closed");
        closes = closed(&us.feed(Input::Timeout, now));
    }
    assert_eq!((closes, now), (vec![(LINK, CloseReason::NoHello)], START.plus(5_000)));
    // What is left is to be warm whether or not anybody comes.
    assert_eq!(us.replica.poll_timeout(), Some(START.plus(10_000)));
    us.feed(Input::Timeout, START.plus(10_000));
    assert_eq!(us.replica.poll_timeout(), None);
}

#[test]
fn a_peer_may_have_so_many_links() {
    let mut us = ours();
    for link in 1..=4 {
        assert_eq!(closed(&us.hears(LinkId(link), &[])), []);
    }
    assert_eq!(closed(&us.hears(LinkId(5), &[])), [(LinkId(5), CloseReason::TooMany)]);
    us.feed(Input::Disconnected { link: LINK }, START);
    assert_eq!(closed(&us.hears(LinkId(6), &[])), []);
}

#[test]
fn a_silent_peer_is_not_heard_and_comes_back() {
    let mut us = ours();
    us.hears(LINK, &[hello(theirs())]);
    us.feed(Input::Timeout, START.plus(1_999));
    assert_eq!(us.heard(START.plus(1_999)), 1);
    let outputs = us.feed(Input::Timeout, START.plus(2_000));
    assert_eq!(events(&outputs), [Event::PeerDown { actor: actor(2) }]);
    assert_eq!((us.heard(START.plus(2_500)), us.store.peers(START.plus(2_500)).lag_ms), (0, 2_500));
    assert_eq!(us.replica.status(START.plus(2_000)).peers[0].state, PeerState::Down);
    let again = us.feed(Input::Frame { link: LINK, bytes: hello(theirs()) }, START.plus(3_000));
    assert_eq!(events(&again), [Event::PeerUp { actor: actor(2), incarnation: Incarnation(5) }]);
    assert_eq!(us.heard(START.plus(3_000)), 1);
}
