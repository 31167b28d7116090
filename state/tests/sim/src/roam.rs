//! Clients that go to another node with each request, and a checker of what they are told: whenever an answer is called fresh, it has all that the
//! client wrote and read before (read your writes, monotonic reads: Terry et al., "Session guarantees for weakly consistent replicated
//! data", 1994).
//!
//! Each client has a session of its own, so the checker needs no model of the store: an attribute is written with numbers that rise, a counter
//! by one, and neither may ever be read lower than before. An answer that is not called fresh may be anything. Where it also says that something is lost for
//! good, since the life that had it has ended, what is read then is what later ones are held to.

use selvedge_state::{Covered, SessionKey, SessionLife, SessionWrite, Versioned};

use crate::{Fault, Network, World, actor, make};

/// Attributes of a session.
const NAMES: [&str; 3] = ["cart", "role", "user"];

/// Requests of a client before it starts another session.
const REQUESTS: u32 = 300;

/// How long a session lasts, ms: longer than any run.
const LASTS: u64 = 30 * 86_400_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Roam {
    /// Nodes, each linked to all others over datagrams, a part of which is lost.
    pub nodes: u16,
    /// Clients, whose requests come in turns.
    pub clients: usize,
    /// Requests in all.
    pub requests: u64,
    /// Where everything random comes from.
    pub seed: u64,
    /// Whether nodes crash, stop and are cut off.
    pub in_trouble: bool,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roamed {
    /// Requests that were answered.
    pub requests: u64,
    /// Those that wrote.
    pub writes: u64,
    /// Answers that were called fresh.
    pub fresh: u64,
    /// Of those, the ones that had to fetch the session from the node that wrote it.
    pub fetched: u64,
    /// Answers that were not, though all that was missing could be had of a node that lived and could be reached.
    pub stale_though_reachable: u64,
    /// Answers that were not called fresh and did say less than the client knew: what would have been violations.
    pub behind: u64,
    /// Answers that said that something is lost for good.
    pub lost: u64,
    /// What was called fresh and was not.
    pub violations: Vec<String>,
}

/// What a client was told, and wrote.
#[derive(Debug, Clone, Copy, Default)]
struct History {
    attributes: [u64; NAMES.len()],
    count: u64,
}

impl History {
    /// The first thing of which another history says less.
    fn beyond(&self, told: &History) -> Option<(&'static str, u64, u64)> {
        let attributes = self.attributes.iter().zip(told.attributes).zip(NAMES);
        let all = attributes.map(|((had, has), name)| (name, *had, has)).chain([("clicks", self.count, told.count)]);
        all.into_iter().find(|(_, had, has)| has < had)
    }
}

#[derive(Debug, Clone, Default)]
struct Client {
    session: u32,
    requests: u32,
    /// What its cookie says.
    context: Vec<Versioned>,
    history: History,
    /// The greatest number that it wrote.
    last: u64,
}

struct Run {
    world: World,
    roamed: Roamed,
}

/// Runs it.
#[must_use]
pub fn run(roam: Roam) -> Roamed {
    let network = Network { lost: 5, doubled: 2, delay: (1, 60) };
    let mut run = Run { world: World::new(roam.seed, roam.nodes, &[], network), roamed: Roamed::default() };
    run.world.run(run.world.now.plus(5_000));
    let mut clients = vec![Client::default(); roam.clients.max(1)];
    for nth in 0..roam.requests {
        let wait = run.world.rng.u64(..30);
        run.world.run(run.world.now.plus(wait));
        let fault =
            Fault::draw(&mut run.world.rng, usize::from(roam.nodes)).filter(|_| roam.in_trouble && nth % 8 == 0);
        if let Some(fault) = fault {
            run.world.suffer(fault);
        }
        let at = (nth % clients.len() as u64) as usize;
        run.request(at, &mut clients[at]);
    }
    run.roamed
}

impl Run {
    /// One request, at any node that runs.
    fn request(&mut self, number: usize, client: &mut Client) {
        let node = self.world.rng.usize(..self.world.nodes.len());
        if self.world.nodes[node].is_stopped {
            return;
        }
        self.roamed.requests += 1;
        client.requests += 1;
        if client.requests >= REQUESTS {
            *client = Client { session: client.session + 1, ..Client::default() };
        }
        let id = [number as u64, client.session.into()].map(u64::to_le_bytes);
        let key = self.world.nodes[node].store.session_key(&[&id[0], &id[1]]);
        let covered = self.look(node, key, client);
        let told = self.read(node, key);
        match covered {
            Covered::All => {
                self.roamed.fresh += 1;
                if let Some((name, had, has)) = client.history.beyond(&told) {
                    let now = self.world.now;
                    let said = format!("client {number}, node {node}, {now}: {name} was {had}, is {has}");
                    self.roamed.violations.push(said);
                }
                client.history = told;
            }
            Covered::Misses(_) => self.roamed.behind += u64::from(client.history.beyond(&told).is_some()),
            Covered::Ended(_) => {
                self.roamed.lost += 1;
                client.history = told;
            }
        }
        let before = client.context.clone();
        if self.world.rng.bool() {
            self.write(node, key, client);
        }
        let now = self.world.clock(node);
        client.context = self.world.nodes[node].store.session_context(key, &client.context, now);
        self.note_dropped(node, key, client, &before);
    }

    /// Whether a client's context is here, once what is missing was asked for where it was written.
    fn look(&mut self, node: usize, key: SessionKey, client: &Client) -> Covered {
        let now = self.world.clock(node);
        let covers = |run: &Run| run.world.nodes[node].store.session_covers(key, &client.context, now);
        let Covered::Misses(authors) = covers(self) else { return covers(self) };
        let mut all_reached = true;
        for author in authors {
            let of = self.world.nodes.iter().position(|node| make::actor(node.pop) == author.actor);
            let reached = of.filter(|of| self.reaches(node, *of) && self.world.author(*of).1 == author.incarnation);
            all_reached &= reached.is_some();
            let there = reached.map(|of| (of, self.world.clock(of)));
            let said = there.and_then(|(of, at)| self.world.nodes[of].store.export_session(key, at));
            if let Some(said) = said {
                let _ = self.world.nodes[node].store.take_session(key, author.actor, &said, now);
            }
        }
        let covered = covers(self);
        match covered {
            Covered::All => self.roamed.fetched += 1,
            Covered::Misses(_) => self.roamed.stale_though_reachable += u64::from(all_reached),
            Covered::Ended(_) => {}
        }
        covered
    }

    fn reaches(&self, here: usize, there: usize) -> bool {
        let ways = [(here, there), (there, here)];
        !self.world.nodes[there].is_stopped && ways.iter().all(|way| !self.world.cut.contains(way))
    }

    fn read(&self, node: usize, key: SessionKey) -> History {
        let number = |value: Option<&[u8]>| value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_le_bytes);
        let now = self.world.clock(node);
        let read = self.world.nodes[node].store.session(key, now, |session| History {
            attributes: NAMES.map(|name| number(session.get(name))),
            count: session.count("clicks"),
        });
        read.unwrap_or_default()
    }

    fn write(&mut self, node: usize, key: SessionKey, client: &mut Client) {
        let (now, name) = (self.world.clock(node), self.world.rng.usize(..NAMES.len() + 1));
        client.last += 1;
        let value = client.last.to_le_bytes();
        let attribute = NAMES.get(name).map(|name| (*name, Some(&value[..])));
        let counts: &[(&str, u64)] = if attribute.is_none() { &[("clicks", 1)] } else { &[] };
        let write = SessionWrite { after: &client.context, attributes: attribute.as_slice(), counts };
        let life = SessionLife { created: make::START, ends: make::START.plus(LASTS), until: now.plus(LASTS) };
        let Ok(Some(written)) = self.world.nodes[node].store.write_session(key, &life, &write, now) else { return };
        debug_assert_eq!(written.author.actor, actor(self.world.nodes[node].pop), "it writes itself");
        self.roamed.writes += 1;
        // What it wrote it has to read again; a count on top of what is not here is not known before that is.
        match NAMES.get(name).and_then(|_| client.history.attributes.get_mut(name)) {
            Some(had) => *had = client.last,
            None => client.history.count += 1,
        }
        client.context.push(written);
    }

    /// A cookie has no room for all that is missing: the answer was not called fresh, and later ones are held to what was read.
    fn note_dropped(&mut self, node: usize, key: SessionKey, client: &mut Client, before: &[Versioned]) {
        let now = self.world.clock(node);
        let missing = self.world.nodes[node].store.session(key, now, |session| session.missing(before));
        let missing = missing.unwrap_or_else(|| before.to_vec());
        let keeps = |one: &Versioned| client.context.iter().any(|kept| kept.author == one.author && kept >= one);
        if !missing.iter().all(keeps) {
            client.history = self.read(node, key);
        }
    }
}
