//! Versions and ranges of them, as PEP 440 compares them.

use std::cmp::Ordering;

use super::names::quoted;

/// A version, in parts that compare in order. What is behind `+` is left out: ranges do not name it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// Before the release (`a`, `b`, `rc`: 0 to 2), with its number.
    pre: Option<(u8, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
}

/// A range such as `>=2,<3`.
#[derive(Clone, Debug)]
pub struct VersionRange {
    text: String,
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug)]
enum Clause {
    /// `==`, `!=`, `<=`, `>=`, `<`, `>`.
    Is(Relation, Version),
    /// `==1.*` (true) and `!=1.*`: the epoch and the first parts of the release.
    Begins(bool, Version),
}

#[derive(Clone, Copy, Debug)]
enum Relation {
    Equal,
    Different,
    AtMost,
    AtLeast,
    Less,
    More,
}

/// Those that others begin with come last.
const RELATIONS: [(&str, Relation); 7] = [
    ("===", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::Different),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("<", Relation::Less),
    (">", Relation::More),
];

impl VersionRange {
    /// Reads a range; a version without an operator means exactly that one.
    ///
    /// # Errors
    /// A sentence about what is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{} is not a range of versions such as >=2,<3", quoted(text));
        let mut clauses = Vec::new();
        for clause in text.split(',').map(str::trim) {
            if let Some(version) = clause.strip_prefix("~=") {
                // `~=2.2` is `>=2.2, ==2.*`.
                let version = Version::parse(version).ok_or_else(bad)?;
                let mut begins = Version::of_release(version.epoch, version.release.clone());
                begins.release.pop();
                if begins.release.is_empty() {
                    return Err(bad());
                }
                clauses.push(Clause::Is(Relation::AtLeast, version));
                clauses.push(Clause::Begins(true, begins));
                continue;
            }
            let operator = RELATIONS.iter().find(|(sign, _)| clause.starts_with(sign));
            let (sign, relation) = *operator.unwrap_or(&("", Relation::Equal));
            let version = clause.strip_prefix(sign).unwrap_or(clause).trim();
            clauses.push(match (version.strip_suffix(".*"), relation) {
                (Some(version), Relation::Equal | Relation::Different) => {
                    let is_wanted = matches!(relation, Relation::Equal);
                    Clause::Begins(is_wanted, Version::parse(version).ok_or_else(bad)?)
                }
                (_, relation) => Clause::Is(relation, Version::parse(version).ok_or_else(bad)?),
            });
        }
        let text = text.split_whitespace().collect();
        Ok(Self { text, clauses })
    }

    /// Whether a version is in the range. What is no version is in none.
    pub fn contains(&self, version: &str) -> bool {
        Version::parse(version)
            .is_some_and(|version| self.clauses.iter().all(|clause| clause.holds(&version)))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Clause {
    fn holds(&self, version: &Version) -> bool {
        match self {
            Self::Is(relation, other) => {
                let order = version.cmp(other);
                let is_of_it = version.of_same_release(other);
                match relation {
                    Relation::Equal => order.is_eq(),
                    Relation::Different => order.is_ne(),
                    Relation::AtMost => order.is_le(),
                    Relation::AtLeast => order.is_ge(),
                    // Neither a release candidate of it nor what came after it as a post-release.
                    Relation::Less => order.is_lt() && (other.pre.is_some() || !is_of_it),
                    Relation::More => order.is_gt() && (other.post.is_some() || !is_of_it),
                }
            }
            Self::Begins(is_wanted, other) => {
                let begins = version.epoch == other.epoch
                    && (0..other.release.len()).all(|at| version.part(at) == other.part(at));
                begins == *is_wanted
            }
        }
    }
}

impl Version {
    fn of_release(epoch: u64, release: Vec<u64>) -> Self {
        Self {
            epoch,
            release,
            pre: None,
            post: None,
            dev: None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.split('+').next().unwrap_or_default();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (epoch, text) = text.split_once('!').unwrap_or(("0", text));
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (release, mut rest) = text.split_at(end);
        let release: Option<Vec<u64>> = release
            .trim_end_matches('.')
            .split('.')
            .map(|part| part.parse().ok())
            .collect();
        let mut version = Self::of_release(epoch.parse().ok()?, release?);
        let separators = ['.', '-', '_'];
        while !rest.is_empty() {
            rest = rest.trim_start_matches(separators);
            let end = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let after = after.trim_start_matches(separators);
            let end = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            let (number, after) = after.split_at(end);
            let number = match number {
                "" => 0,
                number => number.parse().ok()?,
            };
            match word {
                "a" | "alpha" => version.pre = Some((0, number)),
                "b" | "beta" => version.pre = Some((1, number)),
                "rc" | "c" | "pre" | "preview" => version.pre = Some((2, number)),
                "post" | "rev" | "r" => version.post = Some(number),
                "dev" => version.dev = Some(number),
                _ => return None,
            }
            rest = after;
        }
        Some(version)
    }

    fn part(&self, at: usize) -> u64 {
        self.release.get(at).copied().unwrap_or_default()
    }

    fn of_same_release(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.compare_releases(other).is_eq()
    }

    /// 1 and 1.0 are the same.
    fn compare_releases(&self, other: &Self) -> Ordering {
        let longest = self.release.len().max(other.release.len());
        (0..longest)
            .map(|at| self.part(at).cmp(&other.part(at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// What sorts versions of one release: developers' first, then candidates, the release, what came after.
    fn stage(&self) -> [(u8, u8, u64); 3] {
        let pre = match (self.pre, self.post, self.dev) {
            (Some((kind, number)), ..) => (1, kind, number),
            (None, None, Some(_)) => (0, 0, 0),
            (None, ..) => (2, 0, 0),
        };
        let post = self.post.map_or((0, 0, 0), |number| (1, 0, number));
        let dev = self.dev.map_or((1, 0, 0), |number| (0, 0, number));
        [pre, post, dev]
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.compare_releases(other))
            .then_with(|| self.stage().cmp(&other.stage()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_in_the_order_of_pep_440() {
        let sorted = [
            "1.dev1",
            "1a1",
            "1b2",
            "1rc1",
            "1",
            "1.0.post1",
            "1.1.dev3",
            "1.1",
            "1.10",
            "1!0.1",
        ];
        for pair in sorted.windows(2) {
            let [low, high] = [pair[0], pair[1]].map(|text| Version::parse(text).unwrap());
            assert!(low.cmp(&high).is_lt(), "{pair:?}");
        }
        let same = |a, b| Version::parse(a).unwrap().cmp(&Version::parse(b).unwrap());
        assert!(same("1.0", "1").is_eq());
        assert!(same("2.9.0.post0", "2.9-post").is_eq());
    }

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
            let range = VersionRange::parse(range).unwrap();
            assert!(range.contains(inside), "{range:?} {inside}");
            assert!(!range.contains(outside), "{range:?} {outside}");
        }
        for bad in ["", ">=", "latest", ">=1,", "~=1", "=>1", "1 2"] {
            assert!(VersionRange::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(range in ".{0,40}", version in ".{0,40}") {
            if let Ok(range) = VersionRange::parse(&range) {
                range.contains(&version);
            }
        }

        #[test]
        fn a_version_is_in_the_range_of_itself(version in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\\.post[0-9])?") {
            let range = VersionRange::parse(&["==", &version].concat()).unwrap();
            prop_assert!(range.contains(&version));
        }
    }
}
