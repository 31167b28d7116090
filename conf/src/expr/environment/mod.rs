//! The environment: every field, function, method, macro and look at the state there is. The checker, its suggestions, the
//! costs, the reference and the schema all read these tables.

mod fields;
mod forms;
mod functions;
mod reference;
mod shape;

pub(super) use fields::{FIELDS, FieldEntry, Needs};
pub(super) use forms::{FORMS, Form};
pub(super) use functions::{FUNCTIONS, FunctionEntry, Meaning, Receiver};
pub use reference::{reference, schema};
pub(super) use shape::Shape;

use super::tree::{Field, Function};

/// The entry of a field.
pub(super) fn field(root: &str, name: &str) -> Option<&'static FieldEntry> {
    FIELDS.iter().find(|entry| entry.name == name && entry.root == root)
}

/// The entry of a field in a tree.
pub(super) fn entry_of(field: Field) -> Option<&'static FieldEntry> {
    FIELDS.iter().find(|entry| entry.field == field)
}

/// The first entry of a function in a tree.
pub(super) fn entry_of_function(function: Function) -> Option<&'static FunctionEntry> {
    FUNCTIONS.iter().find(|entry| entry.meaning == Meaning::Function(function))
}

/// What a form costs, in nanoseconds.
pub(super) fn cost_of_form(form: Form) -> u64 {
    FORMS.iter().find(|entry| entry.form == form).map_or(0, |entry| entry.cost)
}

/// The entry of a form written `name(...)`, `value.name(...)` or `root.name(...)`.
pub(super) fn form(receiver: Receiver, name: &str) -> Option<Form> {
    FORMS.iter().find(|entry| entry.name == name && entry.receiver.is_like(receiver)).map(|entry| entry.form)
}

/// What starts fields, names of the config or functions, so that nothing else can be called so.
pub(super) const ROOTS: [&str; 10] =
    ["request", "client", "session", "response", "cache", "challenge", "peers", "lists", "jwt", "optional"];

/// The root of this name.
pub(super) fn root(name: &str) -> Option<&'static str> {
    ROOTS.into_iter().find(|root| *root == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_the_tables() {
        assert!(FIELDS.iter().all(|entry| root(entry.root).is_some()));
        for root in ROOTS {
            let field = FIELDS.iter().any(|entry| entry.root == root);
            let form = FORMS.iter().any(|entry| entry.receiver == Receiver::Root(root));
            assert!(field || form, "{root}");
        }
    }

    #[test]
    fn no_two_entries_are_the_same() {
        let fields = FIELDS.iter().map(|entry| format!("{}.{}", entry.root, entry.name));
        let functions = FUNCTIONS.iter().map(FunctionEntry::written);
        let forms = FORMS.iter().map(|entry| entry.written.to_owned());
        let all: Vec<String> = fields.chain(functions).chain(forms).collect();
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
    }
}
