//! Fields of requests, parsed into types whose size the caller does not choose.
//!
//! A generic JSON value takes 72 bytes for each `0` of a list: a body of 10 MiB became 374 MiB. Here a
//! field stays the text that it came as until its own type is made of it, and what is not wanted is
//! read over.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use super::error::ApiError;

/// What a value is, by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Number,
    Bool,
    Array,
    Object,
    Null,
}

/// Which kind of value this is.
pub fn kind(raw: &RawValue) -> Kind {
    match raw.get().as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'[') => Kind::Array,
        Some(b'{') => Kind::Object,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// Parses a value of this kind. `None` if it is of another, or does not fit the type. The kind is asked
/// first, since the error for a wrong one repeats the value, however long.
///
/// # Errors
/// 400 as for the whole body for what is not JSON, such as half a surrogate pair.
pub fn parse<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    expected: Kind,
) -> Result<Option<T>, ApiError> {
    if kind(raw) != expected {
        return Ok(None);
    }
    match serde_json::from_str(raw.get()) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_data() => Ok(None),
        Err(error) => Err(ApiError::not_json(error.to_string())),
    }
}

/// The first `N` elements of a list; the rest is read over.
#[derive(Default)]
pub struct AtMost<T, const N: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First<T, const N: usize>(Vec<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for First<T, N> {
            type Value = Vec<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Vec<T>, A::Error> {
                while self.0.len() < N {
                    match list.next_element()? {
                        Some(element) => self.0.push(element),
                        None => return Ok(self.0),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(self.0)
            }
        }

        deserializer
            .deserialize_seq(First::<T, N>(Vec::new()))
            .map(Self)
    }
}

/// The first `N` members of an object, in their order; the rest is read over.
pub struct Members<'a, const N: usize>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a, const N: usize> Deserialize<'de> for Members<'a, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for First<N> {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while members.len() < N {
                    match map.next_entry()? {
                        Some(member) => members.push(member),
                        None => return Ok(members),
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(members)
            }
        }

        deserializer.deserialize_map(First::<N>).map(Self)
    }
}

/// An object of strings, none of which is kept.
pub struct Strings;

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Strings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strings, A::Error> {
                while map.next_entry::<IgnoredAny, AnyString>()?.is_some() {}
                Ok(Strings)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// A string that is not kept.
struct AnyString;

impl<'de> Deserialize<'de> for AnyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = AnyString;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<AnyString, E> {
                Ok(AnyString)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_list_is_kept_up_to_its_bound_and_read_to_its_end() {
        let kept = |text| {
            let list = parse::<AtMost<u8, 2>>(raw(text), Kind::Array).unwrap();
            list.map(|AtMost(list)| list)
        };
        assert_eq!(kept("[]"), Some(vec![]));
        assert_eq!(kept("[1]"), Some(vec![1]));
        assert_eq!(kept("[1, 2]"), Some(vec![1, 2]));
        assert_eq!(kept("[1, 2, {\"x\": []}, 4]"), Some(vec![1, 2]));
        assert_eq!(kept("[1, \"x\"]"), None);
        assert_eq!(kept("{}"), None);
    }

    #[test]
    fn an_object_is_kept_up_to_its_bound_and_read_to_its_end() {
        let kept = |text| {
            let members = parse::<Members<2>>(raw(text), Kind::Object).unwrap();
            members.map(|Members(members)| {
                let text = members
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"));
                text.collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(kept("{}").as_deref(), Some(""));
        assert_eq!(
            kept(r#"{"a": 1, "b": [], "c": {"d": 2}}"#).as_deref(),
            Some("a=1 b=[]")
        );
        assert_eq!(kept("[]"), None);
    }

    #[test]
    fn an_object_of_strings_has_nothing_but_strings() {
        let fits = |text| parse::<Strings>(raw(text), Kind::Object).unwrap().is_some();
        assert!(fits("{}"));
        assert!(fits(r#"{"a": "", "b": "\u00e9"}"#));
        for wrong in [r#"{"a": 1}"#, r#"{"a": "", "b": null}"#, "[]", "\"a\""] {
            assert!(!fits(wrong), "{wrong}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_not_json() {
        let half = raw(r#""\ud800""#);
        assert!(parse::<String>(half, Kind::String).is_err());
    }
}
