//! The source that was sent, and the way back to its lines and columns.

use std::cell::OnceCell;

use deno_core::sourcemap::SourceMap;

use crate::place::Place;

/// Name of a program's source in stack traces.
pub const FILE_NAME: &str = "<code>";

/// Longest part of a source line that an excerpt shows, in characters.
const EXCERPT_CHARACTERS: usize = 200;

/// The text of a program and, if something else was compiled from it, the map back.
pub struct Source {
    text: String,
    /// JSON text of a source map, version 3, from the code that runs to `text`.
    map_json: Option<String>,
    map: OnceCell<Option<SourceMap>>,
}

impl Source {
    pub fn new(text: String) -> Self {
        Self {
            text,
            map_json: None,
            map: OnceCell::new(),
        }
    }

    /// With a source map; it is parsed when it is first needed, since most programs do not fail.
    pub fn with_map(text: String, map_json: String) -> Self {
        Self {
            text,
            map_json: Some(map_json),
            map: OnceCell::new(),
        }
    }

    pub fn is_mapped(&self) -> bool {
        self.map_json.is_some()
    }

    /// The place in the source that was sent from which the code at a place comes; `None` if it
    /// does not come from that source.
    pub fn original(&self, place: Place) -> Option<Place> {
        let Some(json) = &self.map_json else {
            return Some(place);
        };
        let map = self
            .map
            .get_or_init(|| SourceMap::from_slice(json.as_bytes()).ok())
            .as_ref()?;
        let token = map.lookup_token(place.line.checked_sub(1)?, place.column.checked_sub(1)?)?;
        // A token covers the rest of its line, but not the lines after it.
        (token.get_dst_line() + 1 == place.line && token.get_source().is_some()).then(|| Place {
            line: token.get_src_line() + 1,
            column: token.get_src_col() + 1,
        })
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
        format!("{FILE_NAME}:{}\n{shown}\n{indent}{carets}\n", place.line)
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

    #[test]
    fn an_excerpt_points_at_the_place() {
        let source = Source::new("a\n\tlet x = ;\n".to_owned());
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
    fn columns_are_utf16_units() {
        let source = Source::new("'😀' + ;".to_owned());
        let place = Place { line: 1, column: 8 };
        assert_eq!(source.excerpt(place, 1), "<code>:1\n'😀' + ;\n      ^\n");
    }

    #[test]
    fn an_excerpt_of_a_long_line_shows_the_surroundings() {
        let source = Source::new(format!("{}!{}", "a".repeat(5000), "b".repeat(5000)));
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
        let source = Source::new("a".to_owned());
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
