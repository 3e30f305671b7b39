//! Ids that nobody guesses: a prefix, the replica that made it, if that has a name, and 128 random bits in hexadecimal
//! digits.

use std::sync::Arc;

const DIGITS: usize = 32;

/// The name of this server among several. The ids of what it keeps tell it, so that a balancer can send who uses them
/// to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica(Arc<str>);

impl Replica {
    pub const MAX_BYTES: usize = 63;

    /// `None` if no host could have that name (RFC 1123): small letters, digits and, between them, dashes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_sane = (1..=Self::MAX_BYTES).contains(&text.len())
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        is_sane.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new id.
///
/// # Errors
/// When the system has no random numbers.
pub fn random(prefix: &str, replica: Option<&Replica>) -> std::io::Result<Arc<str>> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
    let number = u128::from_le_bytes(bits);
    Ok(match replica {
        Some(Replica(replica)) => format!("{prefix}{replica}-{number:0DIGITS$x}").into(),
        None => format!("{prefix}{number:0DIGITS$x}").into(),
    })
}

/// The id that a text is, with this prefix; `None` for any other text.
pub fn parse(prefix: &str, text: &str) -> Option<Arc<str>> {
    let rest = text.strip_prefix(prefix)?;
    let (replica, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_sane = replica.is_empty() || replica.strip_suffix('-').is_some_and(is_replica);
    (is_sane && digits.bytes().all(is_hexadecimal)).then(|| text.into())
}

/// The replica that made an id, if it had a name.
pub fn replica_of(prefix: &str, id: &str) -> Option<Replica> {
    let (replica, _) = id.strip_prefix(prefix)?.rsplit_once('-')?;
    Replica::parse(replica)
}

fn is_replica(text: &str) -> bool {
    Replica::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_the_replica_that_made_it() {
        for name in ["a", "faas-server-7f9", "0"] {
            let replica = Replica::parse(name);
            let id = random("sess-", replica.as_ref()).unwrap();
            assert_eq!(parse("sess-", &id), Some(id.clone()));
            assert_eq!(replica_of("sess-", &id), replica);
        }
        let id = random("sess-", None).unwrap();
        assert_eq!(replica_of("sess-", &id), None);
    }

    #[test]
    fn a_replica_has_a_name_that_a_host_could_have() {
        let long = "x".repeat(Replica::MAX_BYTES + 1);
        for wrong in ["", "-a", "a-", "A", "a.b", "a_b", "é", "a b", &long] {
            assert_eq!(Replica::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        let digits = "0".repeat(DIGITS);
        let made_up = [
            "sess-".to_owned(),
            format!("snap-{digits}"),
            format!("sess--{digits}"),
            format!("sess-a--{digits}"),
            format!("sess-A-{digits}"),
            format!("sess-é-{digits}"),
            format!("sess-{digits}0"),
            format!("sess-a-{}G", &digits[1..]),
        ];
        for wrong in made_up {
            assert_eq!(parse("sess-", &wrong), None, "{wrong}");
        }
    }
}
