//! A value of an attribute, and its one spelling in the store and in header fields.

use selvedge_conf::expr::Type;

use crate::rule;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// Text without control characters.
    String(String),
}

impl Value {
    /// Of a text that is one of this type; `None` of any other, and of strings that are longer than `max` bytes or have control characters.
    pub fn parse(ty: &Type, text: &str, max: usize) -> Option<Value> {
        match ty {
            Type::Bool => text.parse().ok().map(Value::Bool),
            // In one spelling alone, so that what is compared as text is what is meant.
            Type::Int => text.parse().ok().map(Value::Int).filter(|value| value.spelt() == text),
            Type::String => {
                let fits = text.len() <= max && !text.contains(char::is_control);
                fits.then(|| Value::String(text.to_owned()))
            }
            _ => None,
        }
    }

    /// Of what an expression has made, by the same rules.
    pub(crate) fn of(ty: &Type, made: rule::Value<'_>, max: usize) -> Option<Value> {
        match (ty, made) {
            (Type::Bool, rule::Value::Bool(value)) => Some(Value::Bool(value)),
            (Type::Int, rule::Value::Int(value)) => Some(Value::Int(value)),
            (Type::String, rule::Value::String(text)) => Value::parse(ty, text, max),
            _ => None,
        }
    }

    /// As text.
    pub fn spelt(&self) -> String {
        match self {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::String(text) => text.clone(),
        }
    }

    /// As expressions have it.
    pub(crate) fn as_value(&self) -> rule::Value<'_> {
        match self {
            Value::Bool(value) => rule::Value::Bool(*value),
            Value::Int(value) => rule::Value::Int(*value),
            Value::String(text) => rule::Value::String(text),
        }
    }
}
