//! Our addresses at an OpenID Provider: those of one connection, under which no other provider answers.

use uuid::Uuid;
use web::Tools;

/// Where the provider's answer comes: its own per connection, so that no provider can answer for another.
pub(crate) fn callback(tools: &Tools, connection: Uuid) -> String {
    format!("{}/sso/oidc/{connection}/callback", tools.config.public_url())
}

/// Where a provider sends browsers back to, when it has signed them out.
#[must_use]
pub fn post_logout_redirect_uri(tools: &Tools, connection: Uuid) -> String {
    format!("{}/sso/oidc/{connection}/signed-out", tools.config.public_url())
}
