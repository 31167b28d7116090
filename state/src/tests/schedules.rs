//! What threads do to one entry and to what is shared around it, in every order there is. A mutex stands for the lock of the
//! entry's place in its map.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::given::ME;
use crate::counter::{Lane, SlotCounter, Widths};
use crate::key::Key64;
use crate::rung::Rung;
use crate::store::{Dirty, Generations, Rate, Room, TableId};
use crate::time::Time;

const NOW: Time = Time(1_800_000_000_000);

fn widths() -> Widths {
    Widths::new(Rung::S1, Rung::M1)
}

fn counter(generation: u16) -> SlotCounter {
    SlotCounter::born(widths().fine_slot(NOW), generation, 0)
}

/// What two threads count is told, whenever the replica takes what changed: each count is in the last row that was taken after
/// it, and the queue holds the key once.
#[test]
fn what_is_counted_is_told() {
    loom::model(|| {
        let place = Arc::new((Mutex::new(counter(0)), Dirty::new(true)));
        let count = |place: Arc<(Mutex<SlotCounter>, Dirty)>| {
            move || {
                let (entry, dirty) = &*place;
                let newly = {
                    let mut counter = entry.lock().unwrap();
                    counter.add(widths(), 1, None, NOW);
                    dirty.marks(&mut counter.waits, Lane::Rest)
                };
                if newly {
                    dirty.counter(TableId::new(0), Key64(7), Lane::Rest);
                }
            }
        };
        let take = |place: &(Mutex<SlotCounter>, Dirty)| {
            let taken = place.1.take_counters();
            assert!(taken.len() <= 1);
            let row = |_| {
                let mut counter = place.0.lock().unwrap();
                counter.waits = None;
                counter.own_row(widths(), ME, Time::ZERO).1.coarse[0]
            };
            taken.into_iter().map(row).last()
        };
        let threads = [thread::spawn(count(place.clone())), thread::spawn(count(place.clone()))];
        let told = take(&place);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(take(&place).or(told), Some(2));
        assert_eq!(take(&place), None);
    });
}

/// A counter that is forgotten while another thread makes it again: the new one is of a later generation.
#[test]
fn what_comes_back_is_of_a_later_generation() {
    loom::model(|| {
        let mut forgotten = counter(0);
        forgotten.add(widths(), 1, None, NOW);
        let place = Arc::new((Mutex::new(Some(forgotten)), Generations::new()));
        let evicts = place.clone();
        let evict = thread::spawn(move || {
            let mut entry = evicts.0.lock().unwrap();
            if let Some(generation) = entry.as_ref().and_then(SlotCounter::stated_generation) {
                evicts.1.end(generation);
            }
            *entry = None;
        });
        {
            let mut entry = place.0.lock().unwrap();
            let is_new = entry.is_none();
            let counter = entry.get_or_insert_with(|| counter(place.1.newest()));
            counter.add(widths(), 1, None, NOW);
            assert_eq!(counter.stated_generation(), Some(u16::from(is_new)));
        }
        evict.join().unwrap();
    });
}

#[test]
fn there_are_never_more_entries_than_places() {
    loom::model(|| {
        let room = Arc::new(Room::new(1));
        let take = |room: Arc<Room>| {
            move || {
                let taken = room.reserve();
                assert!(room.taken() <= 1);
                if taken {
                    room.release(1);
                }
                taken
            }
        };
        let threads = [thread::spawn(take(room.clone())), thread::spawn(take(room.clone()))];
        let took = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count();
        assert!(took >= 1);
        assert_eq!(room.taken(), 0);
    });
}

#[test]
fn the_greatest_rate_stays() {
    loom::model(|| {
        let rate = Arc::new(Rate::new());
        let remember = |rate: Arc<Rate>, of: f64| move || rate.remember(of);
        let threads = [thread::spawn(remember(rate.clone(), 1.0)), thread::spawn(remember(rate.clone(), 2.0))];
        let (first, second) = (rate.get(), rate.get());
        assert!(first <= second, "it went back from {first:?} to {second:?}");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(rate.get(), Some(2.0));
    });
}
