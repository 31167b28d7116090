//! Access atoms: what must be true of a request for a rule to match, in a form that can be looked up.
//!
//! An atom is *necessary*: a rule whose atoms are all untrue does not match. It need not be sufficient, since the rule itself is
//! asked afterwards. `a && b` has those of one of its terms; `a || b` has those of all its branches, and none if a branch has none.
//! A comparison with something absent is false, so a term that holds was compared with something that is there.

use std::ops::ControlFlow;

use selvedge_conf::expr::{Comparison, Expr, Field, Function, Kind};

/// The most atoms of one rule; one that needs more is always asked.
const ATOMS_MAX: usize = 512;

/// Something that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Atom<'e> {
    /// `request.path` is this.
    Path(&'e str),
    /// `request.path` starts with this, which is more than `/`.
    Prefix(&'e str),
    /// A text holds this, which is not empty.
    Needle(Haystack, &'e str),
    /// `request.host` is this.
    Host(&'e str),
    /// The request is for this site.
    Site(usize),
    /// A field is in a named list of addresses or strings: asked once for all rules that need it.
    Listed(&'e Expr),
    /// `request.method` is this.
    Method(&'e str),
}

/// Texts that are searched once for the needles of all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haystack {
    /// `request.path`
    Path,
    /// `request.raw_query`
    Query,
    /// `request.headers["user-agent"]`
    Agent,
}

/// How many requests an atom lets through, roughly: less is better.
type Rank = usize;

/// The atoms of a rule, any of which must be true; `None` when it has to be asked about every request.
pub(super) fn atoms<'e>(when: Option<&'e Expr>, sites: &[usize]) -> Option<Vec<Atom<'e>>> {
    let by_condition = when.and_then(best);
    let by_site =
        (!sites.is_empty() && sites.len() <= ATOMS_MAX).then(|| any(sites.iter().map(|site| Atom::Site(*site))));
    [by_condition, by_site].into_iter().flatten().min_by_key(|(rank, _)| *rank).map(|(_, atoms)| atoms)
}

fn any<'e>(atoms: impl Iterator<Item = Atom<'e>>) -> (Rank, Vec<Atom<'e>>) {
    let atoms: Vec<Atom<'e>> = atoms.collect();
    (atoms.iter().map(Atom::rank).max().unwrap_or(0), atoms)
}

/// The most selective atoms that a condition needs. Nesting is bounded by [`selvedge_conf::expr::NESTING_MAX`].
fn best(expr: &Expr) -> Option<(Rank, Vec<Atom<'_>>)> {
    match &expr.kind {
        Kind::And(terms) => terms.iter().filter_map(best).min_by_key(|(rank, _)| *rank),
        Kind::Or(branches) => {
            let union = branches.iter().try_fold((0, Vec::new()), |(rank, mut atoms), branch| {
                let Some((worst, more)) = best(branch) else { return ControlFlow::Break(()) };
                atoms.extend(more);
                if atoms.len() > ATOMS_MAX {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue((rank.max(worst), atoms))
                }
            });
            union.continue_value()
        }
        Kind::Compare(Comparison::Equal, left, right) => equal(left, right).or_else(|| equal(right, left)).map(one),
        Kind::In(item, set) => match &set.kind {
            Kind::List(members) if members.len() <= ATOMS_MAX => {
                let atoms: Option<Vec<Atom<'_>>> = members.iter().map(|member| equal(item, member)).collect();
                atoms.map(|atoms| any(atoms.into_iter()))
            }
            Kind::Listed(_) => listed(expr, item).map(one),
            _ => None,
        },
        Kind::Call(function, arguments) => {
            let [target, argument] = arguments.as_slice() else { return None };
            call(*function, target, argument).map(one)
        }
        _ => None,
    }
}

fn one(atom: Atom<'_>) -> (Rank, Vec<Atom<'_>>) {
    (atom.rank(), vec![atom])
}

/// A field that equals a literal.
fn equal<'e>(field: &Expr, literal: &'e Expr) -> Option<Atom<'e>> {
    match (&field.kind, &literal.kind) {
        (Kind::Field(Field::Path), Kind::String(text)) => Some(Atom::Path(text)),
        (Kind::Field(Field::Host), Kind::String(text)) => Some(Atom::Host(text)),
        (Kind::Field(Field::Method), Kind::String(text)) => Some(Atom::Method(text)),
        _ => None,
    }
}

fn call<'e>(function: Function, target: &'e Expr, argument: &'e Expr) -> Option<Atom<'e>> {
    match (function, &argument.kind) {
        (Function::StartsWith, Kind::String(text)) => {
            let path = matches!(target.kind, Kind::Field(Field::Path));
            // Every path starts with those, but for `*`; so such a rule is asked every time.
            (path && text.len() > 1).then_some(Atom::Prefix(text))
        }
        (Function::Contains, Kind::String(text)) if !text.is_empty() => Some(Atom::Needle(haystack(target)?, text)),
        // Not the needles or patterns of a named list: to search for them costs more than the terms before them in a rule.
        _ => None,
    }
}

