//! The compiled form of a condition, and its evaluation.

use selvedge_conf::expr::{Comparison, Expr};

use super::lower;
use super::operand::{Address, Network, Number, Text};
use crate::head::Head;

/// A condition on a request, compiled.
#[derive(Clone, Debug)]
pub struct Predicate {
    test: Test,
}

impl Predicate {
    /// Compiles a condition, as [`selvedge_conf::expr::parse`] gives it. An expression put together in any other way that
    /// is not a well-typed condition becomes one that never holds.
    pub fn compile(condition: &Expr) -> Predicate {
        Predicate { test: lower::test(condition).unwrap_or(Test::Constant(false)) }
    }

    /// Whether the condition holds for this request. Total; does not allocate. The time is bounded by the text of the
    /// condition (16 KiB) times the length of the strings it reads.
    pub fn matches(&self, head: &Head<'_>) -> bool {
        self.test.holds(head)
    }
}

/// One step of a condition. The types are settled: each case reads exactly the operands it needs.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Constant(bool),
    Not(Box<Test>),
    All(Box<[Test]>),
    Any(Box<[Test]>),
    /// Two truth values are the same.
    Same(Box<Test>, Box<Test>),
    Text(TextTest, Text, Text),
    TextIn(Text, Box<[Text]>),
    Number(Comparison, Number, Number),
    NumberIn(Number, Box<[Number]>),
    AddressIs(Address, Address),
    AddressIn(Address, Box<[Address]>),
    NetworkIs(Network, Network),
    /// The address is in one of the networks.
    Within(Address, Box<[Network]>),
}

/// What is asked of two strings.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextTest {
    Compare(Comparison),
    StartsWith,
    EndsWith,
    Contains,
}

impl Test {
    /// Nesting is bounded by [`selvedge_conf::expr::NESTING_MAX`], so is the recursion.
    fn holds(&self, head: &Head<'_>) -> bool {
        match self {
            Test::Constant(value) => *value,
            Test::Not(test) => !test.holds(head),
            Test::All(tests) => tests.iter().all(|test| test.holds(head)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(head)),
            Test::Same(left, right) => left.holds(head) == right.holds(head),
            Test::Text(test, left, right) => test.holds(left.read(head), right.read(head)),
            Test::TextIn(item, set) => {
                let item = item.read(head);
                set.iter().any(|member| member.read(head) == item)
            }
            Test::Number(comparison, left, right) => compare(*comparison, &left.read(head), &right.read(head)),
            Test::NumberIn(item, set) => {
                let item = item.read(head);
                set.iter().any(|member| member.read(head) == item)
            }
            Test::AddressIs(left, right) => left.read(head) == right.read(head),
            Test::AddressIn(item, set) => {
                let item = item.read(head);
                set.iter().any(|member| member.read(head) == item)
            }
            Test::NetworkIs(left, right) => left.read(head) == right.read(head),
            Test::Within(address, networks) => {
                let address = address.read(head);
                networks.iter().any(|network| network.read(head).contains(&address))
            }
        }
    }
}

impl TextTest {
    fn holds(self, left: &str, right: &str) -> bool {
        match self {
            TextTest::Compare(comparison) => compare(comparison, left, right),
            TextTest::StartsWith => left.starts_with(right),
            TextTest::EndsWith => left.ends_with(right),
            TextTest::Contains => left.contains(right),
        }
    }
}

fn compare<T: Ord + ?Sized>(comparison: Comparison, left: &T, right: &T) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}
