//! Connections: made, changed, found; the keys with which we speak to SAML providers.

use aws_lc_rs::encoding::AsDer as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use entity::connections::states::{ConnectionState, ConnectionType, ConnectionVerb};
use entity::connections::{connection, connection_key};
use entity::ids::{OrganizationId, TenantId};
use identity_core::Source;
use platform::refusal::Invalid;
use platform::rules::{Rule, check_limit};
use platform::{DbError, Target, Timestamp, Tx, View, Work, ids};
use saml_core::{Certificate, IdentityProvider};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::error::Error;
use crate::lookup::by_connection;
use crate::settings::{OidcSettings, SamlProvider, SamlSettings};

/// Connections of one organization.
const CONNECTIONS_MAX: u64 = 50;
/// How long a key of ours is meant to last.
const KEY_LIFETIME: TimeDelta = TimeDelta::days(3 * 365);

platform::events! {
    /// A connection to an identity provider was created, changed or deleted.
    pub(crate) struct ConnectionChanged = "connection.changed" {
        organization_id: Uuid,
        connection_id: Uuid,
        change: String,
    }
}

/// A connection with its settings read.
#[derive(Clone, Debug)]
pub struct Connection {
    /// As it is stored.
    pub row: connection::Model,
    /// What kind it is of.
    pub kind: Kind,
}

/// Whether people can come in by a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// They can.
    Active,
    /// An admin disabled it.
    Disabled,
    /// Without a usable signing certificate nothing could be verified.
    Incomplete,
}

impl ConnectionStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What kind of connection, with what belongs to it.
#[derive(Clone, Debug)]
pub enum Kind {
    /// OpenID Connect.
    Oidc(OidcSettings),
    /// SAML, and its provider once it is known.
    Saml(SamlSettings, Option<SamlProvider>),
}

fn parsed<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, Error> {
    serde_json::from_value(value.clone()).map_err(Error::internal)
}

impl Connection {
    /// Reads the settings of a row.
    ///
    /// # Errors
    /// [`Error::Internal`], where they can't be read.
    pub fn of(row: connection::Model) -> Result<Self, Error> {
        let kind = match row.kind {
            ConnectionType::Oidc => Kind::Oidc(parsed(&row.settings)?),
            ConnectionType::Saml => {
                Kind::Saml(parsed(&row.settings)?, row.provider.as_ref().map(parsed).transpose()?)
            }
        };
        Ok(Self { row, kind })
    }

    /// Who vouches for its people.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::Connection { id: self.row.id, provider: self.row.issuer.clone().unwrap_or_default() }
    }

    /// Whether people can come in by it.
    #[must_use]
    pub fn status(&self) -> ConnectionStatus {
        let complete = match &self.kind {
            Kind::Oidc(_) => true,
            Kind::Saml(settings, Some(provider)) => {
                !provider.usable().is_empty()
                    || settings.metadata_url.is_some() && provider.certificates.is_empty()
            }
            // Not asked yet: it is asked at the first sign-in or test.
            Kind::Saml(settings, None) => settings.metadata_url.is_some(),
        };
        match (self.row.enabled, complete) {
            (false, _) => ConnectionStatus::Disabled,
            (true, true) => ConnectionStatus::Active,
            (true, false) => ConnectionStatus::Incomplete,
        }
    }
}

/// Where a connection stands after that.
///
/// # Errors
/// [`Error::ConnectionDisabled`] if nobody comes in by it.
pub fn after(row: &connection::Model, verb: ConnectionVerb) -> Result<ConnectionState, Error> {
    row.state().after(verb).ok_or(Error::ConnectionDisabled)
}

/// Whether a connection is pointed at another provider than the one that was known. Who was not known yet is nobody else.
#[must_use]
pub fn is_another(before: Option<&String>, now: Option<&String>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if before != now)
}

/// The tenant of a connection.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn tenant_of(service: &PlatformService, id: Uuid) -> Result<Uuid, Error> {
    service.db.tenant_of(by_connection(id)).await?.ok_or(Error::NotFound)
}

/// A connection of the tenant.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn find(view: &View, id: Uuid) -> Result<Connection, Error> {
    find_optional(view, id).await?.ok_or(Error::NotFound)
}

/// The same, if there is one.
///
/// # Errors
/// [`Error::Store`]
pub async fn find_optional(view: &View, id: Uuid) -> Result<Option<Connection>, Error> {
    let row = view.one(view.select::<connection::Entity>().filter(connection::Column::Id.eq(id))).await?;
    row.map(Connection::of).transpose()
}

/// A connection of the organization, locked.
pub(crate) async fn locked(tx: &Tx, organization: OrganizationId, id: Uuid) -> Result<Connection, Error> {
    let select = tx.select::<connection::Entity>().filter(connection::Column::Id.eq(id));
    let row = tx.lock(select.filter(connection::Column::OrganizationId.eq(organization))).await?;
    Connection::of(row.ok_or(Error::NotFound)?)
}

