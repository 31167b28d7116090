//! What must hold in the end: every POP knows of every life what that life answered, all know the same bans and entries of
//! lists, no rule was broken, nothing panicked, and no process has grown without end.

use std::collections::BTreeMap;
use std::time::Duration;

use selvedge::admin;
use selvedge::admin::report::{Ban, Counter, List};
use tokio::time::{Instant, sleep};

use crate::load::{KEYS, Truth};
use crate::pops::{Pop, Pops};

/// What a process may grow by, KiB: a few thousand cells and facts, buffers of links, and what an allocator keeps.
const GROWTH_MAX: u64 = 64 * 1024;

/// What a log must not say.
const DEFECTS: [&str; 2] = ["a rule of the replica is broken", "panicked"];

/// Counts by key, POP and life.
type Counts = BTreeMap<(u32, String, u64), u64>;

pub(crate) async fn judge(pops: &Pops, truth: &Truth, before: &[u64], patience: Duration) -> Result<(), String> {
    let started = Instant::now();
    let known = loop {
        let agreed = agreed(pops).await;
        match agreed {
            Ok(known) => break known,
            Err(error) if started.elapsed() > patience => return Err(error),
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    };
    println!("all POPs know the same {} ms after the trouble", started.elapsed().as_millis());
    let mut wrong = counts(pops, truth, &known).await;
    for (pop, (now, before)) in pops.all.iter().zip(pops.memory().await.iter().zip(before)) {
        if now.saturating_sub(*before) > GROWTH_MAX {
            wrong.push(format!("{} grew from {before} to {now} KiB", pop.name));
        }
        let log = pop.log();
        let said = log.lines().filter(|line| DEFECTS.iter().any(|defect| line.contains(defect)));
        wrong.extend(said.map(|line| format!("{}: {line}", pop.name)));
    }
    let memory = pops.memory().await;
    println!(
        "memory: {} to {} MiB",
        memory.iter().min().unwrap_or(&0) / 1024,
        memory.iter().max().unwrap_or(&0) / 1024
    );
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What all POPs know, once it is the same.
async fn agreed(pops: &Pops) -> Result<Counts, String> {
    let mut all = Vec::new();
    for pop in &pops.all {
        let known = knows(pop).await.map_err(|error| format!("{}: {error}", pop.name))?;
        all.push((known, &pop.name));
    }
    let Some(((counts, facts), first)) = all.first() else { return Err("there are no POPs".to_owned()) };
    for ((others, facts_there), name) in &all {
        if facts != facts_there {
            return Err(format!("{first} and {name} know other facts: {facts:?} and {facts_there:?}"));
        }
        let differs = |key: &&(u32, String, u64)| counts.get(*key) != others.get(*key);
        if let Some(key) = counts.keys().chain(others.keys()).find(differs) {
            let (here, there) = (counts.get(key), others.get(key));
            return Err(format!("{first} and {name} count {key:?} otherwise: {here:?} and {there:?}"));
        }
    }
    Ok(counts.clone())
}

/// Its counts, its bans and its entries of lists.
async fn knows(pop: &Pop) -> Result<(Counts, (Vec<String>, Vec<String>)), admin::ClientError> {
    let mut counts = Counts::new();
    for key in 0..KEYS {
        let counter: Counter = admin::get(&pop.socket, &format!("/v1/counters/seen?key=k{key}")).await?;
        for row in counter.top.into_iter().flat_map(|counted| counted.rows) {
            *counts.entry((key, row.pop, row.incarnation)).or_default() += row.count;
        }
    }
    let bans: Vec<Ban> = admin::get(&pop.socket, "/v1/bans").await?;
    let mut bans: Vec<String> = bans.into_iter().map(|ban| format!("{} {}", ban.subject, ban.reason)).collect();
    bans.sort();
    let list: List = admin::get(&pop.socket, "/v1/lists/marked").await?;
    let mut entries: Vec<String> =
        list.entries.into_iter().filter(|entry| entry.present).map(|entry| entry.element).collect();
    entries.sort();
    Ok((counts, (bans, entries)))
}

/// Where the counts are not what was answered.
async fn counts(pops: &Pops, truth: &Truth, known: &Counts) -> Vec<String> {
    let (mut wrong, mut exact, mut requests) = (Vec::new(), 0, 0);
    for (at, pop) in pops.all.iter().enumerate() {
        let lives = pop.lives().await;
        for (nth, life) in lives.iter().enumerate() {
            let of = |key: u32| truth.get(&(at, nth, key)).cloned().unwrap_or_default();
            let end = (0..KEYS).filter_map(|key| of(key).last()).max();
            for key in 0..KEYS {
                let (asked, last) = (of(key), nth + 1 == lives.len());
                let least = end.filter(|_| !last).map_or(asked.sure, |end| asked.settled(end));
                let most = asked.sure + asked.unsure;
                let count = known.get(&(key, pop.name.clone(), *life)).copied().unwrap_or(0);
                requests += asked.sure;
                exact += u32::from(count == asked.sure);
                if !(least..=most).contains(&count) {
                    wrong.push(format!("{} life {nth}, key {key}: {count}, not {least} to {most}", pop.name));
                }
            }
        }
    }
    println!("{requests} requests answered; {exact} cells exactly as answered, {} out of bounds", wrong.len());
    wrong
}
