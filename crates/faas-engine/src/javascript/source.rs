//! The source that was sent, and the way back to its lines and columns.

use std::cell::OnceCell;

use deno_core::sourcemap::SourceMap;

use crate::moves::Moves;
use crate::place::Place;

/// How the names of programs, and of cells of sessions, begin in stack traces; no other code has such a name.
const NAMES: &str = "<code";
const CELLS: &str = "<cell ";

/// Longest part of a source line that an excerpt shows, in characters.
const EXCERPT_CHARACTERS: usize = 200;

/// The name of a program: the first of those that go on from each other has number 1.
pub fn name_of(number: usize) -> String {
    match number {
        0 | 1 => format!("{NAMES}>"),
        _ => format!("{NAMES} {number}>"),
    }
}

/// The name of a cell of a session.
pub fn name_of_cell(number: u64) -> String {
    format!("{CELLS}{number}>")
}

/// Whether the file of this name is a program.
pub fn is_program(name: &str) -> bool {
    name.starts_with(NAMES) || name.starts_with(CELLS)
}

/// The text of a program and, if something else was compiled from it, the way back.
pub struct Source {
    name: String,
    text: String,
    /// From the code that runs to `text`, one after the other.
    maps: Vec<Map>,
}

/// A way back from one text to the one that it was made from.
pub enum Map {
    Moves(Moves),
    /// JSON text of a source map, version 3. It is parsed when it is first needed, since most programs do not
    /// fail.
    Json(String, OnceCell<Option<SourceMap>>),
}

impl Map {
    pub fn json(text: String) -> Self {
        Self::Json(text, OnceCell::new())
    }

    fn original(&self, place: Place) -> Option<Place> {
        let (json, map) = match self {
            Self::Moves(moves) => return moves.original(place),
            Self::Json(json, map) => (json, map),
        };
        let map = map
            .get_or_init(|| SourceMap::from_slice(json.as_bytes()).ok())
            .as_ref()?;
        let token = map.lookup_token(place.line.checked_sub(1)?, place.column.checked_sub(1)?)?;
        // A token covers the rest of its line, but not the lines after it.
        (token.get_dst_line() + 1 == place.line && token.get_source().is_some()).then(|| Place {
            line: token.get_src_line() + 1,
            column: token.get_src_col() + 1,
        })
    }
}

impl Source {
    pub fn new(name: String, text: String) -> Self {
        Self {
            name,
            text,
            maps: Vec::new(),
        }
    }

    /// With code made from the code that ran so far.
    pub fn mapped(mut self, map: Map) -> Self {
        self.maps.insert(0, map);
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_mapped(&self) -> bool {
        !self.maps.is_empty()
    }

    /// The place in the source that was sent from which the code at a place comes; `None` if it
    /// does not come from that source.
    pub fn original(&self, place: Place) -> Option<Place> {
        let mut maps = self.maps.iter();
        maps.try_fold(place, |place, map| map.original(place))
    }

    /// File name and line, the line's text, and a caret below it, as Node.js heads a report. Empty
    /// if there is no such line. `width` is the number of carets.
    pub fn excerpt(&self, place: Place, width: usize) -> String {
        let index = place.line.checked_sub(1).map(|index| index as usize);
        let Some(line) = index.and_then(|index| self.text.lines().nth(index)) else {
            return String::new();
        };
        let before = characters_before(line, place.column.saturating_sub(1) as usize);
        // For a long line (minified code), the text around the place.
        let skipped = before.saturating_sub(EXCERPT_CHARACTERS / 2);
        let shown: String = line
            .chars()
            .skip(skipped)
            .take(EXCERPT_CHARACTERS)
            .collect();
        let indent: String = shown
            .chars()
            .take(before - skipped)
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        let room = shown.chars().count().saturating_sub(before - skipped);
        let carets = "^".repeat(width.clamp(1, room.max(1)));
        format!("{}:{}\n{shown}\n{indent}{carets}\n", self.name, place.line)
    }
}

/// How many characters of `line` come before a position in UTF-16 units.
fn characters_before(line: &str, units: usize) -> usize {
    let mut seen = 0;
    line.chars()
        .take_while(|character| {
            seen += character.len_utf16();
            seen <= units
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moves::Part;

    fn source(text: String) -> Source {
        Source::new(name_of(1), text)
    }

    #[test]
    fn an_excerpt_points_at_the_place() {
        let source = source("a\n\tlet x = ;\n".to_owned());
        let place = Place {
            line: 2,
            column: 10,
        };
        assert_eq!(
            source.excerpt(place, 1),
            "<code>:2\n\tlet x = ;\n\t        ^\n"
        );
    }

    #[test]
    fn maps_are_applied_from_the_code_that_runs_to_the_text_that_was_sent() {
        let moves = |before: &str, added: &str| {
            let parts = [Part::Added(added.to_owned()), Part::Copied(0..before.len())];
            Map::Moves(Moves::new(before, &parts).unwrap())
        };
        let source = source("x".to_owned())
            .mapped(moves("x", "\n"))
            .mapped(moves("\nx", "  "));
        let place = |line, column| Place { line, column };
        assert_eq!(source.original(place(2, 1)), Some(place(1, 1)));
        assert_eq!(source.original(place(3, 1)), None);
    }

    #[test]
    fn columns_are_utf16_units() {
        let source = source("'😀' + ;".to_owned());
        let place = Place { line: 1, column: 8 };
        assert_eq!(source.excerpt(place, 1), "<code>:1\n'😀' + ;\n      ^\n");
    }

    #[test]
    fn an_excerpt_of_a_long_line_shows_the_surroundings() {
        let source = source(format!("{}!{}", "a".repeat(5000), "b".repeat(5000)));
        let place = Place {
            line: 1,
            column: 5001,
        };
        let excerpt = source.excerpt(place, 1);
        assert!(excerpt.len() < 400, "{excerpt}");
        assert!(excerpt.contains("aa!bb"));
    }

    #[test]
    fn a_place_outside_the_source_has_no_excerpt() {
        let source = source("a".to_owned());
        assert_eq!(source.excerpt(Place { line: 2, column: 1 }, 1), "");
        assert!(
            !source
                .excerpt(
                    Place {
                        line: 1,
                        column: 99
                    },
                    9
                )
                .is_empty()
        );
        assert_eq!(source.excerpt(Place { line: 0, column: 0 }, 1), "");
    }
}