fn haystack(expr: &Expr) -> Option<Haystack> {
    match &expr.kind {
        Kind::Field(Field::Path) => Some(Haystack::Path),
        Kind::Field(Field::RawQuery) => Some(Haystack::Query),
        Kind::Index(headers, name) => match (&headers.kind, &name.kind) {
            (Kind::Field(Field::RequestHeaders), Kind::String(name)) if name.eq_ignore_ascii_case("user-agent") => {
                Some(Haystack::Agent)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Only what costs nothing to read, so that asking for all rules at once is never dearer than asking for one.
fn listed<'e>(whole: &'e Expr, item: &Expr) -> Option<Atom<'e>> {
    let Kind::Field(Field::ClientIp | Field::Path | Field::Host | Field::RawQuery | Field::Method) = item.kind else {
        return None;
    };
    Some(Atom::Listed(whole))
}

impl Atom<'_> {
    fn rank(&self) -> Rank {
        match self {
            Atom::Path(_) => 0,
            Atom::Prefix(text) => 100 - text.len().min(90),
            Atom::Needle(_, text) => 200 - text.len().min(90),
            Atom::Host(_) => 200,
            Atom::Site(_) => 250,
            Atom::Listed(_) => 300,
            Atom::Method(_) => 400,
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_conf::expr::{ListKind, Names, Setting, parse};

    use super::*;

    fn of(text: &str, sites: &[usize]) -> Option<String> {
        let expr = parse(text, &Setting::bare()).unwrap();
        atoms(Some(&expr), sites).map(|atoms| format!("{atoms:?}"))
    }

    #[test]
    fn the_most_selective_atom_is_taken() {
        for (text, expected) in [
            ("request.path == \"/a\"", "[Path(\"/a\")]"),
            ("\"/a\" == request.path", "[Path(\"/a\")]"),
            ("request.path in [\"/a\", \"/b\"]", "[Path(\"/a\"), Path(\"/b\")]"),
            ("request.method == \"POST\" && request.path.startsWith(\"/a\")", "[Prefix(\"/a\")]"),
            ("request.path.startsWith(\"/a\") && request.path.startsWith(\"/a/b\")", "[Prefix(\"/a/b\")]"),
            ("request.host == \"a.example\" && request.path.contains(\"x\")", "[Needle(Path, \"x\")]"),
            ("request.raw_query.contains(\"x\")", "[Needle(Query, \"x\")]"),
            ("request.headers[\"User-Agent\"].contains(\"x\")", "[Needle(Agent, \"x\")]"),
            ("request.host == \"a.example\" || request.path == \"/b\"", "[Host(\"a.example\"), Path(\"/b\")]"),
            ("request.method in [\"PUT\", \"PATCH\"]", "[Method(\"PUT\"), Method(\"PATCH\")]"),
        ] {
            assert_eq!(of(text, &[]).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(of("request.method == \"PUT\"", &[3, 5]).as_deref(), Some("[Site(3), Site(5)]"));
        assert_eq!(of("request.host == \"a.example\"", &[3]).as_deref(), Some("[Host(\"a.example\")]"));
        assert_eq!(atoms(None, &[]), None);
    }

    #[test]
    fn lists_are_looked_into_ahead_of_rules_only_when_that_is_cheap() {
        let lists = [("known", ListKind::Addresses), ("pieces", ListKind::Needles), ("shapes", ListKind::Patterns)];
        let lists = lists.map(|(name, kind)| (name.to_owned(), kind)).into();
        let setting = Setting { names: &Names { lists, ..Names::default() }, ..Setting::bare() };
        let listed = |text: &str| {
            let expr = parse(text, &setting).unwrap();
            atoms(Some(&expr), &[]).map(|atoms| matches!(atoms.as_slice(), [Atom::Listed(_)]))
        };
        assert_eq!(listed("client.ip in lists.known && request.method == \"PUT\""), Some(true));
        assert_eq!(listed("client.ip in lists.known && request.host == \"a.example\""), Some(false));
        assert_eq!(listed("request.path.matchesAny(lists.shapes)"), None);
        assert_eq!(listed("request.path.containsAny(lists.pieces)"), None);
        assert_eq!(listed("request.path.matchesAny(lists.shapes) && client.ip in lists.known"), Some(true));
    }

    #[test]
    fn what_says_nothing_of_a_request_has_no_atom() {
        for text in [
            "!(request.path == \"/a\")",
            "request.path != \"/a\"",
            "request.path == \"/a\" || request.headers[\"x\"] == \"y\"",
            "request.path.startsWith(\"/\")",
            "request.path.startsWith(\"\")",
            "request.path.contains(\"\")",
            "request.headers[\"x\"].contains(\"y\")",
            "request.path == request.host",
            "request.path == \"/a\" ? true : request.host == \"b\"",
        ] {
            assert_eq!(of(text, &[]), None, "{text}");
        }
    }
}
