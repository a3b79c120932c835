//! The cheap side of the model's constraints.

/// Whether `text` has from `min` to `max` UTF-16 units, as Java counts.
pub fn is_text_length(text: &str, min: usize, max: usize) -> bool {
    // A unit takes from one to three bytes of UTF-8, so most texts need no counting.
    if text.len() <= max && text.len() >= min.saturating_mul(3) {
        return true;
    }
    if text.len() < min {
        return false;
    }
    let units = text_length(text);
    min <= units && units <= max
}

/// The length that Java gives a text: UTF-16 units.
pub fn text_length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}
