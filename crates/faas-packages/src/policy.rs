//! Which projects may be used at all.

use std::collections::HashSet;

use super::error::OpenError;
use super::error::PackageError;
use super::names::ProjectName;

/// Allowed and denied projects. A denied one stays denied even if it is also allowed.
#[derive(Debug)]
pub struct Policy {
    allow: Option<HashSet<ProjectName>>,
    deny: HashSet<ProjectName>,
}

impl Policy {
    pub fn new(allow: Option<&[String]>, deny: &[String]) -> Result<Self, OpenError> {
        Ok(Self {
            allow: allow
                .map(|names| parse_all("FAAS_PACKAGE_ALLOW", names))
                .transpose()?,
            deny: parse_all("FAAS_PACKAGE_DENY", deny)?,
        })
    }

    pub fn allows(&self, name: &ProjectName) -> bool {
        !self.deny.contains(name) && self.allow.as_ref().is_none_or(|allow| allow.contains(name))
    }

    pub fn check(&self, name: &ProjectName) -> Result<(), PackageError> {
        if self.allows(name) {
            Ok(())
        } else {
            Err(PackageError::NotAllowed(name.to_string()))
        }
    }
}

fn parse_all(setting: &'static str, names: &[String]) -> Result<HashSet<ProjectName>, OpenError> {
    let parse = |name: &String| {
        ProjectName::parse(name).map_err(|error| OpenError::Setting {
            setting,
            problem: format!("has an invalid entry: {error}"),
        })
    };
    names.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn package_names_match_however_they_are_written() {
        let policy = Policy::new(Some(&names(&["Ruamel.YAML", "six"])), &names(&["SIX"])).unwrap();
        let allows = |name| policy.allows(&ProjectName::parse(name).unwrap());
        assert!(allows("ruamel_yaml"));
        assert!(!allows("six"), "deny wins");
        assert!(!allows("numpy"), "not listed");
    }

    #[test]
    fn every_package_is_allowed_by_default() {
        let policy = Policy::new(None, &[]).unwrap();
        assert!(policy.allows(&ProjectName::parse("numpy").unwrap()));
    }

    #[test]
    fn invalid_policy_entries_are_reported() {
        let error = Policy::new(None, &names(&["a b"])).unwrap_err();
        assert!(error.to_string().starts_with("FAAS_PACKAGE_DENY"));
    }
}
