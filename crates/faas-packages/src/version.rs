//! Ranges of versions, as PEP 440 has them.

use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;
use pep440_rs::VersionSpecifier;
use pep440_rs::VersionSpecifiers;

use super::error::quoted;

/// A range such as `>=2,<3`.
#[derive(Clone, Debug)]
pub struct VersionRange(VersionSpecifiers);

impl FromStr for VersionRange {
    /// A sentence that says that it is not a range.
    type Err = String;

    /// Reads a range; a version without an operator means exactly that one.
    fn from_str(text: &str) -> Result<Self, String> {
        let exactly = |version: Version| VersionSpecifier::equals_version(version).into();
        let range = match text.parse::<Version>() {
            Ok(version) => Some(exactly(version)),
            Err(_) => text.parse().ok(),
        };
        // No range at all would be one that everything is in.
        match range.filter(|range: &VersionSpecifiers| !range.is_empty()) {
            Some(range) => Ok(Self(range)),
            None => Err(format!(
                "{} is not a range of versions such as >=2,<3",
                quoted(text)
            )),
        }
    }
}

impl VersionRange {
    /// Whether a version is in the range. What is not a version is in no range.
    pub fn contains(&self, version: &str) -> bool {
        version
            .parse()
            .is_ok_and(|version| self.0.contains(&version))
    }
}

impl fmt::Display for VersionRange {
    /// Without blanks, as in a requirement.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        formatter.write_str(&text.replace(' ', ""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_contain_what_pep_440_says() {
        for (range, inside, outside) in [
            (">=2,<3", "2.4.6", "3.0"),
            (">= 1.26.0, <2", "1.26", "2.0rc1"),
            ("~=2.2", "2.9", "3.0"),
            ("~=2.2.1", "2.2.5", "2.3"),
            ("==2.4.*", "2.4.6", "2.5"),
            ("!=2.4.*", "2.5", "2.4.1"),
            ("==1.0", "1.0.0", "1.0.1"),
            ("1.2.3", "1.2.3", "1.2.4"),
            (">1.0", "1.1", "1.0.post1"),
            ("<1.0", "0.9", "1.0rc1"),
            ("<=1.0", "1.0rc1", "1.0.post1"),
        ] {
            let range = range.parse::<VersionRange>().unwrap();
            assert!(range.contains(inside), "{range:?} {inside}");
            assert!(!range.contains(outside), "{range:?} {outside}");
        }
        for bad in ["", ">=", "latest", ">=1,", "~=1", "=>1", "1 2"] {
            assert!(bad.parse::<VersionRange>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(range in ".{0,40}", version in ".{0,40}") {
            if let Ok(range) = range.parse::<VersionRange>() {
                range.contains(&version);
            }
        }

        #[test]
        fn a_version_is_in_the_range_of_itself(version in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\\.post[0-9])?") {
            let range = ["==", &version].concat().parse::<VersionRange>().unwrap();
            prop_assert!(range.contains(&version));
        }
    }
}
