//! Expressions by themselves: what they parse to, and every way they are refused.

mod bounds;
mod config;
mod errors;
mod grammar;
mod meant;
mod tables;
mod types;

use std::time::Duration;

use selvedge_conf::expr::{
    self, CountedName, Error, Expr, GeoNames, ListKind, Names, Phase, SessionName, Setting, TokenName, Type,
};

/// A config that declares one of everything.
pub(crate) fn names() -> Names {
    let counted = |name: &str, key: &[Type], phase| CountedName {
        name: name.to_owned(),
        key: key.to_vec(),
        phase,
        retention: Duration::from_secs(600),
    };
    let strings = Type::List(Box::new(Type::String));
    Names {
        counters: vec![
            counted("not-found", &[Type::Cidr], Phase::Connection),
            counted("errors", &[Type::Int], Phase::Response),
            counted("all", &[], Phase::Connection),
        ],
        limits: vec![counted("login", &[Type::Cidr, Type::String], Phase::Request)],
        uniques: vec![counted("login-users", &[Type::Cidr], Phase::Connection)],
        lists: vec![
            ("office".to_owned(), ListKind::Addresses),
            ("paths".to_owned(), ListKind::Strings),
            ("probes".to_owned(), ListKind::Needles),
            ("bots".to_owned(), ListKind::Patterns),
            ("bad-nets".to_owned(), ListKind::Addresses),
        ],
        jwts: vec![TokenName {
            name: "idp".to_owned(),
            claims: vec![
                ("sub".to_owned(), Type::String),
                ("admin".to_owned(), Type::Bool),
                ("level".to_owned(), Type::Int),
                ("roles".to_owned(), strings),
                ("https://example.com/team".to_owned(), Type::String),
            ],
        }],
        sessions: vec![SessionName {
            attributes: vec![("user".to_owned(), Type::String), ("age".to_owned(), Type::Int)],
            counters: vec!["clicks".to_owned()],
        }],
        geoip: GeoNames { country: true, city: true, asn: true },
        challenge: true,
    }
}

fn value_in(text: &str, phase: Phase) -> Result<Expr, Vec<Error>> {
    expr::parse_value(text, &Setting { phase, names: &names() })
}

/// A value in the response phase, where everything is known.
#[track_caller]
fn accepted(text: &str) -> Expr {
    value_in(text, Phase::Response).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// What is underlined, the message, and the help of the only error of a value.
#[track_caller]
fn refused(text: &str) -> (&str, String, String) {
    only(text, value_in(text, Phase::Response))
}

#[track_caller]
fn only(text: &str, result: Result<Expr, Vec<Error>>) -> (&str, String, String) {
    let mut errors = result.expect_err(text);
    assert_eq!(errors.len(), 1, "{text}: {errors:?}");
    let error = errors.remove(0);
    (&text[error.span.start..error.span.end], error.message, error.help.unwrap_or_default())
}

/// Cases of text, what is underlined, the message and the help.
#[track_caller]
fn all_refused(cases: &[(&str, &str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (text, underlined, message, help) in cases {
        let found = match value_in(text, Phase::Response) {
            Ok(expr) => format!("accepted as {}", expr.ty),
            Err(errors) => match errors.as_slice() {
                [error] => {
                    let under = &text[error.span.start..error.span.end];
                    let found = (under, error.message.as_str(), error.help.as_deref().unwrap_or_default());
                    if found == (*underlined, *message, *help) {
                        continue;
                    }
                    format!("{found:?}")
                }
                errors => format!("{errors:?}"),
            },
        };
        wrong.push(format!("{text}\n  expected {:?}\n  found    {found}", (underlined, message, help)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
