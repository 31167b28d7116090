//! Executes the tables of the README.

use super::given::{
    Cells, Stated, author, even, fact, held, join_all, joined, listing, sent_listing, sent_sketch, through_the_wire,
};
use crate::ban::Banning;
use crate::counter::Row;
use crate::fact::Stated as _;
use crate::list::Listing;
use crate::unique::{Mark, Sketch};

const README: &str = include_str!("../../README.md");

/// The rows of three cells, all in code.
pub(super) fn rows() -> Vec<[&'static str; 3]> {
    let cells = |line: &'static str| -> Option<[&'static str; 3]> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let code: Option<Vec<&str>> =
            cells.iter().map(|cell| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'))).collect();
        code?.try_into().ok()
    };
    README.lines().filter(|line| line.starts_with("| `")).filter_map(cells).collect()
}

fn counts(text: &str) -> Cells {
    let count = |cell: &str| {
        let (who, what) = cell.split_once('/').unwrap();
        let (slot, count) = what.split_once(':').unwrap();
        let by = match who {
            "A" => author(1, 1),
            "A'" => author(1, 2),
            "B" => author(2, 1),
            other => panic!("no author {other}"),
        };
        let mut cells = [0; 8];
        cells[0] = count.parse().unwrap();
        (by, Row { head: slot.parse().unwrap(), fine: cells, coarse: cells })
    };
    text.split(' ').map(count).collect()
}

fn ban(text: &str) -> Banning {
    let fields: Vec<&str> = text.split(' ').collect();
    let number = |index: usize| fields[index].parse::<u64>().unwrap();
    let reason = if fields[4] == "-" { "" } else { fields[4] };
    fact(&Stated {
        epoch: number(0),
        until: number(1),
        kept: number(2),
        level: fields[3].parse().unwrap(),
        reason,
        made_at: number(5),
        made_by: fields[6].parse().unwrap(),
    })
}

#[test]
fn counts_join_as_the_readme_says() {
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| one.contains('/')).collect();
    assert_eq!(table.len(), 9);
    for [one, other, both] in table {
        let expected = held(&joined(even(), &counts(both)), even());
        for (first, second) in [(one, other), (other, one)] {
            let mut counter = joined(even(), &counts(first));
            for row in counts(second).iter().chain(&counts(first)) {
                join_all(&mut counter, even(), &through_the_wire(std::slice::from_ref(row), &[]).0);
            }
            assert_eq!(held(&counter, even()), expected, "{first} and {second}");
        }
    }
}

#[test]
fn bans_join_as_the_readme_says() {
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| one.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(table.len(), 9);
    for [one, other, both] in table {
        for (first, second) in [(one, other), (other, one)] {
            let mut fact = through_the_wire(&[], &[ban(first)]).1.remove(0);
            for again in [second, first, second] {
                fact.join(through_the_wire(&[], &[ban(again)]).1.remove(0));
            }
            assert_eq!(fact, ban(both), "{first} and {second}");
        }
    }
}

fn entry(text: &str) -> Listing {
    let [_, made_at, made_by, said, until, kept] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let number = |field: &str| field.parse::<u64>().unwrap();
    listing(number(made_at), made_by.parse().unwrap(), said == "in", number(until), number(kept))
}

#[test]
fn list_entries_join_as_the_readme_says() {
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| one.starts_with("list ")).collect();
    assert_eq!(table.len(), 7);
    for [one, other, both] in table {
        for (first, second) in [(one, other), (other, one)] {
            let mut known = sent_listing(&entry(first));
            for again in [second, first, second] {
                known.join(sent_listing(&entry(again)));
            }
            assert_eq!(known, entry(both), "{first} and {second}");
        }
    }
}

fn seen(text: &str) -> Sketch {
    let mark = |register: u64, prefix: u64, tail: u8| Mark::new(register << 16 | prefix, tail).unwrap();
    let marks = |word: &str| -> Vec<Mark> {
        if let Some(more) = word.strip_prefix('+') {
            return (0..more.parse().unwrap()).map(|n| mark(100 + n, 1, 1)).collect();
        }
        let [register, prefix, tail] = word.split('.').collect::<Vec<_>>().try_into().unwrap();
        vec![mark(register.parse().unwrap(), prefix.parse().unwrap(), tail.parse().unwrap())]
    };
    text.split(' ').skip(1).flat_map(marks).collect()
}

#[test]
fn sketches_join_as_the_readme_says() {
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| one.starts_with("seen ")).collect();
    assert_eq!(table.len(), 7);
    for [one, other, both] in table {
        for (first, second) in [(one, other), (other, one)] {
            let mut known = sent_sketch(&seen(first));
            for again in [second, first, second] {
                known.join(&sent_sketch(&seen(again)));
            }
            match (&known, both.split_once('^')) {
                (Sketch::Dense(ranks), Some((register, rank))) => {
                    let register: usize = register.strip_prefix("seen ").unwrap().parse().unwrap();
                    assert_eq!(ranks[register].to_string(), rank, "{first} and {second}");
                }
                _ => assert_eq!(known, seen(both), "{first} and {second}"),
            }
        }
    }
}
