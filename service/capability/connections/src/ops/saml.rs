//! SAML towards identity providers: our addresses and keys, the request, the response. What of a response is believed is
//! decided by `saml_core`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::connections::connection;
use entity::ids::OrganizationId;
use moka::sync::Cache;
use platform::crypto::sha256;
use platform::{Ctx, Tx, Work as _, ids};
use saml_core::{
    Accepted, AuthnRequest, Certificate, Decryptor, Direction, Expected, Logout, ServiceProvider, Signer,
    Trust,
};
use uuid::Uuid;
use web::{TenantService, Tools};

use super::connections::{self, Connection, Kind, open_key};
use crate::error::Error;
use crate::refusal::{Reason, Refused};
use crate::settings::{Binding, SamlProvider, SamlSettings};
use crate::skew::skew;

/// Metadata from a URL is asked for again after this long.
const METADATA_TTL: TimeDelta = TimeDelta::hours(24);
/// A response signed by an unknown key makes it be asked for again at most this often.
const REFETCH_MIN: TimeDelta = TimeDelta::minutes(1);
/// Bytes of all remembered certificates of providers.
pub(super) const CERTIFICATES_BYTES_MAX: u64 = 16 << 20;
/// Connections whose keys of ours are remembered.
const CONNECTIONS_MAX: u64 = 10_000;
/// Our own metadata may be kept this long.
const OURS_VALID: TimeDelta = TimeDelta::days(7);

/// Keys of providers and of ours, ready for use.
pub struct SamlKeys {
    trusts: Cache<[u8; 32], (Arc<Trust>, u32)>,
    ours: Cache<Uuid, Arc<Ours>>,
}

struct Ours {
    certificates: Vec<Certificate>,
    signer: Signer,
    decryptor: Decryptor,
}

impl std::fmt::Debug for SamlKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamlKeys").field("trusts", &self.trusts.entry_count()).finish()
    }
}

impl Default for SamlKeys {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            trusts: Cache::builder()
                .max_capacity(CERTIFICATES_BYTES_MAX)
                .weigher(|_, (_, bytes)| *bytes)
                .time_to_idle(60 * minute)
                .build(),
            ours: Cache::builder().max_capacity(CONNECTIONS_MAX).time_to_live(minute).build(),
        }
    }
}

impl SamlKeys {
    /// The trust in a provider's certificates: of these and no others, whoever else has the same.
    fn trust(&self, provider: &SamlProvider) -> Result<Arc<Trust>, saml_core::Refusal> {
        let key = sha256(provider.certificates.join(" ").as_bytes());
        if let Some((trust, _)) = self.trusts.get(&key) {
            return Ok(trust);
        }
        let trust = Arc::new(Trust::new(&provider.usable())?);
        let bytes = provider.certificates.iter().map(String::len).sum::<usize>();
        self.trusts.insert(key, (trust.clone(), u32::try_from(bytes).unwrap_or(u32::MAX)));
        Ok(trust)
    }

    async fn ours(
        &self,
        service: &TenantService,
        connection: &connection::Model,
    ) -> Result<Arc<Ours>, Error> {
        if let Some(ours) = self.ours.get(&connection.id) {
            return Ok(ours);
        }
        let read = async |view: &platform::View| connections::keys(view, connection.id).await;
        let rows = service.db.read(read).await?;
        let pems: Vec<String> = rows.iter().map(|row| open_key(service, row)).collect::<Result<_, _>>()?;
        let certificates: Vec<Certificate> =
            rows.iter().filter_map(|row| Certificate::parse(&row.certificate).ok()).collect();
        let (Some(newest), Some(pem)) = (certificates.first(), pems.first()) else {
            return Err(Error::internal("the connection has no key"));
        };
        let signer = Signer::new(pem, newest).map_err(Error::internal)?;
        let pems: Vec<&str> = pems.iter().map(String::as_str).collect();
        let decryptor = Decryptor::new(&pems).map_err(Error::internal)?;
        let ours = Arc::new(Ours { certificates, signer, decryptor });
        self.ours.insert(connection.id, ours.clone());
        Ok(ours)
    }

