//! A subject token is verified; a gateway's assertion is read.

use std::collections::BTreeMap;

use connections::{Connection, Found, Kind, OfToken, Profile, Providers};
use entity::connections::states::ConnectionVerb;
use entity::exchange::issuer::{self, Model};
use entity::exchange::states::ResolveBy;
use entity::tenancy::states::{IdentityBackend, IdentityKind};
use entity::tenancy::tenant;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode};
use platform::PlatformView;
use platform::db::Lookup;
use platform::refusal::Invalid;
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::Value;
use uuid::Uuid;
use web::{PlatformService, Tools};

use super::jwks::JwksCache;
use super::roles::{BackendRoles, highest};
use crate::error::Error;
use crate::model::SubjectClaims;
use crate::settings::{GatewayHeaders, Settings};

/// Bytes of a token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a gateway's header that names somebody, or where they belong.
const GATEWAY_TEXT_MAX: usize = 255;
/// Bytes of those that list roles or give a name.
const GATEWAY_LONG_MAX: usize = 4 * 1024;
/// Registrations of one issuer, by audience.
pub(crate) const REGISTRATIONS_MAX: u64 = 50;
/// Asymmetric, and none of SHA-1.
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How the tenant is found.
#[derive(Clone, Debug)]
pub(crate) enum Via {
    /// By what the token, or a gateway, says.
    Tenant(Named),
    /// By the connection whose provider signed the token.
    Connection(Box<Connection>, Box<Profile>),
}

/// How a token names its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// By the organization's id at the identity backend.
    ExternalId(String),
    /// The realm that signed it is the tenant's own.
    Issuer(String),
    /// By the alias of the person's identity provider.
    IdpAlias(String),
    /// By Keycloak's `organization` claim: the alias, and the id where the mapper is told to add it.
    Organization { alias: String, id: Option<String> },
}

impl Named {
    /// What `claims` of a token of this issuer say.
    fn of(tools: &Tools, issuer: &Model, claims: &SubjectClaims) -> Result<Self, Error> {
        let text = |name: &str| {
            let found = claims.text(name).filter(|id| !id.is_empty() && id.len() <= 255);
            found.map(ToOwned::to_owned).ok_or_else(|| unnamed(name))
        };
        match issuer.resolve_by {
            ResolveBy::Issuer => Ok(Self::Issuer(issuer.issuer.clone())),
            ResolveBy::IdpAlias => {
                text(&tools.config.section::<backends::Settings>().idp_alias_claim).map(Self::IdpAlias)
            }
            ResolveBy::Organization => organization(claims.value(&issuer.tenant_claim), &issuer.tenant_claim),
            ResolveBy::Claim => text(&issuer.tenant_claim).map(Self::ExternalId),
        }
    }

    /// By what the tenant is found.
    pub(crate) fn lookup(&self) -> Lookup {
        match self {
            Self::ExternalId(id) | Self::Organization { id: Some(id), .. } => tenancy::by_external_id(id),
            Self::Issuer(issuer) => tenancy::by_issuer(issuer),
            Self::IdpAlias(alias) => tenancy::by_idp_alias(alias),
            Self::Organization { alias, id: None } => Lookup::slug(alias),
        }
    }

    /// Whether it is no more than an alias, which not every tenant has.
    pub(crate) fn is_alias(&self) -> bool {
        matches!(self, Self::Organization { id: None, .. })
    }
}

/// An alias is only ours where the tenant is an organization of Keycloak's: there it is made from the slug.
pub(crate) fn is_known_by_alias(tenant: &tenant::Model) -> bool {
    tenant.identity_backend == IdentityBackend::Keycloak && tenant.identity_kind == IdentityKind::Org
}

fn unnamed(claim: &str) -> Error {
    Error::TenantUnnamed { claim: claim.to_owned() }
}

/// `{"acme": {"id": …}}`, `["acme"]`, or what two mappers make of both: `["acme", {"acme": {"id": …}}]`. Of several organizations
/// none is meant more than the others.
fn organization(claim: Option<&Value>, name: &str) -> Result<Named, Error> {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    let parts = match claim {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for part in parts {
        match part {
            Value::String(alias) => {
                found.entry(alias.clone()).or_default();
            }
            Value::Object(map) => {
                for (alias, about) in map {
                    let id = about.get("id").and_then(Value::as_str).map(ToOwned::to_owned);
                    let known = found.entry(alias.clone()).or_default();
                    *known = id.or(known.take());
                }
            }
            _ => return Err(unnamed(name)),
        }
    }
    match (found.pop_first(), found.is_empty()) {
        (Some((alias, id)), true) => Ok(Named::Organization { alias, id }),
        _ => Err(unnamed(name)),
    }
}

/// Somebody, as vouched for.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) via: Via,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// `None`: whoever vouches doesn't say.
    pub(crate) email_verified: Option<bool>,
    pub(crate) name: Option<String>,
    /// The role that a new user gets, where whoever vouches may say.
    pub(crate) role: Option<TenantRole>,
    /// The organization of the tenant that is meant, by id or slug, as often as it was named.
    pub(crate) organizations: Vec<String>,
    /// What a token of the tenant's own backend says of roles.
    pub(crate) roles: BackendRoles,
}

