//! OpenID Connect towards identity providers: discovery, the way there, the code's exchange, the ID token's claims.
//!
//! The protocol is openidconnect's; its requests go through the guarded client. What it leaves open is closed here: the
//! cache of keys and their rotation, RFC 9207, `azp`, Entra's and Google's own claims.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreGenderClaim, CoreIdToken, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, IssuerUrl, LoginHint, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, Scope, SubjectIdentifier,
    TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;
use web::Tools;

use super::addresses::callback;
use super::claims::{lacks, profile};
use super::connections::Connection;
use super::provider::{Metadata, http};
use super::relying_party::{
    check_at_hash, client, discover, no_token_endpoint, token_error, userinfo_error, verification_error,
};
use crate::refusal::{Reason, Refused};
use crate::settings::{OidcSettings, Profile};
use crate::skew::skew;

/// How long a provider's metadata and keys are used.
const PROVIDER_TTL: Duration = Duration::from_secs(600);
/// Unknown keys make them be fetched again at most this often.
const REFETCH_MIN: Duration = Duration::from_secs(60);
/// Providers remembered at once.
const PROVIDERS_MAX: u64 = 10_000;
/// Bytes of all remembered provider documents: who has a long one has fewer of them remembered.
const DOCUMENTS_BYTES_MAX: u64 = 32 << 20;

/// A provider as it described itself.
struct Known {
    /// When it was asked again because of an unknown key.
    asked_again: Option<Instant>,
    issuer: String,
    metadata: Metadata,
    bytes: u32,
}

/// What this process knows of identity providers.
pub struct Providers {
    known: Cache<Uuid, Arc<Known>>,
    fetching: Cache<Uuid, Arc<Mutex<()>>>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("known", &self.known.entry_count()).finish()
    }
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(DOCUMENTS_BYTES_MAX)
                .weigher(|_, known: &Arc<Known>| known.bytes)
                .time_to_live(PROVIDER_TTL)
                .build(),
            fetching: Cache::builder().max_capacity(PROVIDERS_MAX).time_to_live(PROVIDER_TTL).build(),
        }
    }
}

/// Bytes of a provider's document and its keys, about as it sent them.
fn weight(metadata: &Metadata) -> u32 {
    let length = |text: Result<String, serde_json::Error>| text.map_or(0, |text| text.len());
    let bytes = length(serde_json::to_string(metadata)) + length(serde_json::to_string(metadata.jwks()));
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Extra claims of any name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extra(Map<String, Value>);
impl openidconnect::AdditionalClaims for Extra {}

/// What a sign-in keeps secret until the answer comes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OidcSecrets {
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

/// What the sign-in asks the provider for, beside the usual.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Who will probably sign in.
    pub login_hint: Option<String>,
    /// Whether somebody must be asked, and what.
    pub prompt: Option<String>,
    /// Seconds since the person was asked last, at most.
    pub max_age: Option<i64>,
    /// SHA-256 of the token of an invitation, with which whoever was invited was sent here.
    pub invitation: Option<Vec<u8>>,
}

impl Providers {
    /// The provider of a connection, discovered or remembered. `anew`: a key wasn't among those that are remembered.
    async fn provider(
        &self,
        tools: &Tools,
        connection: Uuid,
        settings: &OidcSettings,
        anew: bool,
    ) -> Result<Arc<Known>, Refused> {
        let fresh = |known: &Arc<Known>| {
            let lately = known.asked_again.is_some_and(|at| at.elapsed() < REFETCH_MIN);
            known.issuer == settings.issuer && (!anew || lately)
        };
        if let Some(known) = self.known.get(&connection).filter(fresh) {
            return Ok(known);
        }
        let lock = self.fetching.get_with(connection, Arc::default);
        let _one_at_a_time = lock.lock().await;
        if let Some(known) = self.known.get(&connection).filter(fresh) {
            return Ok(known);
        }
        let metadata = discover(tools, &settings.issuer).await?;
        let asked_again = anew.then(Instant::now);
        let bytes = weight(&metadata);
        let known = Arc::new(Known { asked_again, issuer: settings.issuer.clone(), metadata, bytes });
        self.known.insert(connection, known.clone());
        Ok(known)
    }

