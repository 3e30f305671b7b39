//! `FAAS_LANGFUSE_KEYS`: the key pair that AWS clients sign requests with.

use std::fmt;

/// The names of a key and the secret that goes with it.
#[derive(Clone)]
pub struct KeyPair {
    /// Sent with each request.
    pub id: String,
    /// Never sent.
    pub secret: String,
}

/// Shorter secrets can be guessed from one signed request. In characters.
const SHORTEST_SECRET: usize = 16;

impl KeyPair {
    /// Parses the setting.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_visible = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic());
        let (id, secret) = text.trim_end_matches(['\r', '\n']).split_once(':').unzip();
        match (id, secret) {
            (Some(id), Some(secret))
                if !id.is_empty()
                    && !id.contains(['/', ',', '='])
                    && secret.len() >= SHORTEST_SECRET
                    && is_visible(id)
                    && is_visible(secret) =>
            {
                Ok(Self {
                    id: id.to_owned(),
                    secret: secret.to_owned(),
                })
            }
            _ => Err(format!(
                "must be ACCESS_KEY_ID:SECRET_ACCESS_KEY, visible ASCII characters without spaces, with a secret \
                 of at least {SHORTEST_SECRET}; unset it to look at no signature"
            )),
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyPair(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_has_a_name_and_a_long_secret_and_is_not_printed() {
        let pair = KeyPair::parse("AKIA:0123456789/+=abcd:e\n").unwrap();
        assert_eq!((&*pair.id, &*pair.secret), ("AKIA", "0123456789/+=abcd:e"));
        assert_eq!(format!("{pair:?}"), "KeyPair(…)");
        for wrong in [
            "",
            ":",
            "AKIA",
            "AKIA:short",
            ":0123456789abcdef",
            "A/B:0123456789abcdef",
            "A B:0123456789abcdef",
        ] {
            assert!(KeyPair::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
