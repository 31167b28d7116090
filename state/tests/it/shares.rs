//! Shares: over any stretch of time all nodes together admit no more than burst + rate x its length, and the rate gets to where it is
//! asked for.

use std::collections::BTreeMap;

use selvedge_state::{
    Allowance, Charge, ERA, Incarnation, LedgerSpec, OVERLAP, SharesId, Snapshot, SnapshotHead, Standing, Store,
    StoreBounds, Time,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, seeds, store, store_bounded, store_of};
use crate::trouble::Trouble;

const NET: Network = Network { lost: 0, doubled: 0, delay: (20, 20) };

const NANO: u128 = 1_000_000_000;

/// A hundred in a second, twenty at once.
const HUNDRED: Allowance = Allowance { nano_per_ms: 100_000_000, burst: 20, overdraft: 0 };

fn spec() -> LedgerSpec {
    LedgerSpec { uid: "origin".to_owned(), shape: "host".to_owned(), replicated: true }
}

fn shares(store: &Store) -> SharesId {
    sharing(store, HUNDRED)
}

/// The table of shares, which shares out so much.
fn sharing(store: &Store, allowance: Allowance) -> SharesId {
    let id = store.shares(&spec()).unwrap();
    store.share_out(id, allowance, Time(1));
    id
}

/// Whether so much was admitted.
fn draw(store: &Store, key: u16, cost: u32, now: Time) -> bool {
    matches!(store.draw(shares(store), store.lasting_key(&[&key.to_le_bytes()]), cost, now), Charge::Admitted { .. })
}

/// The bound over all stretches of time at once: what was admitted since some instant less what came since, at the most, is the
/// backlog of one bucket that drains at the rate.
struct Meter {
    allowance: Allowance,
    /// By key: the backlog, and when it was that.
    backlog: BTreeMap<u16, (u128, Time)>,
    admitted: u64,
}

impl Meter {
    fn new(allowance: Allowance) -> Meter {
        Meter { allowance, backlog: BTreeMap::new(), admitted: 0 }
    }

    fn admitted(&mut self, key: u16, cost: u32, now: Time, what: &str) {
        let (backlog, at) = self.backlog.entry(key).or_insert((0, now));
        let drained = u128::from(self.allowance.nano_per_ms) * u128::from(now.since(*at));
        *backlog = backlog.saturating_sub(drained) + u128::from(cost) * NANO;
        *at = now;
        self.admitted += u64::from(cost);
        let most = u128::from(self.allowance.burst + self.allowance.overdraft) * NANO;
        assert!(*backlog <= most, "{what}: {backlog} of {most} nano-tokens at {now}");
    }
}

/// The oracle: a bucket that is filled ms by ms, but not in the first second of an era.
#[test]
fn one_node_alone_is_a_bucket() {
    for seed in seeds(&[1, 2, 3]) {
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let store = store();
        let (id, key) = (shares(&store), store.lasting_key(&[b"k"]));
        let (mut now, mut tokens) = (START, 20 * NANO);
        for _ in 0..20_000 {
            let longest = if rng.u8(..200) == 0 { 100_000 } else { 30 };
            for _ in 0..rng.u64(..longest) {
                if now.0 % ERA >= 1_000 {
                    tokens = (tokens + u128::from(HUNDRED.nano_per_ms)).min(20 * NANO);
                }
                now = now.plus(1);
            }
            let cost = rng.u32(..8);
            let (has, needs) = (tokens, u128::from(cost) * NANO);
            let expected = needs <= has;
            match store.draw(id, key, cost, now) {
                Charge::Admitted { remaining, .. } if expected => {
                    tokens -= needs;
                    assert_eq!(u128::from(remaining), tokens / NANO);
                }
                Charge::Refused { retry_after_ms } if !expected => assert!((1..=ERA).contains(&retry_after_ms)),
                other => panic!("seed {seed}: {other:?} for {cost} of {has} at {now}"),
            }
        }
        assert_eq!(store.draw(id, key, u32::MAX, now), Charge::Refused { retry_after_ms: u64::MAX });
        assert_eq!(store.share(id, key, now), HUNDRED.nano_per_ms);
    }
}

