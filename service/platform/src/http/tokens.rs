//! Access tokens for products outside, remembered until shortly before they end.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use chrono::TimeDelta;
use secrecy::zeroize::Zeroizing;

use super::Failure;
use crate::Timestamp;
use crate::crypto::sha256;

/// A token is fetched anew this long before its end.
const MARGIN: TimeDelta = TimeDelta::seconds(300);
/// One that lives at least this long, after half of its life: services that replace theirs early expect that.
const LONG: TimeDelta = TimeDelta::hours(2);
/// Tokens remembered at once.
const TOKENS_MAX: usize = 100;

type Tokens = HashMap<[u8; 32], (Zeroizing<String>, Timestamp)>;

/// The tokens of this process, by the digest of the credentials that got them.
static TOKENS: LazyLock<Mutex<Tokens>> = LazyLock::new(Mutex::default);

/// A token as the other side gave it.
#[derive(Debug)]
pub struct Token {
    /// What is sent.
    pub text: Zeroizing<String>,
    /// How long it lives from now.
    pub lifetime: TimeDelta,
}

/// The token that these credentials get: the remembered one, or what `fetch` gets.
///
/// # Errors
/// [`Failure`] of `fetch`.
pub async fn token(
    credentials: &[&str],
    now: Timestamp,
    fetch: impl AsyncFnOnce() -> Result<Token, Failure>,
) -> Result<Zeroizing<String>, Failure> {
    let key = digest(credentials);
    let remembered = TOKENS.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some((text, until)) = remembered
        && now < until
    {
        return Ok(text);
    }
    let token = fetch().await?;
    let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
    tokens.retain(|_, (_, until)| *until > now);
    if tokens.len() < TOKENS_MAX {
        tokens.insert(key, (token.text.clone(), now + used_for(token.lifetime)));
    }
    Ok(token.text)
}

/// Forgets what these credentials got: the other side refused it, or its rights have changed.
pub fn forget(credentials: &[&str]) {
    TOKENS.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(credentials));
}

fn digest(credentials: &[&str]) -> [u8; 32] {
    // Lengths between them, so that no two lists read alike.
    let joined: String = credentials.iter().map(|part| format!("{}:{part}", part.len())).collect();
    sha256(joined.as_bytes())
}

fn used_for(lifetime: TimeDelta) -> TimeDelta {
    if lifetime >= LONG {
        lifetime / 2
    } else if lifetime > MARGIN * 2 {
        lifetime - MARGIN
    } else {
        lifetime / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_before_it_ends() {
        let minutes = TimeDelta::minutes;
        assert_eq!(used_for(minutes(60)), minutes(55));
        assert_eq!(used_for(TimeDelta::hours(24)), TimeDelta::hours(12));
        assert_eq!(used_for(minutes(1)), TimeDelta::seconds(30));
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_until_it_is_forgotten() {
        let now = chrono::DateTime::UNIX_EPOCH;
        let fetched = std::cell::Cell::new(0);
        let get = async |now| {
            let fetch = async || {
                fetched.set(fetched.get() + 1);
                Ok(Token { text: Zeroizing::new("t".to_owned()), lifetime: TimeDelta::hours(1) })
            };
            token(&["a-test", "x"], now, fetch).await.map(|text| text.len())
        };
        get(now).await.unwrap();
        get(now + TimeDelta::minutes(54)).await.unwrap();
        assert_eq!(fetched.get(), 1);
        get(now + TimeDelta::minutes(56)).await.unwrap();
        assert_eq!(fetched.get(), 2);
        forget(&["a-test", "x"]);
        get(now + TimeDelta::minutes(57)).await.unwrap();
        assert_eq!(fetched.get(), 3);
    }
}