fn refused(why: &str) -> Error {
    Error::SubjectTokenRefused { why: why.to_owned() }
}

/// Verifies a subject token of a registered issuer.
///
/// # Errors
/// [`Error::SubjectTokenRefused`], [`Error::IssuerUnknown`], and what keeps the keys away.
pub async fn verify(
    service: &PlatformService,
    (cache, providers): (&JwksCache, &Providers),
    token: &str,
    hints: &SubjectHints,
) -> Result<Identity, Error> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    let header = sessions::header(token).ok_or_else(|| refused("it is not a JWT, or demands extensions"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is not one that is taken"));
    }
    let claimed: SubjectClaims =
        sessions::unverified(token).ok_or_else(|| refused("its claims can't be read"))?;
    let registered = match hints.connection {
        Some(_) => None,
        None => registered(service, &claimed).await?,
    };
    let Some(issuer) = registered else {
        return of_connection(service, providers, token, (&header, &claimed), hints).await;
    };
    let key = cache
        .key(service, &issuer, header.kid.as_deref())
        .await?
        .ok_or_else(|| refused("its key is unknown"))?;
    let claims = decoded(service, token, &header, &key, (&issuer.issuer, &issuer.audience))?;
    Ok(Identity {
        via: Via::Tenant(Named::of(service, &issuer, &claims)?),
        roles: BackendRoles::of(&issuer, &claims),
        issuer: issuer.issuer,
        subject: claims.sub.clone(),
        email: claims.email.clone().filter(|email| identity_core::is_email(email)),
        email_verified: claims.flag("email_verified"),
        name: claims.name.clone(),
        role: None,
        organizations: claims
            .text(&service.config.section::<Settings>().organization_claim)
            .map(ToOwned::to_owned)
            .into_iter()
            .collect(),
    })
}

/// Signature and claims, with this key.
fn decoded(
    tools: &Tools,
    token: &str,
    header: &Header,
    key: &Jwk,
    (issuer, audience): (&str, &str),
) -> Result<SubjectClaims, Error> {
    if key.common.key_algorithm.is_some_and(|algorithm| algorithm.to_string() != format!("{:?}", header.alg))
    {
        return Err(refused("its algorithm is not its key's"));
    }
    let decoding = DecodingKey::from_jwk(key).map_err(|_| refused("its key can't be used"))?;
    let mut validation = Validation::new(header.alg);
    // Issuer, audience and times are decided by `SubjectClaims::refuse`, with our clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let verified = decode::<SubjectClaims>(token, &decoding, &validation)
        .map_err(|_| refused("its signature is wrong"))?;
    let claims = verified.claims;
    let skew = connections::skew(tools).num_seconds();
    match claims.refuse(issuer, audience, tools.clock.now(), skew) {
        Some(why) => Err(refused(why)),
        None => Ok(claims),
    }
}

/// What the caller says beside the subject token, or the gateway's word: whose it is.
#[derive(Clone, Debug, Default)]
pub struct SubjectHints {
    /// The tenant.
    pub(crate) tenant: Option<Uuid>,
    /// An organization of it, by id or slug.
    pub(crate) organization: Option<String>,
    /// One of its connections.
    pub(crate) connection: Option<Uuid>,
}

