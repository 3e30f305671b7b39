//! Sets of packages as requests name them.

use faas_packages::Packages;
use faas_packages::ProjectName;

/// Requirements in pip's syntax, normalised, in order, without repetition. Equal sets share a
/// zygote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PackageSet(Vec<String>);

/// A requirement that is not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequirement {
    #[error("\"{0}\" is not a package name, with extras in brackets and a version if need be")]
    Syntax(String),
    #[error(
        "at most {MAX_PACKAGES} packages of {MAX_REQUIREMENT_BYTES} characters can be asked for"
    )]
    TooMany,
}

/// Limits of a request; together they fit into a control packet.
pub const MAX_PACKAGES: usize = 50;
pub const MAX_REQUIREMENT_BYTES: usize = 200;

impl PackageSet {
    /// # Errors
    /// [`BadRequirement`] for what is not a plain requirement: addresses and environment markers
    /// among them.
    pub fn new<T: AsRef<str>>(requirements: &[T]) -> Result<Self, BadRequirement> {
        if requirements.len() > MAX_PACKAGES {
            return Err(BadRequirement::TooMany);
        }
        let normalized = requirements.iter().map(|text| {
            let text = text.as_ref();
            let bad = || BadRequirement::Syntax(text.chars().take(MAX_REQUIREMENT_BYTES).collect());
            normalize(text).ok_or_else(bad)
        });
        let mut set = normalized.collect::<Result<Vec<_>, _>>()?;
        set.sort();
        set.dedup();
        Ok(Self(set))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This set and these projects, or `None` if that is not a valid set.
    pub fn with(&self, projects: &[String]) -> Option<Self> {
        Self::new(&[self.0.as_slice(), projects].concat()).ok()
    }

    /// Its projects, if it says no more of any than its name.
    pub fn bare_projects(&self) -> Option<Vec<ProjectName>> {
        let parsed = self.0.iter().map(|text| ProjectName::parse(text).ok());
        parsed.collect()
    }

    pub fn requirements(&self) -> &[String] {
        &self.0
    }
}

/// Whether a process with the packages of `installed` has what `wanted` names, if neither says more of them
/// than their names: versions and extras are only compared as they are written.
pub fn covers(packages: &Packages, installed: &PackageSet, wanted: &PackageSet) -> bool {
    if wanted.0.iter().all(|one| installed.0.contains(one)) {
        return true;
    }
    match (installed.bare_projects(), wanted.bare_projects()) {
        (Some(installed), Some(wanted)) => packages.covers(&installed, &wanted),
        _ => false,
    }
}

impl std::fmt::Display for PackageSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

/// Operators of versions (PEP 440), those that others begin with last.
const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

/// `Foo_Bar [x] >= 1.0, < 2` becomes `foo-bar[x]>=1.0,<2`: the part of PEP 508 that has neither
/// addresses nor markers, with blanks where it allows them. `None` for anything else.
fn normalize(text: &str) -> Option<String> {
    if text.len() > MAX_REQUIREMENT_BYTES {
        return None;
    }
    let text = trim(text);
    let end = text.find(|c| !is_in_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut normalized = ProjectName::parse(name).ok()?.as_str().to_owned();
    let mut rest = trim(rest);
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (extras, after) = bracketed.split_once(']')?;
        let extras = extras.split(',').map(trim);
        let extras: Option<Vec<&str>> = extras
            .map(|extra| ProjectName::parse(extra).ok().map(|_| extra))
            .collect();
        normalized.push_str(&format!("[{}]", extras?.join(",")));
        rest = trim(after);
    }
    if !rest.is_empty() {
        let versions: Option<Vec<String>> = rest.split(',').map(normalize_version).collect();
        normalized.push_str(&versions?.join(","));
    }
    Some(normalized)
}

/// ` >= 1.0` becomes `>=1.0`.
fn normalize_version(text: &str) -> Option<String> {
    let text = trim(text);
    let operator = OPERATORS
        .iter()
        .find(|operator| text.starts_with(**operator))?;
    let version = trim(text.strip_prefix(operator)?);
    let is_version = |c: char| is_in_name(c) || "+!*".contains(c);
    let is_valid = !version.is_empty() && version.chars().all(is_version);
    is_valid.then(|| format!("{operator}{version}"))
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// Without the blanks around it: spaces and tabs, not ends of lines.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(requirements: &[&str]) -> String {
        PackageSet::new(requirements).unwrap().to_string()
    }

    #[test]
    fn order_spelling_and_repetition_of_packages_do_not_matter() {
        assert_eq!(set(&["Foo_Bar", "a"]), set(&["a", "foo.bar", "foo--bar"]));
        assert_eq!(set(&["msgpack == 1.2.4"]), "msgpack==1.2.4");
        assert_eq!(set(&[" pkg [extra, b] >=1 ,\t< 2 "]), "pkg[extra,b]>=1,<2");
        assert_eq!(
            set(&["a~=1.0", "b===1!2+x", "c==1.*"]),
            "a~=1.0,b===1!2+x,c==1.*"
        );
    }

    #[test]
    fn versions_and_extras_of_packages_matter() {
        assert_ne!(set(&["a==1"]), set(&["a==2"]));
        assert_ne!(set(&["a[x]"]), set(&["a"]));
    }

    #[test]
    fn requirements_with_addresses_markers_or_faults_are_refused() {
        for text in [
            "",
            "-",
            "a b",
            "py dantic",
            "a b;",
            "a @ https://x/a.whl",
            "https://x/a.whl",
            "./a.whl",
            "a;python_version>'3'",
            "a\nb",
            "a\n",
            "../x",
            "a=",
            "a=1",
            "a==",
            "a==1,",
            "a==1 2",
            "a=>1",
            "a[",
            "a[]",
            "a[x",
            "a[x]]",
            "a[x y]",
            "a(1)",
            "1.0==",
            "é",
        ] {
            assert!(PackageSet::new(&[text]).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_requirement_has_no_room_for_tricks(text in ".{0,60}") {
            if let Ok(set) = PackageSet::new(&[&text]) {
                prop_assert!(!set.to_string().contains(['/', ':', '@', ';', '\n', ' ']));
            }
        }

        #[test]
        fn a_normalised_requirement_stays_as_it_is(
            text in "[A-Za-z][A-Za-z._-]{0,5}[a-z]( ?\\[x, ?y\\])?( ?[<>=!~]?= ?[0-9.]{1,3}){0,2}"
        ) {
            if let Ok(set) = PackageSet::new(&[&text]) {
                prop_assert_eq!(PackageSet::new(set.requirements()).unwrap(), set);
            }
        }
    }
}
