//! A subject token is verified; a gateway's assertion is read.

use entity::sso::connection;
use entity::sso::issuer::{Column, Entity, Model};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use platform::PlatformView;
use platform::config::GatewayHeaders;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use web::{Code, Problem, Service};

use super::claims;
use super::connections::{Connection, Kind};
use super::jwks::JwksCache;
use super::oidc::Providers;
use crate::model::SubjectClaims;
use crate::settings::Profile;

/// Bytes of a token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Registrations of one issuer, by audience.
const REGISTRATIONS_MAX: u64 = 50;
/// Asymmetric, and none of SHA-1.
pub(crate) const ALGORITHMS: [Algorithm; 9] = [
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
    /// By the organization's id at the identity backend.
    ExternalId(String),
    /// By the connection whose provider signed the token.
    Connection(Box<Connection>, Box<Profile>),
}

/// Somebody, as vouched for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) via: Via,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// `None`: whoever vouches doesn't say.
    pub(crate) email_verified: Option<bool>,
    pub(crate) name: Option<String>,
    /// The role that a new user gets, where whoever vouches may say.
    pub(crate) role: Option<String>,
}

fn refused(why: &str) -> Problem {
    Problem::detailed(Code::TokenRefused, format!("The subject token is not accepted: {why}."))
}

/// Verifies a subject token of a registered issuer.
pub(crate) async fn verify(
    service: &Service,
    (cache, providers): (&JwksCache, &Providers),
    token: &str,
) -> Result<Identity, Problem> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    let header = decode_header(token).map_err(|_| refused("it is not a JWT"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is not one that is taken"));
    }
    let claimed: SubjectClaims =
        sessions::unverified(token).ok_or_else(|| refused("its claims can't be read"))?;
    let Some(issuer) = registered(service, &claimed).await? else {
        return of_connection(service, providers, token, &header, &claimed).await;
    };
    let key = cache
        .key(service, &issuer, header.kid.as_deref())
        .await?
        .ok_or_else(|| refused("its key is unknown"))?;
    let claims = decoded(service, token, &header, &key, (&issuer.issuer, &issuer.audience))?;
    let external_id = claims.text(&issuer.tenant_claim).filter(|id| !id.is_empty() && id.len() <= 255);
    let external_id = external_id.ok_or_else(|| {
        Problem::detailed(Code::TenantUnknown, "The subject token names no organization.")
            .fact("claim", issuer.tenant_claim.as_str())
    })?;
    Ok(Identity {
        via: Via::ExternalId(external_id.to_owned()),
        issuer: issuer.issuer,
        subject: claims.sub.clone(),
        email: claims.email.clone().filter(|email| web::is_email(email)),
        email_verified: claims.flag("email_verified"),
        name: claims.name.clone(),
        role: None,
    })
}

/// Signature and claims, with this key.
fn decoded(
    service: &Service,
    token: &str,
    header: &Header,
    key: &Jwk,
    (issuer, audience): (&str, &str),
) -> Result<SubjectClaims, Problem> {
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
    let skew = super::skew(service).num_seconds();
    match claims.refuse(issuer, audience, service.db.clock().now(), skew) {
        Some(why) => Err(refused(why)),
        None => Ok(claims),
    }
}

/// Connections of one issuer that are looked at.
const CONNECTIONS_MAX: u64 = 200;

/// An ID token that a customer's own provider signed for one of the connections. Where two connections would take it, whose
/// tenant is meant can't be said, and guessing would let one tenant's people into another.
async fn of_connection(
    service: &Service,
    providers: &Providers,
    token: &str,
    header: &Header,
    claimed: &SubjectClaims,
) -> Result<Identity, Problem> {
    let find = async |view: &PlatformView| {
        let select = view.across::<connection::Entity>().filter(connection::Column::Issuer.eq(&claimed.iss));
        let select = select.filter(connection::Column::Kind.eq("oidc")).limit(CONNECTIONS_MAX);
        view.all(select).await
    };
    let rows = service.db.read_platform(find).await?;
    if rows.is_empty() {
        return Err(Problem::new(Code::IssuerUnknown));
    }
    let mut fitting = Vec::new();
    for row in rows {
        let connection = Connection::of(row)?;
        if let Kind::Oidc(settings) = &connection.kind
            && claimed.aud.list().contains(&settings.client_id)
        {
            fitting.push((settings.clone(), connection));
        }
    }
    let (settings, connection) = match (fitting.pop(), fitting.pop()) {
        (Some(one), None) => one,
        (None, _) => return Err(refused("it is for another audience")),
        _ => return Err(refused("several tenants have a connection that would take it")),
    };
    if !connection.row.enabled {
        return Err(Problem::new(Code::ConnectionDisabled));
    }
    let key = providers.key(service, &connection, &settings, header.kid.as_deref()).await;
    let key = key
        .map_err(|_| Problem::new(Code::IssuerUnreachable))?
        .ok_or_else(|| refused("its key is unknown"))?;
    decoded(service, token, header, &key, (&settings.issuer, &settings.client_id))?;
    let claims = sessions::unverified(token).ok_or_else(|| refused("its claims can't be read"))?;
    let profile = claims::profile(&settings, &claims).map_err(|refused| self::refused(&refused.how))?;
    Ok(Identity {
        issuer: connection.identity_issuer(),
        subject: profile.subject.clone(),
        email: profile.email.clone(),
        email_verified: profile.email_verified,
        name: profile.name.clone(),
        role: None,
        via: Via::Connection(Box::new(connection), Box::new(profile)),
    })
}

/// The registration that takes the token; `None` if its issuer isn't registered at all.
async fn registered(service: &Service, claimed: &SubjectClaims) -> Result<Option<Model>, Problem> {
    let find = async |view: &PlatformView| {
        let select =
            view.platform::<Entity>().filter(Column::Issuer.eq(&claimed.iss)).limit(REGISTRATIONS_MAX);
        view.all(select).await
    };
    let rows = service.db.read_platform(find).await?;
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
) -> Result<Option<Identity>, Problem> {
    let read = |name: &str| -> Result<Option<String>, Problem> {
        let mut values = headers.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let text = value.to_str().map_err(|_| Problem::invalid(name, "must be text"))?.trim();
                Ok(Some(text.to_owned()).filter(|text| !text.is_empty() && text.len() <= 255))
            }
            _ => Err(Problem::invalid(name, "must be there once")),
        }
    };
    let (Some(subject), Some(external_id)) = (read(&names.user_id)?, read(&names.org_id)?) else {
        return Ok(None);
    };
    let roles = read(&names.user_roles)?.unwrap_or_default();
    let role =
        roles.split(',').map(str::trim).find_map(policy_core::Role::parse).filter(|role| !role.is_platform());
    Ok(Some(Identity {
        via: Via::ExternalId(external_id),
        issuer: "gateway".to_owned(),
        subject,
        email: read(&names.user_email)?.filter(|email| web::is_email(email)),
        email_verified: None,
        name: read(&names.user_name)?,
        role: role.map(|role| role.name().to_owned()),
    }))
}