    /// Forgets our keys of a connection: they were changed.
    pub(crate) fn forget(&self, connection: Uuid) {
        self.ours.invalidate(&connection);
    }
}

/// Our addresses, of this connection alone.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The entity id, where our metadata is too.
    pub(crate) entity_id: String,
    pub(crate) acs: String,
    pub(crate) slo: String,
}

pub(crate) fn addresses(tools: &Tools, connection: Uuid) -> Addresses {
    let base = format!("{}/sso/saml/{connection}", tools.config.public_url());
    Addresses {
        entity_id: format!("{base}/metadata"),
        acs: format!("{base}/acs"),
        slo: format!("{base}/slo"),
    }
}

/// Our metadata, signed.
pub async fn metadata(
    service: &TenantService,
    keys: &SamlKeys,
    row: &connection::Model,
) -> Result<String, Error> {
    let ours = keys.ours(service, row).await?;
    let addresses = addresses(service, row.id);
    let id = format!("_{}", ids::new().simple());
    let provider = ServiceProvider {
        entity_id: &addresses.entity_id,
        acs: &addresses.acs,
        slo: &addresses.slo,
        certificates: &ours.certificates,
        valid_until: service.clock.now() + OURS_VALID,
        id: &id,
    };
    provider.metadata(Some(&ours.signer)).map_err(Error::internal)
}

/// Where the browser goes.
#[derive(Clone, Debug)]
pub enum Go {
    /// To this URL.
    Redirect(String),
    /// A form that posts itself, or by a button.
    Post {
        /// Where it is posted.
        action: String,
        /// Its fields.
        fields: Vec<(&'static str, String)>,
    },
}

/// The provider of a connection; from its URL, if that wasn't asked lately. `anew`: a key wasn't among those known.
pub(crate) async fn provider(
    service: &TenantService,
    connection: &Connection,
    settings: &SamlSettings,
    known: Option<&SamlProvider>,
    anew: bool,
) -> Result<SamlProvider, Error> {
    let now = service.clock.now();
    let limit = if anew { REFETCH_MIN } else { METADATA_TTL };
    let fresh = connection.row.provider_at.is_some_and(|at| at + limit > now);
    let valid = |provider: &&SamlProvider| provider.valid_until.is_none_or(|until| until > now);
    match (&settings.metadata_url, known) {
        (None, Some(known)) => Ok(known.clone()),
        (None, None) => Err(Error::ProviderUnknown),
        (Some(_), Some(known)) if fresh && valid(&known) => Ok(known.clone()),
        (Some(url), known) => match connections::fetch_metadata(service, url).await {
            Ok(fetched) => {
                // What was fetched is good, also where it can't be kept: then it is fetched again.
                if let Err(error) = remember(service, &connection.row, &fetched).await {
                    tracing::warn!(error = %platform::chain(&error), "fetched metadata could not be stored");
                }
                Ok(fetched)
            }
            // An unreachable provider doesn't make what it said a day ago wrong, as long as it said so itself.
            Err(error) => known.filter(valid).cloned().ok_or(error),
        },
    }
}

async fn remember(
    service: &TenantService,
    row: &connection::Model,
    provider: &SamlProvider,
) -> Result<(), Error> {
    let value = serde_json::to_value(provider).map_err(Error::internal)?;
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        let before = connections::locked(tx, OrganizationId(row.organization_id), row.id).await?.row;
        // An admin pointed it elsewhere while its metadata was fetched: they are of another provider.
        if before.settings != row.settings {
            return Ok(());
        }
        if before.provider.as_ref() != Some(&value) {
            tx.record("connection.metadata", platform::Target::new("connection", row.id));
        }
        let fetched = connection::Model {
            provider: Some(value),
            issuer: Some(provider.entity_id.clone()),
            provider_at: Some(tx.now()),
            ..before.clone()
        };
        // Metadata of another entity are another provider's: that one has answered nobody yet.
        tx.update(connections::reclaimed(&before, fetched, tx.now())?).await?;
        Ok::<_, Error>(())
    };
    service.db.write(&Ctx::system("metadata"), work).await
}