    /// The URL to which the browser is sent, and what is to be remembered until it comes back.
    pub async fn begin(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
        state: &str,
        wishes: &Wishes,
    ) -> Result<(Url, OidcSecrets), Refused> {
        let known = self.provider(tools, connection.row.id, settings, false).await?;
        let client = client(&known.metadata, settings, None, &callback(tools, connection.row.id))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new(state.to_owned());
        let mut request =
            client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, Nonce::new_random);
        request = request.set_pkce_challenge(challenge);
        for scope in settings.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if let Some(hint) = &wishes.login_hint {
            request = request.set_login_hint(LoginHint::new(hint.clone()));
        }
        if let Some(domain) = &settings.hosted_domain {
            request = request.add_extra_param("hd", domain.clone());
        }
        if let Some(prompt) = &wishes.prompt {
            request = request.add_extra_param("prompt", prompt.clone());
        }
        if let Some(age) = wishes.max_age {
            request = request.add_extra_param("max_age", age.to_string());
        }
        let (url, _, nonce) = request.url();
        tools.http.check(&url).map_err(|_| Refused::new(Reason::UrlRefused).got(url.as_str()))?;
        let secrets = OidcSecrets { nonce: nonce.secret().clone(), verifier: verifier.secret().clone() };
        Ok((url, secrets))
    }

    /// Whether the answer's `iss` is the provider's (RFC 9207).
    pub async fn check_iss(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
        iss: Option<&str>,
    ) -> Result<(), Refused> {
        let known = self.provider(tools, connection.row.id, settings, false).await?;
        let promises = &known.metadata.additional_metadata().additional_metadata;
        match iss {
            Some(iss) if iss == settings.issuer => Ok(()),
            Some(iss) => Err(Refused::new(Reason::IssWrong).expected(settings.issuer.as_str()).got(iss)),
            None if promises.authorization_response_iss_parameter_supported => {
                Err(Refused::new(Reason::IssMissing).expected(settings.issuer.as_str()))
            }
            None => Ok(()),
        }
    }

    /// Changes the code into the person's claims.
    pub async fn finish(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
        secret: Option<&str>,
        code: String,
        secrets: OidcSecrets,
    ) -> Result<Profile, Refused> {
        let known = self.provider(tools, connection.row.id, settings, false).await?;
        let client = client(&known.metadata, settings, secret, &callback(tools, connection.row.id))?;
        let http = http(tools);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|_| no_token_endpoint())?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier));
        let answer = request.request_async(&http).await.map_err(|error| token_error(&error))?;
        let id_token = answer.id_token().ok_or_else(|| Refused::new(Reason::IdTokenMissing))?;
        if sessions::demands_extensions(&id_token.to_string()) {
            return Err(Refused::new(Reason::ExtensionUnknown));
        }
        let nonce = Nonce::new(secrets.nonce);
        let verified = match self.verify(tools, &known.metadata, settings, id_token, &nonce) {
            Err((refused, true)) => {
                let again = self.provider(tools, connection.row.id, settings, true).await?;
                if Arc::ptr_eq(&again, &known) {
                    return Err(refused);
                }
                self.verify(tools, &again.metadata, settings, id_token, &nonce)
                    .map_err(|(refused, _)| refused)?
            }
            other => other.map_err(|(refused, _)| refused)?,
        };
        if let Some(expected) = verified.access_token_hash {
            check_at_hash(&known.metadata, id_token, answer.access_token(), &expected)?;
        }
        let mut claims = verified.claims;
        if known.metadata.userinfo_endpoint().is_some() && lacks(&claims, settings) {
            let subject = SubjectIdentifier::new(verified.subject);
            let request = client
                .user_info(answer.access_token().clone(), Some(subject))
                .map_err(|_| Refused::new(Reason::UserinfoFailed))?;
            let info: UserInfoClaims<Extra, CoreGenderClaim> =
                request.request_async(&http).await.map_err(|error| userinfo_error(&error))?;
            if let Ok(Value::Object(more)) = serde_json::to_value(&info) {
                // The ID token is signed; what it says stays.
                for (name, value) in more {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        let mut profile = profile(settings, &claims)?;
        profile.logout = Some(id_token.to_string());
        Ok(profile)
    }

    /// The claims of an ID token that verifies; else the refusal, and whether other keys might help.
    fn verify(
        &self,
        tools: &Tools,
        metadata: &Metadata,
        settings: &OidcSettings,
        id_token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<Verified, (Refused, bool)> {
        let now = tools.clock.now();
        let skew = skew(tools);
        let issuer = IssuerUrl::new(settings.issuer.clone())
            .map_err(|_| (Refused::new(Reason::DiscoveryFailed), false))?;
        let keys: CoreJsonWebKeySet = metadata.jwks().clone();
        let client = ClientId::new(settings.client_id.clone());
        let latest = now + skew;
        let verifier = openidconnect::core::CoreIdTokenVerifier::new_public_client(client, issuer, keys)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now - skew)
            .set_issue_time_verifier_fn(move |issued: DateTime<Utc>| {
                if issued <= latest { Ok(()) } else { Err("it was issued in the future".to_owned()) }
            });
        let claims = id_token.claims(&verifier, nonce).map_err(|error| verification_error(&error))?;
        let payload = sessions::unverified::<Map<String, Value>>(&id_token.to_string())
            .ok_or_else(|| (Refused::new(Reason::ClaimsUnusable), false))?;
        if let Some(azp) = payload.get("azp")
            && azp.as_str() != Some(settings.client_id.as_str())
        {
            let refused = Refused::new(Reason::AudienceWrong).expected(settings.client_id.as_str());
            return Err((refused.got(azp.to_string()), false));
        }
        Ok(Verified {
            subject: claims.subject().to_string(),
            access_token_hash: claims.access_token_hash().cloned(),
            claims: payload,
        })
    }

    /// Whether the provider describes itself as it should, asked anew.
    pub(crate) async fn probe(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
    ) -> Result<(), Refused> {
        let metadata = discover(tools, &settings.issuer).await?;
        let endpoints = [
            Some(metadata.authorization_endpoint().url()),
            metadata.token_endpoint().map(|token| token.url()),
        ];
        for url in endpoints.into_iter().flatten() {
            tools.http.check(url).map_err(|_| Refused::new(Reason::UrlRefused).got(url.as_str()))?;
        }
        metadata.token_endpoint().ok_or_else(no_token_endpoint)?;
        let bytes = weight(&metadata);
        let known = Known { asked_again: None, issuer: settings.issuer.clone(), metadata, bytes };
        self.known.insert(connection.row.id, Arc::new(known));
        Ok(())
    }

    /// Where the provider ends its own session, if it says.
    pub async fn end_session(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
    ) -> Option<Url> {
        let known = self.provider(tools, connection.row.id, settings, false).await.ok()?;
        let endpoint = known.metadata.additional_metadata().end_session_endpoint.as_ref()?.url().clone();
        tools.http.check(&endpoint).ok().map(|()| endpoint)
    }

    /// The provider's keys as other readers take them: for logout tokens, and for ID tokens that are exchanged.
    pub async fn key(
        &self,
        tools: &Tools,
        connection: &Connection,
        settings: &OidcSettings,
        kid: Option<&str>,
    ) -> Result<Option<jsonwebtoken::jwk::Jwk>, Refused> {
        let find = |known: &Known| -> Option<jsonwebtoken::jwk::Jwk> {
            let keys: Vec<Value> = match serde_json::to_value(known.metadata.jwks()) {
                Ok(Value::Object(mut set)) => match set.remove("keys") {
                    Some(Value::Array(keys)) => keys,
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            super::jwk::choose_value(keys, kid)
        };
        let known = self.provider(tools, connection.row.id, settings, false).await?;
        if let Some(found) = find(&known) {
            return Ok(Some(found));
        }
        let again = self.provider(tools, connection.row.id, settings, true).await?;
        Ok(find(&again))
    }
}

struct Verified {
    subject: String,
    access_token_hash: Option<AccessTokenHash>,
    claims: Map<String, Value>,
}

/// Asymmetric, and none of SHA-1.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_all_providers_is_bounded() {
        let document = serde_json::json!({
            "issuer": "https://idp.example", "authorization_endpoint": "https://idp.example/authorize",
            "jwks_uri": "https://idp.example/jwks", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["x".repeat(1 << 20)],
        });
        let metadata: Metadata = serde_json::from_value(document).unwrap();
        let bytes = weight(&metadata);
        assert!(bytes > 1 << 20);
        let providers = Providers::default();
        for _ in 0..40 {
            let (issuer, metadata) = ("https://idp.example".to_owned(), metadata.clone());
            let known = Known { asked_again: None, issuer, metadata, bytes };
            providers.known.insert(platform::ids::new(), Arc::new(known));
        }
        providers.known.run_pending_tasks();
        assert!((1..=32 << 20).contains(&providers.known.weighted_size()));
        // Certificates: as many bytes of them, whoever's they are.
        assert_eq!((super::super::saml::CERTIFICATES_BYTES_MAX, DOCUMENTS_BYTES_MAX), (16 << 20, 32 << 20));
    }
}
