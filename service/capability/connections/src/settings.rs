//! What an admin says about a connection, and what its provider says about itself. Pure.

mod section;

use chrono::{DateTime, TimeDelta, Utc};
use saml_core::{Certificate, IdentityProvider};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use section::Settings;

/// The names of the claims or attributes to read. Where one is absent, the usual names apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AttributeMapping {
    /// The claim or attribute that identifies a person permanently; absent: `sub`, or the `NameID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// The claim or attribute with the e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The claim or attribute with the display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    /// The claim or attribute with the names of the person's groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<String>,
}

impl AttributeMapping {
    pub(crate) fn names(&self) -> [(&'static str, Option<&String>); 4] {
        [
            ("subject", self.subject.as_ref()),
            ("email", self.email.as_ref()),
            ("displayName", self.display_name.as_ref()),
            ("groups", self.groups.as_ref()),
        ]
    }
}

/// An OIDC connection (OpenID Connect Core).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OidcSettings {
    /// The issuer, to the letter.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) attribute_mapping: AttributeMapping,
    /// Google's `hd`: only people of this Workspace domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hosted_domain: Option<String>,
    /// Whether signing out here signs out there.
    #[serde(default)]
    pub sign_out_upstream: bool,
}

/// The SAML binding by which a sign-in request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// HTTP-Redirect.
    #[default]
    Redirect,
    /// HTTP-POST.
    Post,
}

/// A SAML connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SamlSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata_url: Option<String>,
    /// The attributes to read.
    pub attribute_mapping: AttributeMapping,
    pub(crate) request_binding: Binding,
    /// Whether the provider may begin a sign-in.
    pub allow_idp_initiated: bool,
    pub(crate) force_authn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authn_context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_id_format: Option<String>,
    /// Whether signing out here signs out there.
    pub sign_out_upstream: bool,
}

/// A SAML identity provider, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SamlProvider {
    pub(crate) entity_id: String,
    pub(crate) sso_redirect: Option<String>,
    pub(crate) sso_post: Option<String>,
    pub(crate) slo_redirect: Option<String>,
    pub(crate) slo_post: Option<String>,
    /// Base64 of DER, the one that was seen first in front.
    pub(crate) certificates: Vec<String>,
    pub(crate) valid_until: Option<DateTime<Utc>>,
}

impl From<IdentityProvider> for SamlProvider {
    fn from(provider: IdentityProvider) -> Self {
        Self {
            entity_id: provider.entity_id,
            sso_redirect: provider.sso.redirect,
            sso_post: provider.sso.post,
            slo_redirect: provider.slo.redirect,
            slo_post: provider.slo.post,
            certificates: provider.certificates.iter().map(Certificate::base64).collect(),
            valid_until: provider.valid_until,
        }
    }
}

impl SamlProvider {
    /// The certificates that can verify.
    pub(crate) fn usable(&self) -> Vec<Certificate> {
        self.certificates.iter().filter_map(|text| Certificate::parse(text).ok()).collect()
    }

    /// Where a request goes by this binding; by the other, if the provider has only that.
    pub(crate) fn sso(&self, wanted: Binding) -> Option<(Binding, &str)> {
        let redirect = self.sso_redirect.as_deref().map(|url| (Binding::Redirect, url));
        let post = self.sso_post.as_deref().map(|url| (Binding::Post, url));
        match wanted {
            Binding::Redirect => redirect.or(post),
            Binding::Post => post.or(redirect),
        }
    }
}

/// Which claims an identity provider's people have, after mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The person, at the provider.
    pub subject: String,
    /// Their address, if one came.
    pub email: Option<String>,
    /// `None`: the provider doesn't say.
    pub email_verified: Option<bool>,
    /// Their name, if one came.
    pub name: Option<String>,
    /// `None`: the provider doesn't say.
    pub groups: Option<Vec<String>>,
    /// The session at the provider.
    pub upstream_sid: Option<String>,
    /// When that session ends.
    pub session_ends: Option<DateTime<Utc>>,
    /// What a logout there needs: the ID token, or the `NameID` and its format.
    pub logout: Option<String>,
}

/// Days before an end at which it is told.
pub(crate) const WARNINGS: [i64; 4] = [1, 7, 14, 30];

/// The smallest warning that is due.
pub(crate) fn due(left: TimeDelta) -> Option<i64> {
    WARNINGS.into_iter().find(|days| left <= TimeDelta::days(*days))
}

/// Groups that are looked at, of all that a provider says.
pub(crate) const GROUPS_MAX: usize = 1000;
/// Domains in which anybody may have an address: nobody's own.
const PUBLIC_MAIL: [&str; 24] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "msn.com",
    "yahoo.com",
    "ymail.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "aol.com",
    "proton.me",
    "protonmail.com",
    "gmx.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "mail.com",
    "mail.ru",
    "yandex.ru",
    "yandex.com",
    "qq.com",
    "163.com",
];

/// A domain in the one form in which it is kept: lower case, A-labels. `None` for what isn't one, for a name without a dot, and
/// for domains in which anybody may have an address.
pub fn domain(text: &str) -> Option<String> {
    let name = identity_core::domain(text.trim().trim_end_matches('.'))?;
    let fits = name.contains('.') && !PUBLIC_MAIL.contains(&name.as_str());
    fits.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_form() {
        for (text, kept) in [
            ("Acme.Example", "acme.example"),
            ("acme.example.", "acme.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("  a.b.co ", "a.b.co"),
        ] {
            assert_eq!(domain(text).as_deref(), Some(kept));
        }
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a_b.example",
            "gmail.com",
            "a.b/c",
            "a.b:1",
            "u@a.b",
            "a..b",
            "-a.b",
        ] {
            assert_eq!(domain(text), None, "{text}");
        }
    }

    #[test]
    fn the_nearest_warning_is_due() {
        assert_eq!(due(TimeDelta::days(31)), None);
        assert_eq!(due(TimeDelta::days(13)), Some(14));
        assert_eq!(due(TimeDelta::zero()), Some(1));
    }
}