/// What a sign-in asks for, beside what the connection says.
#[derive(Clone, Debug, Default)]
pub struct SamlWishes<'a> {
    /// Who will probably sign in.
    pub login_hint: Option<&'a str>,
    /// Whether the provider must ask the person anew.
    pub again: bool,
}

/// The request that sends a browser to the provider.
pub async fn begin(
    service: &TenantService,
    keys: &SamlKeys,
    connection: &Connection,
    (settings, known): (&SamlSettings, Option<&SamlProvider>),
    request_id: &str,
    wishes: &SamlWishes<'_>,
) -> Result<Go, Error> {
    let provider = provider(service, connection, settings, known, false).await?;
    keys.trust(&provider).map_err(|_| Error::CertificateMissing)?;
    let (binding, destination) = provider.sso(settings.request_binding).ok_or(Error::SignInAddressMissing)?;
    let url = url::Url::parse(destination).map_err(|_| Error::UrlRefused)?;
    service.http.check(&url).map_err(|_| Error::UrlRefused)?;
    let addresses = addresses(service, connection.row.id);
    let request = AuthnRequest {
        id: request_id,
        issuer: &addresses.entity_id,
        destination,
        acs: &addresses.acs,
        now: service.clock.now(),
        force_authn: settings.force_authn || wishes.again,
        authn_context: settings.authn_context.as_deref(),
        login_hint: wishes.login_hint,
        name_id_format: settings.name_id_format.as_deref(),
    };
    let ours = keys.ours(service, &connection.row).await?;
    match binding {
        Binding::Redirect => {
            let url = saml_core::to_redirect(
                destination,
                Direction::Request,
                &request.xml(),
                None,
                Some(&ours.signer),
            );
            Ok(Go::Redirect(url.map_err(Error::internal)?))
        }
        Binding::Post => {
            let xml = request.signed(&ours.signer).map_err(Error::internal)?;
            let fields = saml_core::post_fields(Direction::Request, &xml, None);
            Ok(Go::Post { action: destination.to_owned(), fields })
        }
    }
}

/// Reads a response: the assertion that it holds, if every check of the profile passes.
pub async fn accept(
    service: &TenantService,
    keys: &SamlKeys,
    connection: &Connection,
    (settings, known): (&SamlSettings, Option<&SamlProvider>),
    xml: &str,
    request_id: Option<&str>,
) -> Result<Accepted, Refused> {
    let internal = |error: Error| match error {
        Error::ProviderUnknown | Error::CertificateMissing | Error::SignInAddressMissing => {
            saml_core::Refusal::new(saml_core::Reason::CertificateMissing).into()
        }
        Error::MetadataUnreachable { .. }
        | Error::MetadataUrlRefused { .. }
        | Error::UrlRefused
        | Error::Invalid(_) => {
            Refused::from(saml_core::Refusal::new(saml_core::Reason::MetadataUnusable).got(error.sentence()))
        }
        _ => Refused::new(Reason::Internal),
    };
    let provider = provider(service, connection, settings, known, false).await.map_err(internal)?;
    let ours = keys.ours(service, &connection.row).await.map_err(internal)?;
    let first = check(service, keys, connection, &provider, &ours, xml, request_id);
    match first {
        Err(refusal)
            if refusal.reason == saml_core::Reason::SignatureInvalid && settings.metadata_url.is_some() =>
        {
            // The provider may have changed its certificate since it was asked last.
            let renewed = self::provider(service, connection, settings, Some(&provider), true)
                .await
                .map_err(internal)?;
            if renewed == provider {
                return Err(refusal.into());
            }
            Ok(check(service, keys, connection, &renewed, &ours, xml, request_id)?)
        }
        other => Ok(other?),
    }
}

