//! The types of the tables: what a type may look like where a function takes several.

use std::fmt;

use crate::expr::tree::{ListKind, Type};

/// A type, or which types are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Shape {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    Ip,
    Cidr,
    /// A list of strings.
    Strings,
    /// Strings by name, as headers are.
    Named,
    /// A list of anything.
    List,
    /// A map of anything.
    Map,
    /// A named list of needles.
    Needles,
    /// A named list of patterns.
    Patterns,
    /// One of several.
    Any(&'static [Shape]),
}

impl Shape {
    /// Whether a type fits.
    pub(in crate::expr) fn accepts(self, ty: &Type) -> bool {
        match self {
            Shape::List => matches!(ty, Type::List(_)),
            Shape::Map => matches!(ty, Type::Map(..)),
            Shape::Any(shapes) => shapes.iter().any(|shape| shape.accepts(ty)),
            Shape::Strings => matches!(ty, Type::List(of) if **of == Type::String),
            Shape::Named => {
                matches!(ty, Type::Map(key, value) if **key == Type::String && **value == Type::String)
            }
            shape => shape.ty().as_ref() == Some(ty),
        }
    }

    /// Whether `string(x)` takes a type.
    pub(in crate::expr) fn accepts_scalar(ty: &Type) -> bool {
        !matches!(ty, Type::List(_) | Type::Map(..) | Type::Optional(_) | Type::Named(_))
    }

    /// The types that are possible, in the words of an error.
    pub(in crate::expr) fn types(self) -> Vec<String> {
        match self {
            Shape::Any(shapes) => shapes.iter().map(Shape::to_string).collect(),
            Shape::Needles => vec!["named list of needles".to_owned()],
            Shape::Patterns => vec!["named list of patterns".to_owned()],
            shape => vec![shape.to_string()],
        }
    }

    /// The type, if there is only one.
    pub(in crate::expr) fn ty(self) -> Option<Type> {
        Some(match self {
            Shape::Bool => Type::Bool,
            Shape::Int => Type::Int,
            Shape::Uint => Type::Uint,
            Shape::Double => Type::Double,
            Shape::String => Type::String,
            Shape::Bytes => Type::Bytes,
            Shape::Duration => Type::Duration,
            Shape::Timestamp => Type::Timestamp,
            Shape::Ip => Type::Ip,
            Shape::Cidr => Type::Cidr,
            Shape::Strings => Type::List(Box::new(Type::String)),
            Shape::Named => Type::Map(Box::new(Type::String), Box::new(Type::String)),
            Shape::Needles => Type::Named(ListKind::Needles),
            Shape::Patterns => Type::Named(ListKind::Patterns),
            Shape::List | Shape::Map | Shape::Any(_) => return None,
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::List => f.write_str("list"),
            Shape::Map => f.write_str("map"),
            Shape::Needles => f.write_str("lists.NAME"),
            Shape::Patterns => f.write_str("lists.NAME"),
            Shape::Any(shapes) => {
                for (index, shape) in shapes.iter().enumerate() {
                    let before = if index == 0 { "" } else { " or " };
                    write!(f, "{before}{shape}")?;
                }
                Ok(())
            }
            shape => shape.ty().map_or(Ok(()), |ty| write!(f, "{ty}")),
        }
    }
}
