//! openidconnect, as it is used here: what its types and errors mean.

use openidconnect::core::{CoreClient, CoreClientAuthMethod, CoreIdToken};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthType, ClaimsVerificationError, ClientId, ClientSecret, IssuerUrl,
    RedirectUrl, SignatureVerificationError,
};
use platform::http::HttpError;
use web::Tools;

use super::provider::{Metadata, http};
use crate::refusal::{Reason, Refused};
use crate::settings::OidcSettings;

pub(super) async fn discover(tools: &Tools, issuer: &str) -> Result<Metadata, Refused> {
    let failed = |got: String| Refused::new(Reason::DiscoveryFailed).expected(issuer).got(got);
    let url = IssuerUrl::new(issuer.to_owned()).map_err(|error| failed(error.to_string()))?;
    let http = http(tools);
    Metadata::discover_async(url, &http).await.map_err(|error| match error {
        openidconnect::DiscoveryError::Request(HttpError::Refused(why)) => {
            Refused::new(Reason::UrlRefused).got(why.to_string())
        }
        openidconnect::DiscoveryError::Request(error) => failed(error.to_string()),
        openidconnect::DiscoveryError::Response(status, ..) => failed(format!("it answered {status}")),
        openidconnect::DiscoveryError::Validation(why) => failed(why),
        _ => failed("the document can't be read".to_owned()),
    })
}

type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

pub(super) fn client(
    metadata: &Metadata,
    settings: &OidcSettings,
    secret: Option<&str>,
    callback: &str,
) -> Result<Client, Refused> {
    let redirect =
        RedirectUrl::new(callback.to_owned()).map_err(|_| Refused::new(Reason::Internal).got(callback))?;
    let methods = metadata.token_endpoint_auth_methods_supported();
    let basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
    Ok(CoreClient::from_provider_metadata(
        metadata.clone(),
        ClientId::new(settings.client_id.clone()),
        secret.map(|secret| ClientSecret::new(secret.to_owned())),
    )
    .set_redirect_uri(redirect)
    .set_auth_type(if basic { AuthType::BasicAuth } else { AuthType::RequestBody }))
}

pub(super) fn no_token_endpoint() -> Refused {
    Refused::new(Reason::DiscoveryFailed).expected("token_endpoint")
}

pub(super) fn token_error<E: std::error::Error + 'static, T: openidconnect::ErrorResponse + 'static>(
    error: &openidconnect::RequestTokenError<E, T>,
) -> Refused {
    let refused = Refused::new(Reason::TokenRequestFailed);
    match error {
        openidconnect::RequestTokenError::ServerResponse(answer) => {
            refused.got(serde_json::to_string(answer).unwrap_or_default())
        }
        // What the provider doesn't answer is no failure of the person's.
        openidconnect::RequestTokenError::Request(error) => {
            Refused::new(Reason::ProviderUnreachable).got(error.to_string())
        }
        _ => refused.got("the answer can't be read"),
    }
}

pub(super) fn userinfo_error<E: std::error::Error + 'static>(
    error: &openidconnect::UserInfoError<E>,
) -> Refused {
    let reason = match error {
        openidconnect::UserInfoError::Request(_) => Reason::ProviderUnreachable,
        _ => Reason::UserinfoFailed,
    };
    Refused::new(reason).got(error.to_string())
}

pub(super) fn verification_error(error: &ClaimsVerificationError) -> (Refused, bool) {
    use ClaimsVerificationError as E;
    let (reason, other_keys) = match error {
        E::Expired(_) => (Reason::Expired, false),
        E::InvalidAudience(_) => (Reason::AudienceWrong, false),
        E::InvalidIssuer(_) => (Reason::IssuerWrong, false),
        E::InvalidNonce(_) => (Reason::NonceWrong, false),
        E::SignatureVerification(
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::UnsupportedAlg(_)
            | SignatureVerificationError::NoSignature,
        ) => (Reason::AlgorithmRefused, false),
        E::SignatureVerification(_) => (Reason::SignatureWrong, true),
        _ => (Reason::ClaimsUnusable, false),
    };
    (Refused::new(reason).got(error.to_string()), other_keys)
}

pub(super) fn check_at_hash(
    metadata: &Metadata,
    id_token: &CoreIdToken,
    token: &AccessToken,
    expected: &AccessTokenHash,
) -> Result<(), Refused> {
    let wrong = || Refused::new(Reason::ClaimsUnusable).got("at_hash");
    let algorithm = id_token.signing_alg().map_err(|_| wrong())?;
    let verifier = openidconnect::core::CoreIdTokenVerifier::new_public_client(
        ClientId::new(String::new()),
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    );
    let key = id_token.signing_key(&verifier).map_err(|_| wrong())?;
    let made = AccessTokenHash::from_token(token, algorithm, key).map_err(|_| wrong())?;
    if made == *expected { Ok(()) } else { Err(wrong()) }
}
