//! A connection as an admin describes it: read, checked, made into settings.

use chrono::{DateTime, Utc};
use entity::connections::states::ConnectionType;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;
use web::{FieldErrors, Input, Problem, Tools};

use crate::ops::connections::{self as ops, Kind};
use crate::settings::{AttributeMapping, Binding, OidcSettings, SamlProvider, SamlSettings};

/// A connection to create or update. `type` decides which of the other members apply.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ConnectionInput {
    /// `oidc` or `saml`.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub(super) kind: Option<String>,
    #[schema(max_length = 200)]
    pub(super) name: Option<String>,
    pub(super) enabled: Option<bool>,
    /// OIDC: the issuer, exactly as in the provider's metadata.
    pub(super) issuer: Option<String>,
    /// OIDC: the client id at the provider.
    pub(super) client_id: Option<String>,
    /// OIDC: the client secret; it is stored encrypted and never returned.
    pub(super) client_secret: Option<String>,
    /// When the client secret expires at the provider; admins are warned 30, 14, 7 and 1 days before.
    pub(super) client_secret_expires_at: Option<DateTime<Utc>>,
    /// OIDC: the scopes to request; absent: `openid`, `email` and `profile`.
    pub(super) scopes: Option<Vec<String>>,
    /// OIDC with Google: the Google Workspace domain to which people must belong.
    pub(super) hosted_domain: Option<String>,
    /// SAML: the URL of the provider's metadata; fetched daily, and when a response is signed with an unknown key.
    pub(super) metadata_url: Option<String>,
    /// SAML: the provider's metadata as XML, instead of `metadataUrl`.
    pub(super) metadata_xml: Option<String>,
    /// SAML: the provider's entity ID.
    pub(super) entity_id: Option<String>,
    /// SAML: the URL of the provider's single sign-on service.
    pub(super) sso_url: Option<String>,
    /// SAML: the URL of the provider's single logout service.
    pub(super) slo_url: Option<String>,
    /// SAML: the provider's signing certificates in PEM; several while the provider changes its certificate.
    pub(super) certificates: Option<Vec<String>>,
    #[schema(value_type = Option<String>)]
    pub(super) request_binding: Option<Binding>,
    /// SAML: whether the provider may start a sign-in (unsolicited responses).
    pub(super) allow_idp_initiated: Option<bool>,
    /// SAML: whether the provider must authenticate the person anew (`ForceAuthn`).
    pub(super) force_authn: Option<bool>,
    /// SAML: the authentication context class to request, as a URI.
    pub(super) authn_context: Option<String>,
    /// SAML: the NameID format to request, as a URI.
    pub(super) name_id_format: Option<String>,
    pub(super) attribute_mapping: Option<AttributeMapping>,
    /// Whether signing out here also signs the person out at the provider.
    pub(super) sign_out_upstream: Option<bool>,
}

impl Input for ConnectionInput {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.name {
            errors.text("/name", name, 200);
        }
        for (pointer, text, max) in [
            ("/issuer", &self.issuer, 1024),
            ("/clientId", &self.client_id, 255),
            ("/clientSecret", &self.client_secret, 1024),
            ("/hostedDomain", &self.hosted_domain, 253),
            ("/metadataUrl", &self.metadata_url, 2048),
            ("/entityId", &self.entity_id, 1024),
            ("/ssoUrl", &self.sso_url, 2048),
            ("/sloUrl", &self.slo_url, 2048),
            ("/authnContext", &self.authn_context, 255),
            ("/nameIdFormat", &self.name_id_format, 255),
        ] {
            if let Some(text) = text {
                errors.text(pointer, text, max);
            }
        }
        if let Some(mapping) = &self.attribute_mapping {
            for (name, value) in mapping.names() {
                if let Some(value) = value {
                    errors.text(&format!("/attributeMapping/{name}"), value, 255);
                }
            }
        }
        let scopes = self.scopes.as_deref().unwrap_or_default();
        errors.require(scopes.len() <= 20, "/scopes", "at most 20");
        for (at, scope) in scopes.iter().enumerate() {
            // RFC 6749, section 3.3.
            let fits = !scope.is_empty()
                && scope.len() <= 100
                && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
            errors.require(fits, &format!("/scopes/{at}"), "must be a scope");
        }
        let certificates = self.certificates.as_deref().unwrap_or_default();
        let fits = certificates.len() <= saml_core::CERTIFICATES_MAX;
        errors.require(fits, "/certificates", "at most 10");
    }
}

pub(super) fn oidc(
    tools: &Tools,
    input: &ConnectionInput,
    before: Option<OidcSettings>,
) -> Result<OidcSettings, Problem> {
    let required = |pointer: &str| Problem::invalid(pointer, "is required");
    let issuer = input.issuer.clone().or_else(|| before.as_ref().map(|before| before.issuer.clone()));
    let issuer = issuer.ok_or_else(|| required("/issuer"))?;
    tools.http.check_at("/issuer", &issuer)?;
    if Url::parse(&issuer).is_ok_and(|url| url.query().is_some() || url.fragment().is_some()) {
        return Err(Problem::invalid("/issuer", "must have neither query nor fragment"));
    }
    let shared = ["/common/", "/organizations/", "/consumers/"].iter().any(|path| issuer.contains(path));
    if issuer.contains("login.microsoftonline.") && shared {
        return Err(Problem::invalid("/issuer", "must be that of your own Entra tenant, not a shared one"));
    }
    let client_id =
        input.client_id.clone().or_else(|| before.as_ref().map(|before| before.client_id.clone()));
    let usual = || ["openid", "email", "profile"].map(ToOwned::to_owned).to_vec();
    Ok(OidcSettings {
        issuer,
        client_id: client_id.ok_or_else(|| required("/clientId"))?,
        scopes: input
            .scopes
            .clone()
            .or_else(|| before.as_ref().map(|before| before.scopes.clone()))
            .unwrap_or_else(usual),
        attribute_mapping: input
            .attribute_mapping
            .clone()
            .or_else(|| before.as_ref().map(|before| before.attribute_mapping.clone()))
            .unwrap_or_default(),
        hosted_domain: input.hosted_domain.clone().or_else(|| before.as_ref()?.hosted_domain.clone()),
        sign_out_upstream: input
            .sign_out_upstream
            .unwrap_or_else(|| before.as_ref().is_some_and(|before| before.sign_out_upstream)),
    })
}