/// The connections of an organization.
///
/// # Errors
/// [`Error::Store`]
pub async fn of_organization(view: &View, organization: Uuid) -> Result<Vec<Connection>, Error> {
    let select =
        view.select::<connection::Entity>().filter(connection::Column::OrganizationId.eq(organization));
    let rows = view.all(select.order_by_asc(connection::Column::Id).limit(CONNECTIONS_MAX + 1)).await?;
    rows.into_iter().map(Connection::of).collect()
}

/// Writes a new connection, with its keys if it is SAML's.
pub(crate) async fn create(
    tx: &mut Tx,
    row: connection::Model,
    key: Option<connection_key::Model>,
) -> Result<(), Error> {
    let there = tx.select::<connection::Entity>();
    let there = there.filter(connection::Column::OrganizationId.eq(row.organization_id));
    check_limit(tx, Rule::Connections, row.organization_id, there, CONNECTIONS_MAX).await?;
    let (id, organization_id) = (row.id, row.organization_id);
    tx.insert(findable(row)?).await?;
    if let Some(key) = key {
        tx.insert(key).await?;
    }
    quota::take(tx, "connections", 1).await?;
    tx.record("connection.create", Target::new("connection", id));
    tx.emit(&ConnectionChanged { organization_id, connection_id: id, change: "created".to_owned() });
    Ok(())
}

/// With the client id in the column by which an ID token finds it.
fn findable(row: connection::Model) -> Result<connection::Model, Error> {
    let client_id = match Connection::of(row.clone())?.kind {
        Kind::Oidc(settings) => Some(settings.client_id),
        Kind::Saml(..) => None,
    };
    Ok(connection::Model { client_id, ..row })
}

/// Whether a connection is of another provider, or of another client there, than before: then nobody has come in by it yet, and whoever
/// has claimed the pair before comes first.
pub(crate) fn reclaimed(
    before: &connection::Model,
    row: connection::Model,
    now: Timestamp,
) -> Result<connection::Model, Error> {
    let row = findable(row)?;
    if row.issuer == before.issuer && row.client_id == before.client_id {
        return Ok(row);
    }
    let state = after(&row, ConnectionVerb::Repoint)?;
    Ok(connection::Model { tested_at: None, claimed_at: Some(now), ..row.at(state) })
}

/// Its provider answered a sign-in, or a test, that was begun here: whoever made it speaks for its provider. By one that is disabled
/// nobody comes in, and that proves nothing.
async fn prove(tx: &Tx, row: &connection::Model, verb: ConnectionVerb) -> Result<(), DbError> {
    let was = row.state();
    if was.after(verb).is_none_or(|is| is == was) {
        return Ok(());
    }
    let change = tx
        .change::<connection::Entity>()
        .col_expr(connection::Column::ProvenAt, Expr::value(tx.now()))
        .filter(connection::Column::Id.eq(row.id))
        // The provider and client that answered, not those of a change that came meanwhile.
        .filter(connection::Column::Issuer.eq(row.issuer.clone()))
        .filter(connection::Column::ClientId.eq(row.client_id.clone()).or(row.client_id.is_none()))
        .filter(connection::Column::ProvenAt.is_null());
    tx.apply(change).await.map(drop)
}

/// Somebody whom its provider vouches for signs in.
pub async fn signed_in(tx: &Tx, row: &connection::Model) -> Result<(), DbError> {
    prove(tx, row, ConnectionVerb::SignIn).await
}

/// A test went through.
pub async fn tested(tx: &mut Tx, row: &connection::Model) -> Result<(), DbError> {
    let change = tx
        .change::<connection::Entity>()
        .col_expr(connection::Column::TestedAt, Expr::value(tx.now()))
        .filter(connection::Column::Id.eq(row.id));
    tx.apply(change).await?;
    prove(tx, row, ConnectionVerb::Test).await?;
    tx.record("connection.test", Target::new("connection", row.id));
    Ok(())
}

/// Writes a changed connection.
pub(crate) async fn update(
    tx: &mut Tx,
    before: &connection::Model,
    row: connection::Model,
) -> Result<Connection, Error> {
    let row = findable(connection::Model { version: row.version + 1, updated_at: tx.now(), ..row })?;
    tx.update(row.clone()).await?;
    tx.record("connection.update", Target::new("connection", row.id).changed(before, &row));
    tx.emit(&ConnectionChanged {
        organization_id: row.organization_id,
        connection_id: row.id,
        change: "updated".to_owned(),
    });
    Connection::of(row)
}

/// Removes a connection. The people who came in by it keep their accounts; their identities name nobody any more.
pub(crate) async fn delete(tx: &mut Tx, row: connection::Model) -> Result<(), Error> {
    after(&row, ConnectionVerb::Delete)?;
    let removal = tx.remove::<connection::Entity>().filter(connection::Column::Id.eq(row.id));
    tx.purge(removal).await?;
    quota::give_back(tx, "connections", 1).await?;
    directory::unlink_connection(tx, row.id).await?;
    tx.record("connection.delete", Target::new("connection", row.id));
    tx.emit(&ConnectionChanged {
        organization_id: row.organization_id,
        connection_id: row.id,
        change: "deleted".to_owned(),
    });
    Ok(())
}

