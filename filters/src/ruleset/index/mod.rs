//! Which rules may match a request, without asking each.
//!
//! In go the rules' conditions; for a request come out *candidates*, a set of rule numbers that holds every rule that matches.
//! Each rule is found by its access atoms ([`atom`]): tables by path, prefix, host, site and method, one search of each text for
//! the needles of all rules, one look into each named list of addresses or strings. Rules without an atom are always candidates. Since a set has no
//! order of its own, the order of the file is kept.

mod atom;
pub(crate) mod fast;
mod needles;
mod prefixes;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use selvedge_conf::RULES_MAX;
use selvedge_conf::expr::{Expr, Kind};

use self::atom::{Atom, Haystack};
use self::fast::FastMap;
use self::needles::Needles;
use self::prefixes::Prefixes;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// Words of a set of all rules that a config may have.
pub(super) const WORDS_MAX: usize = RULES_MAX / 64;

/// Numbers of rules.
type Numbers = Box<[u16]>;

/// The rules of one phase by their atoms.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// A set of those that are always asked.
    always: Vec<u64>,
    paths: FastMap<Box<str>, Numbers>,
    prefixes: Option<Prefixes<Numbers>>,
    hosts: FastMap<Box<str>, Numbers>,
    methods: FastMap<Box<str>, Numbers>,
    sites: FastMap<usize, Numbers>,
    lists: Vec<(Program, Numbers)>,
    needles: Vec<(Haystack, Needles<Numbers>)>,
}

/// The atoms of all rules, while they are brought together. Ordered maps: the same config gives the same index.
#[derive(Default)]
struct Gathered<'e> {
    always: Vec<u16>,
    paths: BTreeMap<&'e str, Vec<u16>>,
    prefixes: BTreeMap<&'e str, Vec<u16>>,
    hosts: BTreeMap<&'e str, Vec<u16>>,
    methods: BTreeMap<&'e str, Vec<u16>>,
    sites: BTreeMap<usize, Vec<u16>>,
    lists: Vec<(&'e Expr, Vec<u16>)>,
    needles: [BTreeMap<&'e str, Vec<u16>>; 3],
}

impl Index {
    /// Of rules in file order: their conditions and their sites. At most [`RULES_MAX`].
    pub(super) fn new<'e>(rules: impl Iterator<Item = (Option<&'e Expr>, &'e [usize])>) -> Index {
        let mut gathered = Gathered::default();
        for (number, (when, sites)) in (0_u16..).zip(rules.take(RULES_MAX)) {
            match atom::atoms(when, sites) {
                Some(atoms) => atoms.into_iter().for_each(|atom| gathered.put(atom, number)),
                None => gathered.always.push(number),
            }
        }
        gathered.index()
    }

    /// Whether a rule is always a candidate.
    pub(super) fn is_always(&self, number: usize) -> bool {
        self.always.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Marks the candidates in an empty set. Allocates nothing but for a user agent that is no UTF-8.
    pub(super) fn mark(&self, site: Option<SiteId>, context: &Context<'_>, set: &mut [u64]) {
        for (word, always) in set.iter_mut().zip(&self.always) {
            *word = *always;
        }
        let head = &context.head;
        let mut mark = |numbers: &Numbers| put_all(set, numbers);
        let exact = [(&self.paths, head.path), (&self.hosts, head.host), (&self.methods, head.method)];
        for (map, text) in exact {
            if !map.is_empty()
                && let Some(numbers) = map.get(text)
            {
                mark(numbers);
            }
        }
        if let Some(site) = site
            && let Some(numbers) = self.sites.get(&site.0)
        {
            mark(numbers);
        }
        if let Some(prefixes) = &self.prefixes {
            prefixes.of(head.path).for_each(&mut mark);
        }
        for (haystack, needles) in &self.needles {
            let text = match haystack {
                Haystack::Path => Cow::Borrowed(head.path),
                Haystack::Query => Cow::Borrowed(head.query.unwrap_or("")),
                Haystack::Agent => head.header("user-agent"),
            };
            needles.of(&text, &mut mark);
        }
        for (_, numbers) in self.lists.iter().filter(|(listed, _)| listed.holds(context)) {
            mark(numbers);
        }
    }
}

impl<'e> Gathered<'e> {
    fn put(&mut self, atom: Atom<'e>, number: u16) {
        let numbers = match atom {
            Atom::Path(text) => self.paths.entry(text).or_default(),
            Atom::Prefix(text) => self.prefixes.entry(text).or_default(),
            Atom::Host(text) => self.hosts.entry(text).or_default(),
            Atom::Method(text) => self.methods.entry(text).or_default(),
            Atom::Site(site) => self.sites.entry(site).or_default(),
            Atom::Needle(haystack, text) => {
                let [path, query, agent] = &mut self.needles;
                let texts = match haystack {
                    Haystack::Path => path,
                    Haystack::Query => query,
                    Haystack::Agent => agent,
                };
                texts.entry(text).or_default()
            }
            Atom::Listed(expr) => match self.lists.iter().position(|(known, _)| same(known, expr)) {
                Some(at) => return self.lists.get_mut(at).map_or((), |(_, numbers)| numbers.push(number)),
                None => return self.lists.push((expr, vec![number])),
            },
        };
        numbers.push(number);
    }

    fn index(self) -> Index {
        let Gathered { mut always, paths, prefixes, hosts, methods, sites, lists, needles } = self;
        let boxed = |(text, numbers): (&str, Vec<u16>)| (text.into(), numbers.into());
        let mut searched = Vec::new();
        for (haystack, texts) in [Haystack::Path, Haystack::Query, Haystack::Agent].into_iter().zip(needles) {
            if texts.is_empty() {
                continue;
            }
            // Those of many rules first: they are the ones to be visited once.
            let mut texts: Vec<(Box<str>, Numbers)> = texts.into_iter().map(boxed).collect();
            texts.sort_by_key(|(_, numbers)| Reverse(numbers.len()));
            match Needles::new(texts) {
                Ok(needles) => searched.push((haystack, needles)),
                Err(texts) => texts.iter().for_each(|(_, numbers): &(Box<str>, Numbers)| always.extend(numbers)),
            }
        }
        let mut set = vec![0; WORDS_MAX];
        put_all(&mut set, &always);
        set.truncate(set.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1));
        Index {
            always: set,
            paths: paths.into_iter().map(boxed).collect(),
            prefixes: (!prefixes.is_empty()).then(|| Prefixes::new(prefixes.into_iter().map(boxed).collect())),
            hosts: hosts.into_iter().map(boxed).collect(),
            methods: methods.into_iter().map(boxed).collect(),
            sites: sites.into_iter().map(|(site, numbers)| (site, numbers.into())).collect(),
            lists: lists.into_iter().map(|(expr, numbers)| (Program::compile(expr), numbers.into())).collect(),
            needles: searched,
        }
    }
}

fn put_all(set: &mut [u64], numbers: &[u16]) {
    for number in numbers {
        if let Some(word) = set.get_mut(usize::from(number >> 6)) {
            *word |= 1 << (number & 63);
        }
    }
}

/// Whether two conditions ask the same of the same list, wherever they are written.
fn same(one: &Expr, other: &Expr) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::In(item, set), Kind::In(item2, set2)) => item.kind == item2.kind && set.kind == set2.kind,
        _ => false,
    }
}