fn check(
    tools: &Tools,
    keys: &SamlKeys,
    connection: &Connection,
    provider: &SamlProvider,
    ours: &Ours,
    xml: &str,
    request_id: Option<&str>,
) -> Result<Accepted, saml_core::Refusal> {
    let addresses = addresses(tools, connection.row.id);
    let trust = keys.trust(provider)?;
    saml_core::accept(
        xml,
        &Expected {
            issuer: &provider.entity_id,
            audience: &addresses.entity_id,
            acs: &addresses.acs,
            request_id,
            now: tools.clock.now(),
            skew: skew(tools),
            trust: &trust,
            decryptor: Some(&ours.decryptor),
        },
    )
}

/// The signed request that asks the provider to end its session; `None` if it takes none.
pub async fn logout_request(
    service: &TenantService,
    keys: &SamlKeys,
    connection: &Connection,
    stored: &str,
    session_index: Option<&str>,
) -> Result<Option<String>, Error> {
    let Kind::Saml(settings, known) = &connection.kind else { return Ok(None) };
    let Some(provider) = known.as_ref().filter(|_| settings.sign_out_upstream) else { return Ok(None) };
    let Some(destination) = provider.slo_redirect.as_deref() else { return Ok(None) };
    let stored: serde_json::Value = serde_json::from_str(stored).map_err(Error::internal)?;
    let Some(name_id) = stored.get("nameId").and_then(serde_json::Value::as_str) else { return Ok(None) };
    let format = stored.get("format").and_then(serde_json::Value::as_str);
    let ours = keys.ours(service, &connection.row).await?;
    let xml =
        message(service, connection, destination, |logout| logout.request(name_id, format, session_index));
    let url = saml_core::to_redirect(destination, Direction::Request, &xml, None, Some(&ours.signer));
    url.map(Some).map_err(Error::internal)
}

/// The signed answer to the provider's own logout request; `None` if it says no place for it.
pub async fn logout_response(
    service: &TenantService,
    keys: &SamlKeys,
    connection: &Connection,
    in_response_to: &str,
    relay_state: Option<&str>,
) -> Result<Option<String>, Error> {
    let Kind::Saml(_, Some(provider)) = &connection.kind else { return Ok(None) };
    let Some(destination) = provider.slo_redirect.as_deref() else { return Ok(None) };
    let ours = keys.ours(service, &connection.row).await?;
    let xml = message(service, connection, destination, |logout| logout.response(in_response_to));
    let url = saml_core::to_redirect(destination, Direction::Response, &xml, relay_state, Some(&ours.signer));
    url.map(Some).map_err(Error::internal)
}

fn message(
    tools: &Tools,
    connection: &Connection,
    destination: &str,
    write: impl FnOnce(Logout<'_>) -> String,
) -> String {
    let id = format!("_{}", ids::new().simple());
    let addresses = addresses(tools, connection.row.id);
    let now: DateTime<Utc> = tools.clock.now();
    write(Logout { id: &id, issuer: &addresses.entity_id, destination, now })
}

/// Reads a logout message of the provider, from a form or a query.
pub fn read_logout(
    tools: &Tools,
    keys: &SamlKeys,
    connection: &Connection,
    xml: &str,
    signed_query: Option<(&str, Direction)>,
) -> Result<saml_core::LogoutMessage, Refused> {
    let Kind::Saml(_, Some(provider)) = &connection.kind else {
        return Err(saml_core::Refusal::new(saml_core::Reason::CertificateMissing).into());
    };
    let trust = keys.trust(provider)?;
    if let Some((query, direction)) = signed_query {
        saml_core::verify_redirect(query, direction, &trust)?;
    }
    let slo = addresses(tools, connection.row.id).slo;
    let expected = saml_core::ExpectedLogout {
        issuer: &provider.entity_id,
        slo: &slo,
        now: tools.clock.now(),
        skew: skew(tools),
        trust: &trust,
        query_verified: signed_query.is_some(),
    };
    Ok(saml_core::accept_logout(xml, &expected)?)
}