#[test]
fn a_refused_cost_fits_when_it_says() {
    let store = store();
    let (id, key, now) = (shares(&store), store.lasting_key(&[b"k"]), START.plus(5_000));
    assert_eq!(store.draw(id, key, 20, now), Charge::Admitted { remaining: 0, wait_ms: 0 });
    let Charge::Refused { retry_after_ms } = store.draw(id, key, 1, now) else { panic!("it is empty") };
    assert_eq!(store.draw(id, key, 1, now.plus(9)), Charge::Refused { retry_after_ms: 2 });
    assert_eq!(store.draw(id, key, 1, now.plus(retry_after_ms)), Charge::Admitted { remaining: 0, wait_ms: 0 });
}

#[test]
fn what_is_owed_is_paid_back_first() {
    let store = store();
    let (id, key, now) =
        (sharing(&store, Allowance { overdraft: 10, ..HUNDRED }), store.lasting_key(&[b"k"]), START.plus(5_000));
    assert_eq!(store.draw(id, key, 20, now), Charge::Admitted { remaining: 10, wait_ms: 0 });
    assert_eq!(store.draw(id, key, 10, now), Charge::Admitted { remaining: 0, wait_ms: 0 });
    assert_eq!(store.draw(id, key, 1, now), Charge::Refused { retry_after_ms: 11 });
    assert_eq!(store.draw(id, key, 10, now.plus(100)), Charge::Admitted { remaining: 0, wait_ms: 0 });
    assert_eq!(store.draw(id, key, 30, now.plus(400)), Charge::Admitted { remaining: 0, wait_ms: 0 });
}

/// A part that grows was another's, who may have used it.
#[test]
fn an_overdraft_that_grows_has_to_be_earned() {
    let store = store();
    let (id, key) = (shares(&store), store.lasting_key(&[b"k"]));
    let border = START.plus(ERA);
    assert_eq!(store.draw(id, key, 20, border.minus(1)), Charge::Admitted { remaining: 0, wait_ms: 0 });
    store.share_out(id, Allowance { overdraft: 10, ..HUNDRED }, border);
    assert!(matches!(store.draw(id, key, 1, border), Charge::Refused { .. }));
    // Nothing fills in the first second.
    assert_eq!(store.draw(id, key, 11, border.plus(1_100)), Charge::Refused { retry_after_ms: 10 });
    assert_eq!(store.draw(id, key, 10, border.plus(1_100)), Charge::Admitted { remaining: 0, wait_ms: 0 });
}

#[test]
fn a_look_takes_nothing_and_says_what_a_draw_would() {
    let mut rng = fastrand::Rng::with_seed(7);
    let store = store();
    let (id, key, mut now) = (shares(&store), store.lasting_key(&[b"k"]), START);
    assert_eq!(store.peek_draw(id, key, 1, now), store.peek_draw(id, key, 1, now));
    assert_eq!(store.shares_keys(id), 0);
    for _ in 0..2_000 {
        now = now.plus(rng.u64(..30));
        let cost = rng.u32(..8);
        assert_eq!(store.peek_draw(id, key, cost, now), store.draw(id, key, cost, now));
    }
}

#[test]
fn what_is_put_back_is_there_again_and_no_more() {
    let store = store();
    let (id, key) = (shares(&store), store.lasting_key(&[b"k"]));
    let draws = |cost, now| matches!(store.draw(id, key, cost, now), Charge::Admitted { .. });
    store.put_back(id, key, 5, START);
    assert!(draws(15, START), "nothing was drawn before");
    store.put_back(id, key, 15, START);
    assert!(draws(20, START) && !draws(1, START));
    store.put_back(id, key, 1, START.plus(ERA));
    assert!(!draws(1, START), "that is another era's");
    store.put_back(id, key, 500, START);
    assert!(draws(20, START) && !draws(1, START), "the bucket holds no more");
}

