//! Accounts: their laws through the wire format, their bytes, their table in the README, and what a hostile peer cannot say.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::given::author;
use crate::identity::{Author, PopId};
use crate::key::Key64;
use crate::ledger::{AUTHORS_MAX, Account, Gift, Joined, Ledger, Version};
use crate::store::Told;
use crate::time::Time;
use crate::walk::{Filled, Reach, Walk};
use crate::wire::{Builder, DeltaHead, Frame, NEWEST, RangeHead, Room, State};
use crate::{Allowance, Charge, ERA, Epoch, LedgerSpec, Spent, Store, StoreBounds, StoreConfig};

const README: &str = include_str!("../../README.md");

/// What a peer reads in a frame.
fn read_back(builder: Builder) -> Vec<State> {
    let bytes = builder.range(&RangeHead { from: 0, to: 1, at: 2 }, NEWEST);
    let Ok(Frame::Range(_, blocks)) = Frame::decode(&bytes) else { panic!("a range") };
    blocks.map(Result::unwrap).collect()
}

/// An account after a trip over the wire.
fn sent(author: Author, account: &Account) -> Account {
    let mut builder = Builder::new();
    assert_eq!(builder.account(1, Key64(7), author, account.clone()), Room::Taken);
    match read_back(builder).pop() {
        Some(State::Accounts(mut block)) => {
            let (key, by, account) = block.accounts.remove(0);
            assert_eq!((key, by), (Key64(7), author));
            account
        }
        other => panic!("{other:?} was not sent"),
    }
}

fn authors() -> impl Strategy<Value = Author> {
    prop_oneof![Just(author(1, 1)), Just(author(1, 2)), Just(author(2, 1)), Just(author(3, u64::MAX))]
}

fn accounts() -> impl Strategy<Value = Account> {
    let number = || prop_oneof![3 => 0..3_u64, 1 => Just(u64::MAX), 1 => any::<u64>()];
    let gifts = prop::collection::btree_map(authors(), (number(), number()), 0..4);
    let numbers = (number(), number(), number(), number(), number(), number(), number());
    (numbers, gifts).prop_map(|((version, ends, amount, claim, want, one, other), gifts)| Account {
        version: Version(version),
        ends: Time(ends),
        amount,
        claim,
        want,
        terms: (one, other),
        given: gifts.into_iter().map(|(to, (amount, tokens))| Gift { to, amount, tokens }).collect(),
    })
}

type Said = Vec<(Author, Account)>;

fn said() -> impl Strategy<Value = Said> {
    prop::collection::vec((authors(), accounts()), 0..8)
}

fn join(mut ledger: Ledger, said: &[(Author, Account)]) -> Ledger {
    for (author, account) in said {
        ledger.join(*author, sent(*author, account));
    }
    ledger
}

