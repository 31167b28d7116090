//! One other node, whether or not a link to it is up: what outlives its links.

use super::LinkId;
use super::budget::Budget;
use super::clocks::Clocks;
use super::rtt::Rtt;
use super::status::{Draining, PeerState, PeerStatus};
use super::tally::Share;
use super::tempo::Reach;
use crate::identity::{Actor, Incarnation};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) actor: Actor,
    /// The established link, of its latest life if it has two.
    pub(super) link: Option<LinkId>,
    /// That of the life before, which is handing over.
    pub(super) draining: Option<LinkId>,
    /// Its life and its process, as it said last.
    pub(super) life: Option<(Incarnation, u64)>,
    /// The revision of its roster, as it said last.
    pub(super) roster_revision: Option<u64>,
    /// The id of the secret in force there, as it said last.
    pub(super) secret_id: Option<u64>,
    pub(super) heard_at: Option<Time>,
    /// One that said nothing for so long is not heard, ms.
    pub(super) heard_for: u64,
    /// As it was when a frame came last, see [`newest`](Peer::newest).
    pub(super) news: Option<Time>,
    /// As it was when it was filed under it last: never after that.
    pub(super) filed: Option<Time>,
    /// What the tally counts of it.
    pub(super) share: Share,
    pub(super) is_up: bool,
    /// Whether it says whom it does not hear.
    pub(super) tells: bool,
    /// Since when.
    pub(super) up_at: Time,
    /// Whether it has said all that it knows since it is up.
    pub(super) told: bool,
    /// Whether its clock goes with this node's.
    pub(super) clocks: Clocks,
    pub(super) rtt: Rtt,
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) dropped: u64,
    pub(super) budget: Budget,
    pub(super) last_error: Option<String>,
}

impl Peer {
    pub(super) fn new(actor: Actor) -> Peer {
        Peer {
            actor,
            link: None,
            draining: None,
            life: None,
            roster_revision: None,
            secret_id: None,
            heard_at: None,
            heard_for: Reach::Direct.tempo().heard_for,
            news: None,
            filed: None,
            share: Share::default(),
            is_up: false,
            tells: false,
            up_at: Time::ZERO,
            told: false,
            clocks: Clocks::Agree,
            rtt: Rtt::default(),
            frames_in: 0,
            frames_out: 0,
            bytes_in: 0,
            bytes_out: 0,
            dropped: 0,
            budget: Budget::default(),
            last_error: None,
        }
    }

    /// Whether this is a link of its.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.link == Some(link) || self.draining == Some(link)
    }

    /// Since when nothing newer is known of it: half a round trip before the last frame came.
    pub(super) fn newest(&self) -> Option<Time> {
        let way = self.rtt.worst().unwrap_or(0) / 2;
        self.heard_at.map(|at| Time(at.0.saturating_sub(way)))
    }

    pub(super) fn status(&self, now: Time, behind: u64, draining: Option<Draining>) -> PeerStatus {
        PeerStatus {
            actor: self.actor,
            state: match (self.is_up, self.heard_at) {
                (true, _) => PeerState::Up,
                (false, Some(_)) => PeerState::Down,
                (false, None) => PeerState::NeverHeard,
            },
            lag_ms: self.newest().map(|news| now.since(news)),
            rtt_ms: self.rtt.worst(),
            ahead_ms: self.rtt.offset().map(|offset| offset.ahead_ms),
            clocks: self.clocks,
            incarnation: self.life.map(|(incarnation, _)| incarnation),
            roster_revision: self.roster_revision,
            secret_id: self.secret_id,
            behind,
            draining,
            frames_in: self.frames_in,
            frames_out: self.frames_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            dropped: self.dropped,
            last_error: self.last_error.clone(),
        }
    }
}
