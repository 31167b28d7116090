//! A request that was answered, found by its id: as it was then, and what would come of it now.

use std::fmt::Write;

use super::page;
use super::render::{Render, instant, printable};
use crate::admin::report::explanation::Remembered;

/// As a command's finding.
pub(super) fn render(remembered: &Remembered) -> Render {
    Render::new(text(remembered), remembered)
}

fn text(remembered: &Remembered) -> String {
    let Remembered { pop, then, now, unexplained } = remembered;
    let mut text = String::new();
    let client = then.client.map_or_else(|| "unknown".to_owned(), |client| client.to_string());
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} {}   as client {client} at {pop}, config {}, {}",
        printable(&then.method),
        printable(&then.url),
        then.revision,
        instant(then.at)
    );
    for (name, value) in &then.headers {
        let _ = writeln!(text, "  {name}: {}", printable(value));
    }
    if then.headers_left_out > 0 {
        let _ = writeln!(text, "  ({} more header fields are not remembered)", then.headers_left_out);
    }
    let _ = writeln!(text, "  was answered {} ({})", then.status, then.answer);
    for why in &then.why {
        let _ = writeln!(text, "  {:<12} {}  {}", why.what, why.name, why.place);
    }
    text.push('\n');
    match (now, unexplained) {
        (Some(now), _) => text.push_str(&page::page(now, "live, as if it came again now, without body and secrets")),
        (None, why) => {
            let _ = writeln!(text, "now: {}", why.as_deref().unwrap_or("not explained"));
        }
    }
    text
}