/// An ID token that a customer's own provider signed for one of the connections. Whoever doesn't say which one it is has it found by
/// issuer and client id.
async fn of_connection(
    service: &PlatformService,
    providers: &Providers,
    token: &str,
    (header, claimed): (&Header, &SubjectClaims),
    hints: &SubjectHints,
) -> Result<Identity, Error> {
    let wanted = OfToken {
        issuer: &claimed.iss,
        audiences: claimed.aud.list(),
        tenant: hints.tenant,
        connection: hints.connection,
    };
    let connection = match connections::of_token(service, wanted).await? {
        Found::Connection(connection) => *connection,
        Found::OtherAudience => return Err(refused("it is for another audience")),
        Found::Nothing => return Err(Error::IssuerUnknown),
    };
    let Kind::Oidc(settings) = connection.kind.clone() else {
        return Err(Error::internal("a connection of OIDC without its settings"));
    };
    connections::after(&connection.row, ConnectionVerb::Exchange)?;
    let key = providers.key(service, &connection, &settings, header.kid.as_deref()).await;
    let key =
        key.map_err(|_| Error::ProviderKeysUnreachable)?.ok_or_else(|| refused("its key is unknown"))?;
    decoded(service, token, header, &key, (&settings.issuer, &settings.client_id))?;
    let claims = sessions::unverified(token).ok_or_else(|| refused("its claims can't be read"))?;
    let profile =
        connections::profile_of_claims(&settings, &claims).map_err(|refused| self::refused(&refused.how))?;
    Ok(Identity {
        issuer: connection.source().issuer().unwrap_or_default(),
        subject: profile.subject.clone(),
        email: profile.email.clone(),
        email_verified: profile.email_verified,
        name: profile.name.clone(),
        role: None,
        roles: BackendRoles::default(),
        organizations: Vec::new(),
        via: Via::Connection(Box::new(connection), Box::new(profile)),
    })
}

/// The registration that takes the token; `None` if its issuer isn't registered at all.
async fn registered(service: &PlatformService, claimed: &SubjectClaims) -> Result<Option<Model>, Error> {
    let find = async |view: &PlatformView| {
        let select = view.platform::<issuer::Entity>().filter(issuer::Column::Issuer.eq(&claimed.iss));
        let select = select.limit(REGISTRATIONS_MAX);
        view.all(select).await
    };
    let rows = service.db.read(find).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let named = claimed.aud.list();
    rows.into_iter()
        .find(|row| named.contains(&row.audience))
        .map(Some)
        .ok_or_else(|| refused("it is for another audience"))
}

/// Reads what a gateway asserts in its headers; `None` if it asserts nothing.
pub(crate) fn asserted(
    headers: &actix_web::http::header::HeaderMap,
    names: &GatewayHeaders,
) -> Result<Option<Identity>, Invalid> {
    let read_up_to = |max: usize, name: &str| -> Result<Option<String>, Invalid> {
        let mut values = headers.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let text = value.to_str().map_err(|_| Invalid::at(name, "must be text"))?.trim();
                if text.len() > max {
                    return Err(Invalid::at(name, format!("must be up to {max} bytes")));
                }
                Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
            }
            _ => Err(Invalid::at(name, "must be there once")),
        }
    };
    let read = |name: &str| read_up_to(GATEWAY_TEXT_MAX, name);
    let (Some(subject), Some(external_id)) = (read(&names.user_id)?, read(&names.org_id)?) else {
        return Ok(None);
    };
    if !identity_core::is_subject(&subject) {
        return Err(Invalid::at(&names.user_id, "must be a subject of up to 255 characters"));
    }
    let roles = read_up_to(GATEWAY_LONG_MAX, &names.user_roles)?.unwrap_or_default();
    let role = highest(&roles.split(',').map(str::trim).collect::<Vec<_>>());
    Ok(Some(Identity {
        via: Via::Tenant(Named::ExternalId(external_id)),
        issuer: "gateway".to_owned(),
        subject,
        email: read(&names.user_email)?.filter(|email| identity_core::is_email(email)),
        email_verified: match read(&names.email_verified)?.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(Invalid::at(&names.email_verified, "must be true or false")),
        },
        name: read_up_to(GATEWAY_LONG_MAX, &names.user_name)?,
        role,
        roles: BackendRoles::default(),
        organizations: read(&names.organization)?.into_iter().collect(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keycloaks_claim_names_one_organization_or_none() {
        let named = |alias: &str, id: Option<&str>| Named::Organization {
            alias: alias.to_owned(),
            id: id.map(ToOwned::to_owned),
        };
        for (claim, expected) in [
            (json!({"acme": {"id": "1"}}), Some(named("acme", Some("1")))),
            (json!(["acme", {"acme": {"id": "1"}}]), Some(named("acme", Some("1")))),
            (json!(["other", {"acme": {"id": "1"}}]), None),
            (json!({"acme": {}}), Some(named("acme", None))),
            (json!(["acme"]), Some(named("acme", None))),
            (json!("acme"), Some(named("acme", None))),
            (json!({"acme": {"id": "1"}, "other": {"id": "2"}}), None),
            (json!(["acme", "other"]), None),
            (json!([]), None),
            (json!(7), None),
        ] {
            assert_eq!(organization(Some(&claim), "organization").ok(), expected, "{claim}");
        }
        assert!(organization(None, "organization").is_err());
    }
}