/// Keys of a connection, newest first.
pub(crate) async fn keys(view: &View, connection: Uuid) -> Result<Vec<connection_key::Model>, DbError> {
    let select =
        view.select::<connection_key::Entity>().filter(connection_key::Column::ConnectionId.eq(connection));
    view.all(select.order_by_desc(connection_key::Column::Id).limit(4)).await
}

/// The secret that was registered at the provider.
///
/// # Errors
/// [`Error::Store`], where it can't be opened; [`Error::Internal`]
pub fn client_secret(tools: &Tools, connection: &Connection) -> Result<Option<String>, Error> {
    let Some(sealed) = &connection.row.client_secret else { return Ok(None) };
    let plain = tools.envelope.open("connection", connection.row.id.as_bytes(), sealed)?;
    String::from_utf8(plain.to_vec()).map(Some).map_err(Error::internal)
}

/// Makes a key pair with a certificate of its own: RSA, because responses are encrypted for it.
///
/// # Errors
/// [`Error::Internal`], [`Error::Store`]
pub(crate) async fn make_key(
    tools: &Tools,
    tenant: TenantId,
    connection: Uuid,
) -> Result<connection_key::Model, Error> {
    let name = format!("{} {connection}", tools.config.public_url());
    let now = tools.clock.now();
    let made = tokio::task::spawn_blocking(move || self_signed(&name, now)).await.map_err(Error::internal)?;
    let (pem, der) = made?;
    let id = ids::new();
    Ok(connection_key::Model {
        tenant_id: tenant.0,
        connection_id: connection,
        id,
        private_key: tools.envelope.seal("connection_key", id.as_bytes(), pem.as_bytes())?,
        certificate: STANDARD.encode(der),
        created_at: now,
        expires_at: now + KEY_LIFETIME,
    })
}

/// A new RSA key in PKCS#8 PEM and its certificate in DER.
fn self_signed(name: &str, now: platform::Timestamp) -> Result<(String, Vec<u8>), Error> {
    let failed = |_| Error::internal("no key could be made");
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
    let document = key.as_der().map_err(failed)?;
    let pem = pem(document.as_ref());
    let pair =
        rcgen::KeyPair::from_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).map_err(Error::internal)?;
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    let year = |at: platform::Timestamp| chrono::Datelike::year(&at);
    parameters.not_before = rcgen::date_time_ymd(year(now) - 1, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year(now + KEY_LIFETIME) + 1, 1, 1);
    let certificate = parameters.self_signed(&pair).map_err(Error::internal)?;
    Ok((pem, certificate.der().to_vec()))
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).filter_map(|at| body.get(at..(at + 64).min(body.len()))).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// The private key of a row, in PEM.
pub(crate) fn open_key(tools: &Tools, row: &connection_key::Model) -> Result<String, Error> {
    let plain = tools.envelope.open("connection_key", row.id.as_bytes(), &row.private_key)?;
    String::from_utf8(plain.to_vec()).map_err(Error::internal)
}

/// Reads metadata that an admin pasted.
pub(crate) fn read_metadata(tools: &Tools, pointer: &str, xml: &str) -> Result<SamlProvider, Invalid> {
    IdentityProvider::parse(xml, tools.clock.now())
        .map(Into::into)
        .map_err(|refusal| refused(pointer, &refusal))
}

/// What a refusal of pasted metadata or certificates says.
pub(crate) fn refused(pointer: &str, refusal: &saml_core::Refusal) -> Invalid {
    let got = refusal.got.as_ref().map(|got| format!(" ({got})")).unwrap_or_default();
    Invalid::at(pointer, format!("{refusal}{got}"))
}

/// Reads certificates that an admin pasted.
pub(crate) fn read_certificates(texts: &[String]) -> Result<Vec<String>, Invalid> {
    let read = |(at, text): (usize, &String)| {
        Certificate::parse(text)
            .map(|one| one.base64())
            .map_err(|refusal| refused(&format!("/certificates/{at}"), &refusal))
    };
    texts.iter().enumerate().map(read).collect()
}

/// Fetches metadata from where the admin said, through the guard.
pub(crate) async fn fetch_metadata(tools: &Tools, url: &str) -> Result<SamlProvider, Error> {
    let url = Url::parse(url).map_err(|_| Error::UrlRefused)?;
    let text = tools.http.get_text(&url).await.map_err(|error| match error {
        platform::http::HttpError::Refused(why) => Error::MetadataUrlRefused { why },
        other => Error::MetadataUnreachable { why: other.to_string() },
    })?;
    Ok(read_metadata(tools, "/metadataUrl", &text)?)
}
