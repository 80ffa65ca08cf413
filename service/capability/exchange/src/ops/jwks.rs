//! Issuers' keys: discovered, fetched through the guarded client, cached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use connections::jwk::{KEYS_MAX, choose};
use entity::exchange::issuer;
use jsonwebtoken::jwk::Jwk;
use moka::sync::Cache;
use platform::http::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;
use web::Tools;

use crate::error::Error;

/// How long a key set is used.
const KEY_SET_TTL: Duration = Duration::from_secs(600);
/// An unknown `kid` makes the set be fetched again at most this often.
const REFETCH_MIN: Duration = Duration::from_secs(60);
/// After a failure the issuer is left alone for this long.
const RESPITE: Duration = Duration::from_secs(5);
/// Issuers remembered at once.
const ISSUERS_MAX: u64 = 10_000;
/// Bytes of all remembered keys, as their issuers wrote them: who makes long ones has fewer of them remembered.
const SETS_BYTES_MAX: u64 = 32 << 20;

struct Fetched {
    at: Instant,
    bytes: u32,
    keys: Vec<Jwk>,
}

/// The key sets of this process.
pub struct JwksCache {
    sets: Cache<Uuid, Arc<Fetched>>,
    fetching: Cache<Uuid, Arc<Mutex<()>>>,
    failed: Cache<Uuid, ()>,
}

impl std::fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwksCache").field("issuers", &self.sets.entry_count()).finish()
    }
}

impl Default for JwksCache {
    fn default() -> Self {
        Self {
            sets: Cache::builder()
                .max_capacity(SETS_BYTES_MAX)
                .weigher(|_, set: &Arc<Fetched>| set.bytes)
                .time_to_live(KEY_SET_TTL)
                .build(),
            fetching: Cache::builder().max_capacity(ISSUERS_MAX).time_to_live(KEY_SET_TTL).build(),
            failed: Cache::builder().max_capacity(ISSUERS_MAX).time_to_live(RESPITE).build(),
        }
    }
}

/// What of a discovery document matters.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl JwksCache {
    /// The issuer's key of this id; without an id, its only key. `None`: it has none such.
    pub(crate) async fn key(
        &self,
        tools: &Tools,
        issuer: &issuer::Model,
        kid: Option<&str>,
    ) -> Result<Option<Jwk>, Error> {
        if let Some(set) = self.sets.get(&issuer.id) {
            let found = choose(&set.keys, kid);
            if found.is_some() || set.at.elapsed() < REFETCH_MIN {
                return Ok(found);
            }
        }
        let lock = self.fetching.get_with(issuer.id, Arc::default);
        let _one_at_a_time = lock.lock().await;
        if let Some(set) = self.sets.get(&issuer.id)
            && (choose(&set.keys, kid).is_some() || set.at.elapsed() < REFETCH_MIN)
        {
            return Ok(choose(&set.keys, kid));
        }
        if self.failed.contains_key(&issuer.id) {
            return Err(unreachable("it could not be reached a moment ago"));
        }
        match fetch(tools, issuer).await {
            Ok((keys, bytes)) => {
                let found = choose(&keys, kid);
                self.sets.insert(issuer.id, Arc::new(Fetched { at: Instant::now(), bytes, keys }));
                Ok(found)
            }
            Err(error) => {
                self.failed.insert(issuer.id, ());
                Err(error)
            }
        }
    }

    /// Forgets an issuer that was changed.
    pub(crate) fn forget(&self, issuer: Uuid) {
        self.sets.invalidate(&issuer);
        self.failed.invalidate(&issuer);
    }
}

fn unreachable(cause: impl ToString) -> Error {
    Error::IssuerUnreachable { cause: cause.to_string() }
}

/// The keys, and how many bytes they were.
async fn fetch(tools: &Tools, issuer: &issuer::Model) -> Result<(Vec<Jwk>, u32), Error> {
    let client = client_for(tools, &issuer.issuer);
    let uri = match &issuer.jwks_uri {
        Some(uri) => Url::parse(uri).map_err(unreachable)?,
        None => {
            let place = format!("{}/.well-known/openid-configuration", issuer.issuer.trim_end_matches('/'));
            let place = Url::parse(&place).map_err(unreachable)?;
            let found: Discovery = client.get_json(&place).await.map_err(unreachable)?;
            // OpenID Connect Discovery, section 4.3: exactly the same.
            if found.issuer != issuer.issuer {
                return Err(unreachable("its discovery document names another issuer"));
            }
            found.jwks_uri
        }
    };
    let set: KeySet = client_for(tools, uri.as_str()).get_json(&uri).await.map_err(unreachable)?;
    let mut keys = set.keys;
    keys.truncate(KEYS_MAX);
    let bytes = keys.iter().map(|key| key.to_string().len()).sum::<usize>();
    // A key that we can't read spoils itself, not the set.
    let keys = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
    Ok((keys, u32::try_from(bytes).unwrap_or(u32::MAX)))
}

/// A backend that the configuration names may be on our own network; an issuer that somebody registered may not.
fn client_for<'a>(tools: &'a Tools, url: &str) -> &'a Client {
    let identity = tools.config.section::<backends::Settings>();
    let is_under = |base: &String| {
        !base.is_empty() && url.starts_with(&format!("{}/", base.trim_end_matches('/'))) || url == base
    };
    let ours = [&identity.keycloak.url, &identity.zitadel.url].into_iter().any(is_under);
    if ours { &tools.configured_http } else { &tools.http }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_all_issuers_is_bounded() {
        let cache = JwksCache::default();
        let mib = 1 << 20;
        for _ in 0..100 {
            let set = Fetched { at: Instant::now(), bytes: mib, keys: Vec::new() };
            cache.sets.insert(platform::ids::new(), Arc::new(set));
        }
        cache.sets.run_pending_tasks();
        assert_eq!(cache.sets.weighted_size(), SETS_BYTES_MAX);
        assert_eq!(SETS_BYTES_MAX, 32 << 20);
    }
}
