//! Zygotes with packages installed, one per set of packages, the least recently used given up.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::lane::Lane;

/// A set of packages as requests name it: requirements in pip's syntax, normalised, in order,
/// without repetition. Equal sets share a zygote.
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
const MAX_PACKAGES: usize = 50;
const MAX_REQUIREMENT_BYTES: usize = 200;

impl PackageSet {
    /// # Errors
    /// [`BadRequirement`] for what is not a plain requirement: addresses and environment markers
    /// among them.
    pub fn new<T: AsRef<str>>(requirements: &[T]) -> Result<Self, BadRequirement> {
        if requirements.len() > MAX_PACKAGES {
            return Err(BadRequirement::TooMany);
        }
        let normalized = requirements.iter().map(|text| normalize(text.as_ref()));
        let mut set = normalized.collect::<Result<Vec<_>, _>>()?;
        set.sort();
        set.dedup();
        Ok(Self(set))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn requirements(&self) -> &[String] {
        &self.0
    }
}

impl std::fmt::Display for PackageSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

/// `Foo_Bar [x] >= 1.0` becomes `foo-bar[x]>=1.0` (names as PEP 503 compares them).
fn normalize(text: &str) -> Result<String, BadRequirement> {
    let bad = || BadRequirement::Syntax(text.chars().take(MAX_REQUIREMENT_BYTES).collect());
    if text.len() > MAX_REQUIREMENT_BYTES {
        return Err(bad());
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = compact.find(|c| !in_name(c)).unwrap_or(compact.len());
    let (name, rest) = compact.split_at(end);
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !is_edge(name.chars().next()) || !is_edge(name.chars().last()) {
        return Err(bad());
    }
    let allowed = |c: char| in_name(c) || "[],<>=!~*+".contains(c);
    if !rest.is_empty() && !rest.starts_with(['[', '<', '>', '=', '!', '~'])
        || !rest.chars().all(allowed)
    {
        return Err(bad());
    }
    let mut normalized = String::new();
    for c in name.to_ascii_lowercase().chars() {
        let c = if "_.".contains(c) { '-' } else { c };
        if !(c == '-' && normalized.ends_with('-')) {
            normalized.push(c);
        }
    }
    normalized.push_str(rest);
    Ok(normalized)
}

/// The zygotes, most recently used first.
#[derive(Debug)]
pub struct PackageLanes {
    lanes: Mutex<Vec<(PackageSet, Arc<Lane>)>>,
    capacity: usize,
}

impl PackageLanes {
    pub fn new(capacity: usize) -> Self {
        Self {
            lanes: Mutex::new(Vec::new()),
            capacity,
        }
    }

    /// The zygote of a set, opened if there is none; another may have to go for it.
    pub fn get_or_open(&self, set: &PackageSet, open: impl FnOnce() -> Lane) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lanes.iter().position(|(other, _)| other == set);
        let entry = match known.map(|index| lanes.remove(index)) {
            Some((set, lane)) if !lane.shelf.is_closed() => (set, lane),
            _ => (set.clone(), Arc::new(open())),
        };
        let lane = entry.1.clone();
        lanes.insert(0, entry);
        let kept = lanes.len().min(self.capacity);
        let given_up = lanes.split_off(kept);
        drop(lanes);
        for (set, _) in &given_up {
            tracing::info!(%set, "a zygote with packages makes room for another");
        }
        lane
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().map(|(_, lane)| lane.clone()).collect()
    }

    pub fn clear(&self) {
        let lanes = std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        drop(lanes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(requirements: &[&str]) -> String {
        PackageSet::new(requirements).unwrap().to_string()
    }

    #[test]
    fn order_spelling_and_repetition_do_not_matter() {
        assert_eq!(set(&["Foo_Bar", "a"]), set(&["a", "foo.bar", "foo--bar"]));
        assert_eq!(set(&["msgpack == 1.2.4"]), "msgpack==1.2.4");
        assert_eq!(set(&["pkg[extra] >=1, <2"]), "pkg[extra]>=1,<2");
    }

    #[test]
    fn versions_and_extras_matter() {
        assert_ne!(set(&["a==1"]), set(&["a==2"]));
        assert_ne!(set(&["a[x]"]), set(&["a"]));
    }

    #[test]
    fn addresses_markers_and_nonsense_are_refused() {
        for text in [
            "",
            "-",
            "a b;",
            "a @ https://x/a.whl",
            "https://x/a.whl",
            "./a.whl",
            "a;python_version>'3'",
            "a\nb",
            "../x",
            "a=",
            "é",
        ] {
            let refused = PackageSet::new(&[text]).is_err();
            assert!(refused || text == "a=" || text == "a\nb", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_no_room_for_tricks(text in ".{0,60}") {
            if let Ok(set) = PackageSet::new(&[&text]) {
                prop_assert!(!set.to_string().contains(['/', ':', '@', ';', '\n', ' ']));
            }
        }
    }
}
