//! The tokens that callers may send: FAAS_API_TOKEN, and those of FAAS_API_TOKENS_FILE, which is read again on
//! demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use faas_protocol::Owner;
use faas_protocol::Weight;

use crate::api_token::ApiToken;
use crate::api_token::TokenDigest;
use crate::settings::NamedTokens;
use crate::settings::Settings;

/// All tokens that are good now.
#[derive(Debug)]
pub struct Tokens {
    plain: Option<ApiToken>,
    named: Option<Named>,
}

#[derive(Debug)]
struct Named {
    path: PathBuf,
    tokens: RwLock<Arc<NamedTokens>>,
}

impl Tokens {
    pub fn new(settings: &Settings) -> Self {
        let named = settings.api_tokens_file.clone().map(|path| Named {
            path,
            tokens: RwLock::new(Arc::new(settings.named_tokens.clone())),
        });
        Self {
            plain: settings.api_token.clone(),
            named,
        }
    }

    /// Whose token was sent, and with which weight; `None` if it is nobody's.
    pub fn owner_of(&self, sent: &[u8]) -> Option<(Owner, Weight)> {
        let digest = TokenDigest::of(sent);
        if self.plain.as_ref().is_some_and(|token| token.is(&digest)) {
            return Some((Owner::Token, Weight::default()));
        }
        let tokens = self.named.as_ref()?.tokens();
        let token = tokens.find(&digest)?;
        Some((Owner::Named(token.name.clone()), token.weight))
    }

    /// Whether a token of this owner is good.
    pub fn know(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Everybody => true,
            Owner::Token => self.plain.is_some(),
            Owner::Named(name) => {
                let named = self.named.as_ref();
                named.is_some_and(|named| named.tokens().have(name))
            }
        }
    }

    /// Reads the file of named tokens again, if there is one. If it is not valid, the tokens stay what they were:
    /// a slip in the file locks nobody out. Waits for the disk.
    pub fn reload(&self) {
        let Some(named) = &self.named else {
            return;
        };
        match Settings::read_named_tokens(&named.path, self.plain.as_ref()) {
            Ok(tokens) => {
                let count = tokens.count();
                *named.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
                tracing::info!(count, "read the named tokens again");
            }
            Err(reason) => {
                tracing::error!(%reason, "the named tokens stay what they were");
            }
        }
    }
}

impl Named {
    fn tokens(&self) -> Arc<NamedTokens> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.clone()
    }
}
