//! Where something is in a program.

/// A place in a source: line and column, both counted from 1, the column in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// The place of a byte of `text`, which begins a character or is the end.
    pub fn of(text: &str, index: usize) -> Self {
        let before = text.get(..index).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column.encode_utf16().count() + 1).unwrap_or(u32::MAX),
        }
    }

    /// The byte of `text` at this place; `None` if it has no such line. Behind the end of a line, its end.
    pub fn index_in(self, text: &str) -> Option<usize> {
        let lines_before = self.line.checked_sub(1)? as usize;
        let start = match lines_before.checked_sub(1) {
            None => 0,
            Some(last) => text.match_indices('\n').nth(last)?.0 + 1,
        };
        let line = text.get(start..)?.split('\n').next()?;
        let mut units = self.column.saturating_sub(1) as usize;
        let mut index = start;
        for character in line.chars() {
            let Some(left) = units.checked_sub(character.len_utf16()) else {
                break;
            };
            units = left;
            index += character.len_utf8();
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leads_to_its_byte_and_back() {
        let text = "ab\n'😀' é;\n\nlast";
        for (index, _) in text.char_indices().chain([(text.len(), ' ')]) {
            assert_eq!(
                Place::of(text, index).index_in(text),
                Some(index),
                "{index}"
            );
        }
        let place = Place { line: 5, column: 1 };
        assert_eq!(place.index_in(text), None);
        let place = Place { line: 1, column: 9 };
        assert_eq!(place.index_in(text), Some(2));
    }
}
