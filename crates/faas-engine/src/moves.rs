//! A text put together from parts of another, and the way back from places in it.

use std::ops::Range;

use super::place::Place;

/// A part of the new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Added(String),
    /// Bytes of the old text.
    Copied(Range<usize>),
}

/// A text made from another.
#[derive(Debug)]
pub struct Moves {
    before: String,
    after: String,
    copies: Vec<Copied>,
}

/// Text that is in both.
#[derive(Debug)]
struct Copied {
    before: usize,
    after: usize,
    length: usize,
}

impl Moves {
    /// Puts parts of a text together. `None` if a part is not in it.
    pub fn new(before: &str, parts: &[Part]) -> Option<Self> {
        let mut after = String::with_capacity(before.len() + before.len() / 16);
        let mut copies = Vec::new();
        for part in parts {
            match part {
                Part::Added(text) => after.push_str(text),
                Part::Copied(range) => {
                    copies.push(Copied {
                        before: range.start,
                        after: after.len(),
                        length: range.len(),
                    });
                    after.push_str(before.get(range.clone())?);
                }
            }
        }
        Some(Self {
            before: before.to_owned(),
            after,
            copies,
        })
    }

    /// The text that was made.
    pub fn text(&self) -> &str {
        &self.after
    }

    /// The place in the old text of a place in the new one. What was added has that of the copied text
    /// behind it.
    pub fn original(&self, place: Place) -> Option<Place> {
        let index = place.index_in(&self.after)?;
        let next = self.copies.partition_point(|copy| copy.after <= index);
        let within = next
            .checked_sub(1)
            .and_then(|last| self.copies.get(last))
            .map(|copy| (copy, index - copy.after));
        let index = match (within, self.copies.get(next)) {
            (Some((copy, offset)), _) if offset < copy.length => copy.before + offset,
            (_, Some(copy)) => copy.before,
            (Some((copy, _)), None) => copy.before + copy.length,
            (None, None) => return None,
        };
        Some(Place::of(&self.before, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_copied_text_lead_back_and_added_text_stands_for_what_follows() {
        let parts = [
            Part::Added("<".to_owned()),
            Part::Copied(4..7),
            Part::Added(">\n".to_owned()),
            Part::Copied(0..4),
        ];
        let moves = Moves::new("abc\ndef", &parts).unwrap();
        assert_eq!(moves.text(), "<def>\nabc\n");
        let original = |line, column| {
            let place = moves.original(Place { line, column }).unwrap();
            (place.line, place.column)
        };
        assert_eq!(original(1, 1), (2, 1));
        assert_eq!(original(1, 3), (2, 2));
        assert_eq!(original(1, 5), (1, 1));
        assert_eq!(original(2, 3), (1, 3));
        assert_eq!(original(3, 1), (2, 1));
        assert_eq!(moves.original(Place { line: 9, column: 1 }), None);
        assert!(Moves::new("é", &[Part::Copied(0..1)]).is_none());
    }
}