#[test]
fn threads_draw_no_more_together() {
    let store = store();
    let (id, key) = (shares(&store), store.lasting_key(&[b"k"]));
    let taken = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, taken) = (&store, &taken);
            // Each reads another time; together they come to 1.9 s that fill.
            scope.spawn(move || {
                for step in 0..2_900 {
                    let now = START.plus(step + thread % 2);
                    if let Charge::Admitted { .. } = store.draw(id, key, 1, now) {
                        taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!((200..=210).contains(&taken.into_inner()));
}

#[test]
fn who_is_warming_up_or_has_another_time_draws_nothing() {
    let store = store();
    for standing in [Standing::Warming, Standing::Clock] {
        store.set_standing(standing);
        assert!(!draw(&store, 0, 1, START));
    }
    store.set_standing(Standing::Settled);
    assert!(draw(&store, 0, 20, START));
    assert!(!draw(&store_of(1, 1, 2, 10, 10), 0, 1, START), "who knows no roster has no share");
}

#[test]
fn a_full_table_admits_nothing_new_and_forgets_no_share() {
    let store = store_bounded(1, StoreBounds { ledgers_max: 1, ..StoreBounds::default() });
    let key = |n: u8| store.lasting_key(&[&[n]]);
    let id = shares(&store);
    assert_eq!(store.draw(id, key(1), 20, START), Charge::Admitted { remaining: 0, wait_ms: 0 });
    assert_eq!(store.draw(id, key(2), 1, START.plus(2 * ERA - 1)), Charge::Full);
    assert_eq!(store.draw(id, key(2), 20, START.plus(2 * ERA)), Charge::Admitted { remaining: 0, wait_ms: 0 });
    // A thread that was held up for an era begins nothing anew.
    assert_eq!(store.shares_keys(id), 1);
    (0..16).for_each(|_| store.sweep(START.plus(5 * ERA)));
    assert_eq!(store.shares_keys(id), 0);
    assert_eq!(store.draw(id, key(1), 1, START.plus(ERA)), Charge::Refused { retry_after_ms: 1 });
}

fn world(seed: u64, nodes: u16) -> World {
    let mut world = World::new(seed, nodes, &[], NET);
    world.nodes.iter().for_each(|node| {
        let _ = shares(&node.store);
    });
    world.run(world.now.plus(ERA + 15_000));
    world
}

fn draw_at(world: &World, meter: &mut Meter, node: usize, key: u16) -> bool {
    let admitted = draw(&world.nodes[node].store, key, 1, world.clock(node));
    if admitted {
        meter.admitted(key, 1, world.now, "all nodes");
    }
    admitted
}

fn share(world: &World, node: usize, key: u16) -> u64 {
    let store = &world.nodes[node].store;
    store.share(shares(store), world.lasting_key(key), world.clock(node))
}

#[test]
fn nodes_begin_with_equal_parts() {
    let world = world(1, 4);
    let mut meter = Meter::new(HUNDRED);
    for node in 0..4 {
        assert_eq!((0..9).filter(|_| draw_at(&world, &mut meter, node, 0)).count(), 5);
        assert_eq!(share(&world, node, 0), HUNDRED.nano_per_ms / 4);
    }
}

/// Two and a half times the rate at one node, nothing elsewhere.
#[test]
fn the_rate_gets_to_where_it_is_asked_for() {
    for seed in seeds(&[1, 2]) {
        for (nodes, eras) in [(4, 5), (20, 2)] {
            let mut world = world(seed, nodes);
            let mut meter = Meter::new(HUNDRED);
            let began = world.now;
            while world.now < began.plus(eras * ERA) {
                draw_at(&world, &mut meter, 0, 0);
                world.run(world.now.plus(4));
            }
            let most = 100 * eras * ERA / 1_000;
            println!("seed {seed}: {} of {most} admitted at one of {nodes}", meter.admitted);
            assert!(meter.admitted * 100 >= most * 95, "seed {seed}: {} of {most}", meter.admitted);
        }
    }
}

/// Nine tenths of the rate, at another node every 5 s, and twenty times the rate: no burst comes of a hop.
#[test]
fn demand_that_hops_is_served_and_mints_nothing() {
    for seed in seeds(&[1, 2, 3]) {
        for (delay, pause, least) in [(20, 11, 90), (200, 11, 80), (20, 1, 0)] {
            let mut world = world(seed, 4);
            world.network.delay = (delay, delay);
            let mut meter = Meter::new(HUNDRED);
            let (began, mut asked) = (world.now, 0);
            while world.now < began.plus(2 * ERA) {
                let node = (world.now.since(began) / 5_000 % 4) as usize;
                asked += 1;
                draw_at(&world, &mut meter, node, 0);
                world.run(world.now.plus(pause));
            }
            println!("seed {seed}: {} of {asked} served, one every {pause} ms, {delay} ms apart", meter.admitted);
            assert!(meter.admitted * 100 >= asked * least, "seed {seed}: {} of {asked}", meter.admitted);
        }
    }
}

/// Where all want more than there is, each gets its part.
#[test]
fn who_wants_more_gets_more() {
    let mut world = world(2, 2);
    let mut meter = Meter::new(HUNDRED);
    let mut served = [0_u64; 2];
    for step in 0..60_000_u64 {
        // 500 in a second here, 167 there.
        for node in [(step % 2 == 0).then_some(0), (step % 6 == 0).then_some(1)].into_iter().flatten() {
            served[node] += u64::from(draw_at(&world, &mut meter, node, 0));
        }
        world.run(world.now.plus(1));
    }
    println!("{served:?} served of 30,000 and 10,000 asked for");
    assert!(served[0] > served[1] * 3 / 2 && served[1] > 600, "{served:?}");
    assert!(served[0] + served[1] >= 6_000 * 95 / 100, "{served:?}");
}

/// What a dead life had is void until its era ends; the next one has a share when it has been there for long enough.
#[test]
fn a_share_dies_with_its_life_until_the_next_era() {
    let mut world = world(3, 2);
    let mut meter = Meter::new(HUNDRED);
    for node in 0..2 {
        assert!(draw_at(&world, &mut meter, node, 0));
    }
    world.crash(1);
    let _ = shares(&world.nodes[1].store);
    let (began, mut first) = (world.now, None);
    while world.now < began.plus(4 * ERA) {
        world.run(world.now.plus(500));
        // The other one keeps its own busy: nothing is to spare.
        (0..200).for_each(|_| {
            draw_at(&world, &mut meter, 0, 0);
        });
        if draw_at(&world, &mut meter, 1, 0) {
            first.get_or_insert(world.now);
        }
    }
    let after = first.unwrap().since(began);
    println!("admitted again after {after} ms");
    assert!((OVERLAP..=OVERLAP + 2 * ERA).contains(&after), "{after}");
}

/// While configs differ, those of one config share with each other.
#[test]
fn other_terms_are_shared_apart() {
    let twice = Allowance { nano_per_ms: 200_000_000, burst: 10, overdraft: 0 };
    let mut world = world(4, 4);
    let mut meter = Meter::new(Allowance { burst: 20, ..twice });
    world.run(world.now.plus(ERA - world.now.0 % ERA));
    let began = world.now;
    while world.now < began.plus(2 * ERA) {
        for node in 0..4 {
            let allowance = if node < 2 { HUNDRED } else { twice };
            let store = &world.nodes[node].store;
            let id = sharing(store, allowance);
            // Only one of each config has demand.
            let wants = node % 2 == 0;
            if wants && let Charge::Admitted { .. } = store.draw(id, world.lasting_key(0), 1, world.now) {
                meter.admitted(0, 1, world.now, "two configs");
            }
        }
        world.run(world.now.plus(2));
    }
    // Half of a hundred, and half of two hundred.
    world.now = world.now.minus(10);
    let (of_one, of_other) = (share_by(&world, 0, HUNDRED), share_by(&world, 2, twice));
    assert!(of_one > HUNDRED.nano_per_ms * 45 / 100 && of_one <= HUNDRED.nano_per_ms / 2, "{of_one}");
    assert!(of_other > twice.nano_per_ms * 45 / 100 && of_other <= twice.nano_per_ms / 2, "{of_other}");
}

fn share_by(world: &World, node: usize, allowance: Allowance) -> u64 {
    let store = &world.nodes[node].store;
    store.share(sharing(store, allowance), world.lasting_key(0), world.now)
}

#[test]
fn a_snapshot_brings_no_share_back() {
    let old = store();
    assert!(draw(&old, 0, 1, START));
    let (cluster, incarnation) = ("test".to_owned(), Incarnation(1));
    let head = SnapshotHead { cluster, secret_id: 7, actor: actor(1), incarnation, at: START };
    let frames: Vec<_> = Snapshot::new(&old, head).collect();
    let new = store_of(1, START.0 << 16, 1, 10, 10);
    let id = shares(&new);
    let restored = new.restore(&frames[1], START.plus(10));
    assert_eq!((restored.taken, restored.left), (1, 0));
    assert_eq!(
        (draw(&new, 0, 1, START.plus(10)), new.share(id, new.lasting_key(&[&[0, 0]]), START.plus(10))),
        (false, 0)
    );
    let late = store_of(1, START.0 << 16, 1, 10, 10);
    let _ = shares(&late);
    assert_eq!(late.restore(&frames[1], START.plus(2 * ERA)).left, 1);
}

/// Of a node whose clock differs nothing is taken: its eras are others.
#[test]
fn clocks_that_differ_share_nothing() {
    let mut world = World::new(5, 2, &[], NET);
    world.nodes.iter().for_each(|node| {
        let _ = shares(&node.store);
    });
    world.set_ahead(1, 2_000);
    world.run(world.now.plus(ERA + 20_000));
    for _ in 0..10_000 {
        draw(&world.nodes[0].store, 0, 1, world.clock(0));
        world.run(world.now.plus(2));
    }
    assert_eq!(share(&world, 0, 0), HUNDRED.nano_per_ms / 2);
    assert_eq!(share(&world, 1, 0), 0, "it was not asked");
}

/// One node has the whole rate when another, whose clock is ahead, is in the next era already.
#[test]
fn a_border_between_eras_adds_nothing() {
    let allowance = Allowance { burst: 4, ..HUNDRED };
    let mut world = world(6, 2);
    world.set_ahead(1, 500);
    let mut meter = Meter::new(allowance);
    let border = world.now.plus(ERA - world.now.0 % ERA).plus(ERA);
    while world.now < border.plus(5_000) {
        for node in 0..2 {
            let (store, now) = (&world.nodes[node].store, world.clock(node));
            let id = sharing(store, allowance);
            // The second one wants nothing until then.
            let wants = node == 0 || now >= border;
            if wants && let Charge::Admitted { .. } = store.draw(id, world.lasting_key(0), 1, now) {
                meter.admitted(0, 1, world.now, "two eras");
            }
        }
        if world.now == border.minus(501) {
            assert!(share_by(&world, 0, allowance) > allowance.nano_per_ms * 95 / 100);
            // Heard, the other's next account would take back at once what it gave in this era.
            world.cut(0, 1);
        }
        world.run(world.now.plus(1));
    }
    assert!(meter.admitted > 5_000);
}

/// The smaller the burst, the less is forgiven.
const SMALL: Allowance = Allowance { burst: 8, ..HUNDRED };

#[test]
fn whatever_happens_no_more_is_admitted_than_burst_and_rate() {
    in_trouble::<0>(&[1, 2, 3]);
}

#[test]
fn whatever_happens_no_more_is_admitted_than_burst_overdraft_and_rate() {
    in_trouble::<32>(&[4, 5]);
}

fn in_trouble<const OVERDRAFT: u64>(given: &[u64]) {
    const KEYS: u16 = 3;
    let allowance = Allowance { overdraft: OVERDRAFT, ..SMALL };
    let begin = |store: &Store| {
        let _ = sharing(store, Allowance { overdraft: OVERDRAFT, ..SMALL });
    };
    for seed in seeds(given) {
        let mut trouble = Trouble::new(seed, begin);
        let mut meter = Meter::new(allowance);
        let (began, mut hot) = (trouble.world.now, 0);
        while trouble.world.now < began.plus(22 * 60_000) {
            trouble.suffer();
            if trouble.world.rng.u8(..10) == 0 {
                hot = trouble.world.rng.usize(..16);
            }
            for _ in 0..12 {
                let alive = trouble.alive();
                for _ in 0..if alive.is_empty() { 0 } else { 16 } {
                    let world = &mut trouble.world;
                    let at = if world.rng.u8(..4) == 0 { world.rng.usize(..16) } else { hot };
                    let (node, key, cost) = (alive[at % alive.len()], world.rng.u16(..KEYS), world.rng.u32(1..4));
                    let store = &world.nodes[node].store;
                    let charge = store.draw(sharing(store, allowance), world.lasting_key(key), cost, world.clock(node));
                    if let Charge::Admitted { .. } = charge {
                        meter.admitted(key, cost, world.now, &format!("seed {seed}"));
                    }
                }
                let pause = trouble.world.rng.u64(..175);
                trouble.world.run(trouble.world.now.plus(pause));
            }
            let now = trouble.world.now;
            trouble.alive().iter().for_each(|node| trouble.world.nodes[*node].store.sweep(now));
        }
        let all = u64::from(KEYS) * 100 * 22 * 60;
        println!("seed {seed}: {} of {all} admitted", meter.admitted);
        assert!(meter.admitted > all / 20, "seed {seed}: hardly anything was admitted");
    }
}
