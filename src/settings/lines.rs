//! Lines of files, for messages.

/// The number of the line that a byte of a text is in.
pub fn line_at(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    1 + before.filter(|byte| *byte == b'\n').count()
}
