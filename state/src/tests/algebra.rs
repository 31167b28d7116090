//! Executes the tables of the README.

use super::given::{Cells, Stated, author, even, fact, held, join_all, joined, through_the_wire};
use crate::ban::Fact;
use crate::counter::Row;

const README: &str = include_str!("../../README.md");

/// The rows of three cells, all in code.
fn rows() -> Vec<[&'static str; 3]> {
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

fn ban(text: &str) -> Fact {
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
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| !one.contains('/')).collect();
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