fn known(ledger: &Ledger) -> Said {
    ledger.others().map(|(author, account)| (author, account.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ledgers_commute_associate_and_are_idempotent(a in said(), b in said(), c in said()) {
        let of = |said: &Said| join(Ledger::default(), said);
        let ab = join(of(&a), &b);
        prop_assert_eq!(&ab, &join(of(&b), &a));
        prop_assert_eq!(join(ab.clone(), &c), join(of(&a), &known(&join(of(&b), &c))));
        prop_assert_eq!(&join(ab.clone(), &a), &ab);
        prop_assert_eq!(&join(ab.clone(), &known(&ab)), &ab);
    }

    /// The oracle: a plain map of the greatest of each author.
    #[test]
    fn a_ledger_is_the_greatest_account_of_each_author(said in said()) {
        let mut oracle: BTreeMap<Author, Account> = BTreeMap::new();
        for (author, account) in &said {
            let known = oracle.entry(*author).or_insert_with(|| account.clone());
            *known = known.clone().max(account.clone());
        }
        prop_assert_eq!(known(&join(Ledger::default(), &said)), oracle.into_iter().collect::<Said>());
    }

    #[test]
    fn the_wire_changes_no_account(
        said in prop::collection::btree_map((any::<u64>(), authors()), accounts(), 0..20),
    ) {
        let said: Vec<_> = said.into_iter().map(|((key, by), account)| (Key64(key), by, account)).collect();
        let mut builder = Builder::new();
        // In any order, and one of them twice.
        for (key, by, account) in said.iter().rev().chain(said.first()) {
            prop_assert_eq!(builder.account(9, *key, *by, account.clone()), Room::Taken);
        }
        match read_back(builder).pop() {
            Some(State::Accounts(block)) => prop_assert_eq!((block.table, block.accounts), (9, said)),
            other => prop_assert!(other.is_none() && said.is_empty(), "{other:?}"),
        }
    }

    /// Anything that a later version follows is older, also where the clock went back or stands at the end of time.
    #[test]
    fn versions_grow(times in prop::collection::vec(prop_oneof![0..5_u64, Just(u64::MAX), any::<u64>()], 1..20)) {
        let mut version = Version::default();
        for now in times {
            let next = version.next(Time(now));
            prop_assert!(next > version || version == Version(u64::MAX));
            prop_assert!(next.at() >= Time(now.min(u64::MAX >> 20)));
            version = next;
        }
    }
}

fn by_name(name: &str) -> Author {
    match name {
        "A" => author(1, 1),
        "A'" => author(1, 2),
        "B" => author(2, 1),
        other => panic!("no author {other}"),
    }
}

/// `author=version#amount`, and `@ends`, `^claim` and `>receiver:amount+tokens` where they are said.
fn account(text: &str) -> (Author, Account) {
    let (who, what) = text.split_once('=').unwrap();
    let (what, given) = what.split_once('>').map_or((what, None), |(what, given)| (what, Some(given)));
    let (what, claim) = what.split_once('^').unwrap_or((what, "0"));
    let (what, ends) = what.split_once('@').unwrap_or((what, "0"));
    let (version, amount) = what.split_once('#').unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let gift = |text: &str| {
        let (to, what) = text.split_once(':').unwrap();
        let (amount, tokens) = what.split_once('+').unwrap_or((what, "0"));
        Gift { to: by_name(to), amount: number(amount), tokens: number(tokens) }
    };
    let account = Account {
        version: Version(number(version)),
        ends: Time(number(ends)),
        amount: number(amount),
        claim: number(claim),
        given: given.map(gift).into_iter().collect(),
        ..Account::default()
    };
    (by_name(who), account)
}

#[test]
fn accounts_join_as_the_readme_says() {
    let cells = |line: &'static str| -> Vec<Said> {
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`'));
        cells.map(|cell| cell.split(' ').map(account).collect()).collect()
    };
    let is_one = |line: &&str| line.starts_with("| `") && !line.starts_with("| `session ") && line.contains('#');
    let table: Vec<_> = README.lines().filter(is_one).map(cells).collect();
    assert_eq!(table.len(), 13);
    for row in table {
        let [one, other, both] = row.try_into().unwrap();
        for (first, second) in [(&one, &other), (&other, &one)] {
            let ledger = join(join(join(Ledger::default(), first), second), first);
            assert_eq!(known(&ledger), both);
        }
    }
}

#[test]
fn the_bytes_of_accounts() {
    let at = Time(1_800_000_000_000);
    let flat = Account { version: Version::new(at, 3).unwrap(), amount: 5, ..Account::default() };
    let gift = |pop, amount| Gift { to: author(pop, 7), amount, tokens: amount * 2 };
    let full = Account {
        version: Version::new(at.minus(10), 0).unwrap(),
        ends: at.plus(1_000),
        amount: 1,
        claim: 300,
        want: 2,
        terms: (300, 9),
        given: vec![gift(3, 4), gift(5, 1)],
    };
    let mut builder = Builder::new();
    for (key, account) in [(0x1000, flat), (0x0fff, full)] {
        builder.account(0xee, Key64(key), author(2, 7), account);
    }
    let bytes = builder.clone().range(&RangeHead { from: 0, to: 1, at: 5 }, 3);
    assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), GOLDEN);
    let older = builder.range(&RangeHead { from: 0, to: 1, at: 5 }, 2);
    let Ok(Frame::Range(_, blocks)) = Frame::decode(&older) else { panic!("a range") };
    assert_eq!(blocks.count(), 0, "peers of the version before hear nothing of them");
}

const GOLDEN: &str = concat!(
    "040103000000b77d89f0000105103a000000ffc400c9ee000000000000000302000703000705000780a0f1c2b134e8a7",
    "f1c2b13402ff1f003f0a000001ac0202ac020902010408020102010002000305",
);

/// A number of things that do not follow is refused before there is memory for them; what cannot be is refused by name.
#[test]
fn accounts_that_lie_are_refused() {
    let head = Builder::new().delta(&DeltaHead { author: author(1, 1).into(), from: 0, to: 0, at: 0 }, NEWEST);
    let refused = |rest: &[u8]| {
        let body = [&[0_u8; 8][..], rest].concat();
        let mut bytes = head.to_vec();
        bytes.push(16);
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&[&[16], &body[..]].concat()).to_le_bytes());
        bytes.extend_from_slice(&body);
        let Ok(Frame::Delta(_, mut blocks)) = Frame::decode(&bytes) else { panic!("a delta") };
        blocks.next().unwrap().err().map_or(String::new(), |error| error.to_string())
    };
    let many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    // One author (1, 0, 1), greatest time 5, no end; then the accounts.
    let accounts = |rest: &[u8]| refused(&[&[1, 1, 0, 1, 5, 0][..], rest].concat());
    let room = "a block of accounts says that it holds 18446744073709551615, there is room for 0";
    assert_eq!(refused(&many), room);
    assert_eq!(accounts(&many), room);
    assert_eq!(accounts(&[1, 7, 0, 2, 0, 0, 9]), "");
    assert_eq!(accounts(&[1, 7, 1, 0, 0, 0]), "an author's index is out of range");
    assert_eq!(accounts(&[1, 7, 0, 64, 0, 0]), "what an account says is out of range");
    assert_eq!(accounts(&[1, 7, 0, 0, 6, 0]), "a version is out of range");
    assert_eq!(accounts(&[1, 7, 0, 0, 0, 0x80, 0x80, 0x40]), "a version is out of range");
    assert_eq!(accounts(&[1, 7, 0, 1, 0, 0, 1]), "an end is out of range");
    assert_eq!(accounts(&[2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "an account is out of order");
    assert_eq!(accounts(&[&[1, 7, 0, 32, 0, 0][..], &many].concat()), room);
    assert_eq!(accounts(&[1, 7, 0, 32, 0, 0, 2, 0, 1, 1, 0, 1, 1]), "a gift is out of order");
    assert_eq!(accounts(&[1, 7, 0, 32, 0, 0, 1, 1, 1, 1]), "an author's index is out of range");
    assert_eq!(accounts(&[1, 7, 0, 0, 0, 0, 9]), "1 bytes follow the end of a block's content");
    let gifts = [&[1, 7, 0, 32, 0, 0, 0x81, 2][..], &[0; 3 * 257]].concat();
    assert_eq!(accounts(&gifts), "a number of gifts is out of range");
}

#[test]
fn a_ledger_holds_so_many_authors() {
    let mut ledger = Ledger::default();
    let said = |amount| Account { version: Version(1), amount, ..Account::default() };
    for life in 0..AUTHORS_MAX as u64 {
        assert_eq!(ledger.join(author(1, life), said(1)), Joined::Raised);
    }
    assert_eq!(ledger.join(author(2, 0), said(1)), Joined::Crowded);
    assert_eq!(ledger.join(author(1, 0), said(2)), Joined::Raised);
    assert_eq!(ledger.others().count(), AUTHORS_MAX);
}

/// However much an account says, a frame holds it.
#[test]
fn a_full_account_fits_a_frame() {
    let gifts = (0..AUTHORS_MAX as u64).map(|life| Gift {
        to: author(u16::MAX, u64::MAX - 256 + life),
        amount: u64::MAX,
        tokens: u64::MAX,
    });
    let most = u64::MAX;
    let full = Account {
        version: Version(most),
        ends: Time(most),
        amount: most,
        claim: most,
        want: most,
        terms: (most, most),
        given: gifts.collect(),
    };
    assert_eq!(sent(author(u16::MAX, 1), &full), full);
    let mut builder = Builder::new();
    let taken =
        (0..).take_while(|key| builder.account(1, Key64(*key), author(1, 1), full.clone()) == Room::Taken).count();
    assert!(taken >= 4, "{taken}");
    builder.range(&RangeHead { from: most, to: most, at: most }, NEWEST);
}

fn store(roster: u16, ledgers_max: usize) -> Store {
    let me = author(1, 1);
    let config = StoreConfig {
        me: me.actor,
        incarnation: me.incarnation,
        cluster: "test".to_owned(),
        secret: [7; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster,
    };
    Store::with_bounds(config, StoreBounds { ledgers_max, ..StoreBounds::default() })
}

/// A POP alone spends by other means. When it has company, nobody can say that a key which was not asked for has a full bucket.
#[test]
fn a_pop_that_was_alone_begins_with_empty_buckets() {
    let (store, now) = (store(1, 9), Time(1_800_000_000_000));
    let id = store.shares(&LedgerSpec { uid: "few".to_owned(), shape: String::new(), replicated: true }).unwrap();
    store.share_out(id, Allowance { nano_per_ms: 1_000_000_000, burst: 10, overdraft: 0 }, now.minus(600_000));
    store.set_roster([1, 2].map(PopId), (1, now));
    assert!(matches!(store.draw(id, Key64(1), 1, now.plus(1)), Charge::Refused { .. }));
    assert_eq!(store.draw(id, Key64(2), 1, now.plus(2 * ERA)), Charge::Admitted { remaining: 4, wait_ms: 0 });
}

/// A table that has no room for what is said of it would differ from its peers' for ever.
#[test]
fn a_table_without_room_is_not_compared_for_a_minute() {
    let (store, now) = (store(2, 1), Time(1_800_000_000_000));
    let spec = LedgerSpec { uid: "plan".to_owned(), shape: "key".to_owned(), replicated: true };
    let id = store.rights(&spec).unwrap();
    store.allot(id, 9);
    let (table, whole) = (store.next_ledgers(None, Reach::All).unwrap(), store.tables_digest(now, NEWEST));
    let epoch = Epoch::of(3_600_000, now);
    assert_eq!(store.spend(id, Key64(1), epoch, 1, now), Spent::Short { left: 0 });
    assert_eq!(store.tables_digest(now, NEWEST), whole);
    let said = Account { version: Version(1), ends: epoch.ends, amount: 1, ..Account::default() };
    assert!(store.offer_account((table, Key64(2)), (author(2, 1), said), Told::Changed, now).full);
    assert_ne!(store.tables_digest(now, NEWEST), whole);
    assert_ne!(store.tables_digest(now.plus(59_999), NEWEST), whole);
    assert_eq!(store.tables_digest(now.plus(60_000), NEWEST), whole);
}

/// What is known of one key need not fit a frame: a walk goes on inside of it, and ends.
#[test]
fn a_key_with_more_accounts_than_fit_a_frame_is_told_all_the_same() {
    let (store, now) = (store(2, 9), Time(1_800_000_000_000));
    let spec = LedgerSpec { uid: "plan".to_owned(), shape: "key".to_owned(), replicated: true };
    store.rights(&spec).unwrap();
    let table = store.next_ledgers(None, Reach::All).unwrap();
    let gift = |n: u64| Gift { to: author(3, n), amount: u64::MAX, tokens: u64::MAX };
    let (version, ends) = (Version::new(now, 0).unwrap(), now.plus(60_000));
    let given = (1..=AUTHORS_MAX as u64).map(gift).collect();
    let account = Account { version, ends, given, ..Account::default() };
    for (key, n) in [7, 8].into_iter().flat_map(|key| (1..=20).map(move |n| (key, n))) {
        let said = store.offer_account((table, Key64(key)), (author(2, n), account.clone()), Told::Changed, now);
        assert!(said.raised);
    }
    let (mut walk, mut told) = (Walk::everything(), Vec::new());
    for _ in 0..100 {
        let mut builder = Builder::new();
        let filled = walk.fill(&store, &mut builder, author(9, 1), now);
        for state in read_back(builder) {
            if let State::Accounts(block) = state {
                told.extend(block.accounts.into_iter().map(|(key, author, _)| (key.0, author)));
            }
        }
        if filled == Filled::Walk {
            break;
        }
    }
    let all = [7, 8].into_iter().flat_map(|key| (1..=20).map(move |n| (key, author(2, n))));
    assert_eq!(told, all.collect::<Vec<_>>());
}
