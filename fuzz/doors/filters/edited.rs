//! Bytes that are a text that was signed, changed a bit, or that are something else.

/// The text that an input makes of the one that was given: parts of it are changed, or its end is another, or there is nothing of it.
pub(crate) fn edited(given: &str, input: &[u8]) -> Vec<u8> {
    let mut text = given.as_bytes().to_vec();
    match input.split_first() {
        Some((0, edits)) => {
            for edit in edits.chunks_exact(2) {
                let at = usize::from(edit[0]) % text.len();
                text[at] ^= edit[1];
            }
        }
        Some((1, [keep, end @ ..])) => {
            text.truncate(usize::from(*keep));
            text.extend_from_slice(end);
        }
        _ => text = input.to_vec(),
    }
    text
}
