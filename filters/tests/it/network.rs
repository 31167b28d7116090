//! Address functions against the vectors in `tests/vectors/network.txt`.

use crate::language::world::World;

const VECTORS: &str = include_str!("../vectors/network.txt");

/// `text("...")` is the same text put together at run time.
fn expanded(expression: &str) -> String {
    expression.replace("text(\"", "(request.path.substring(0, 0) + \"")
}

fn shown(world: &World, expression: &str) -> String {
    let Ok(program) = world.compile(&expanded(expression)) else { return "refused".to_owned() };
    let context = world.context();
    program.value(&context).map_or("absent".to_owned(), |value| {
        let text = format!("{value:?}");
        let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(&text).to_owned()
    })
}

#[test]
fn address_functions_are_those_of_the_specification() {
    let world = World::default();
    let mut asked = 0;
    let mut wrong = Vec::new();
    for line in VECTORS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.split(" | ");
        let (expression, expected) = (parts.next().unwrap(), parts.next().unwrap_or_else(|| panic!("{line}")));
        let found = shown(&world, expression);
        if found != expected {
            wrong.push(format!("{expression}: {found}, not {expected}"));
        }
        asked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked >= 69, "only {asked} vectors");
}
