//! A provider as openidconnect sees it: what its document holds, and how it is asked.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, HttpRequest, LogoutProviderMetadata, ProviderMetadata};
use platform::http::{HttpError, retry_after};
use serde::{Deserialize, Serialize};
use web::Tools;

/// What of RFC 9207 a provider promises.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Promises {
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}
impl AdditionalProviderMetadata for Promises {}

pub(super) type Metadata = ProviderMetadata<
    LogoutProviderMetadata<Promises>,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

pub(super) fn http(tools: &Tools) -> impl Fn(HttpRequest) -> HttpFuture + use<> {
    let client = tools.http.clone();
    move |request| {
        let client = client.clone();
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let answer = client.exchange(request).await?;
            // A provider that fails says nothing of the person: it is as if it didn't answer.
            if answer.status().is_server_error() {
                let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
                return Err(HttpError::Status { host, status, retry_after });
            }
            Ok(answer)
        })
    }
}

type HttpFuture = std::pin::Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, HttpError>>>>;