pub(super) fn saml(
    tools: &Tools,
    input: &ConnectionInput,
    before: SamlSettings,
) -> Result<SamlSettings, Problem> {
    if let Some(url) = &input.metadata_url {
        tools.http.check_at("/metadataUrl", url)?;
    }
    let by_hand = input.entity_id.is_some() || input.metadata_xml.is_some();
    Ok(SamlSettings {
        metadata_url: input.metadata_url.clone().or(before.metadata_url).filter(|_| !by_hand),
        attribute_mapping: input.attribute_mapping.clone().unwrap_or(before.attribute_mapping),
        request_binding: input.request_binding.unwrap_or(before.request_binding),
        allow_idp_initiated: input.allow_idp_initiated.unwrap_or(before.allow_idp_initiated),
        force_authn: input.force_authn.unwrap_or(before.force_authn),
        authn_context: input.authn_context.clone().or(before.authn_context),
        name_id_format: input.name_id_format.clone().or(before.name_id_format),
        sign_out_upstream: input.sign_out_upstream.unwrap_or(before.sign_out_upstream),
    })
}

/// The provider, as the admin described it; `None` where its metadata is to be fetched.
pub(super) fn provider(
    tools: &Tools,
    input: &ConnectionInput,
    before: Option<SamlProvider>,
) -> Result<Option<SamlProvider>, Problem> {
    if let Some(xml) = &input.metadata_xml {
        return Ok(Some(ops::read_metadata(tools, "/metadataXml", xml)?));
    }
    if input.metadata_url.is_some() {
        return Ok(None);
    }
    let changes = input.entity_id.is_some()
        || input.sso_url.is_some()
        || input.slo_url.is_some()
        || input.certificates.is_some();
    if !changes {
        return Ok(before);
    }
    let required = |pointer: &str| Problem::invalid(pointer, "is required");
    for (pointer, url) in [("/ssoUrl", &input.sso_url), ("/sloUrl", &input.slo_url)] {
        if let Some(url) = url {
            tools.http.check_at(pointer, url)?;
        }
    }
    let before = before.unwrap_or_else(|| SamlProvider {
        entity_id: String::new(),
        sso_redirect: None,
        sso_post: None,
        slo_redirect: None,
        slo_post: None,
        certificates: Vec::new(),
        valid_until: None,
    });
    let entity_id = input.entity_id.clone().unwrap_or(before.entity_id);
    if entity_id.is_empty() {
        return Err(required("/entityId"));
    }
    let post = input.request_binding == Some(Binding::Post);
    let sso = input.sso_url.clone();
    let sso_redirect = sso.clone().filter(|_| !post).or(before.sso_redirect);
    let sso_post = sso.filter(|_| post).or(before.sso_post);
    if sso_redirect.is_none() && sso_post.is_none() {
        return Err(required("/ssoUrl"));
    }
    let certificates = match &input.certificates {
        Some(texts) => ops::read_certificates(texts)?,
        None => before.certificates,
    };
    Ok(Some(SamlProvider {
        entity_id,
        sso_redirect,
        sso_post,
        slo_redirect: input.slo_url.clone().or(before.slo_redirect),
        slo_post: before.slo_post,
        certificates,
        valid_until: None,
    }))
}

/// Settings, provider and issuer of a connection as the input makes it.
pub(super) struct Made {
    pub(super) settings: Value,
    pub(super) provider: Option<Value>,
    pub(super) issuer: Option<String>,
}

pub(super) fn make(
    tools: &Tools,
    kind: ConnectionType,
    input: &ConnectionInput,
    before: Option<Kind>,
) -> Result<Made, Problem> {
    let json = |value: serde_json::Result<Value>| value.map_err(Problem::internal);
    match (kind, before) {
        (ConnectionType::Oidc, before) => {
            let before = match before {
                Some(Kind::Oidc(before)) => Some(before),
                _ => None,
            };
            let settings = oidc(tools, input, before)?;
            let issuer = Some(settings.issuer.clone());
            Ok(Made { settings: json(serde_json::to_value(settings))?, provider: None, issuer })
        }
        (ConnectionType::Saml, before) => {
            let (settings, known) = match before {
                Some(Kind::Saml(settings, known)) => (settings, known),
                _ => (SamlSettings::default(), None),
            };
            let settings = saml(tools, input, settings)?;
            let provider = provider(tools, input, known)?;
            if provider.is_none() && settings.metadata_url.is_none() {
                return Err(Problem::invalid(
                    "",
                    "must have metadataUrl, metadataXml, or entityId, ssoUrl and certificates",
                ));
            }
            let issuer = provider.as_ref().map(|provider| provider.entity_id.clone());
            let provider = provider.map(|provider| json(serde_json::to_value(provider))).transpose()?;
            Ok(Made { settings: json(serde_json::to_value(settings))?, provider, issuer })
        }
    }
}
