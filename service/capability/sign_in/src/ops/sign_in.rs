//! One attempt to sign in, from the way there to the session, with every step written down.
//!
//! The row is state and trace in one: what comes back must name a row that this browser began, of this connection, and is
//! taken once. Nothing of another tenant's connection can find it.

use chrono::TimeDelta;
use connections::saml::{self, Go, SamlWishes};
use connections::{
    Connection, Kind, OidcSecrets, Profile, Reason, Refused, ResponsibleParty, Upstream, Wishes,
};
use entity::connections::states::ConnectionVerb;
use entity::sign_in::attempt::{Column, Entity, Model};
use entity::sign_in::states::Purpose;
use platform::crypto::{hex, one_time_secret, random, readable_code, sha256};
use platform::refusal::Invalid;
use platform::{Ctx, Tx, View, Work, ids};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use web::{TenantService, Tools};

use super::authorize::Continues;
use super::outcome::{Failed, failed_step};
use super::status::Status;
use crate::error::Error;

/// A sign-in that takes longer is over.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Codes that are compared with the one that was mailed, the right one among them.
pub(crate) const PROOFS_MAX: i64 = 5;
/// What a browser's cookie begins with.
pub(crate) const BROWSER_PREFIX: &str = "tnt_br_";

/// One step, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) at: platform::Timestamp,
    pub(crate) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) got: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) detail: Option<Value>,
}

/// What is sealed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) oidc: Option<OidcSecrets>,
    pub(crate) profile: Option<Profile>,
    pub(crate) proof_digest: Option<Vec<u8>>,
    /// The account, or the invitation, that the code is about.
    pub(crate) proof_user: Option<Uuid>,
    #[serde(default)]
    pub(crate) proof_invitation: Option<Uuid>,
}

/// What begins a sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Begin<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) continues: Continues,
    pub(crate) wishes: Wishes,
    /// The browser's cookie.
    pub(crate) browser: &'a str,
}

/// A browser's cookie: the one that came, if it can be ours, or a new one.
pub(crate) fn browser_cookie(received: Option<&str>) -> (String, bool) {
    let ours =
        received.filter(|text| text.starts_with(BROWSER_PREFIX) && text.len() == BROWSER_PREFIX.len() + 43);
    match ours {
        Some(text) => (text.to_owned(), false),
        None => (one_time_secret(BROWSER_PREFIX).0.to_string(), true),
    }
}

/// Begins: writes the row and answers where the browser goes. Whoever calls has counted it among what strangers begin. A provider
/// that can't be reached leaves its trace too.
pub(crate) async fn begin(
    service: &TenantService,
    upstream: &Upstream,
    ctx: &Ctx,
    connection: &Connection,
    begin: Begin<'_>,
) -> Result<(Go, Uuid), Failed> {
    // 160 bits, and an XML name: SAML's request ID and OIDC's state alike.
    let state = format!("_{}", hex(&random::<20>()));
    let mut row = new_row(service, ctx, connection, &begin, &state)?;
    let (went, oidc) = leave(service, upstream, connection, &begin, &state).await;
    let secrets = Secrets { oidc, ..Secrets::default() };
    row.secrets = seal(service, row.id, &secrets)?;
    let now = service.clock.now();
    let to = match &went {
        Ok(Go::Redirect(url)) | Ok(Go::Post { action: url, .. }) => {
            Some(url.split('?').next().unwrap_or(url).to_owned())
        }
        Err(_) => None,
    };
    let mut steps = vec![Step {
        name: "begin".to_owned(),
        at: now,
        ok: went.is_ok(),
        expected: None,
        got: to,
        detail: Some(json!({"type": connection.row.kind, "purpose": begin.purpose})),
    }];
    if let Err(refused) = &went {
        if !service.strangers.may_leave_trace(ctx) {
            return Err(Failed::untraced(refused.clone()));
        }
        steps.push(failed_step(now, refused));
        row.status = Status::Failed;
        row.reason = Some(refused.reason.clone());
        row.finished_at = Some(now);
    }
    row.steps = serde_json::to_value(&steps).map_err(Error::internal)?;
    let (id, code) = (row.id, row.code.clone());
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        tx.insert(row).await
    };
    service.db.write(ctx, work).await.map_err(Error::from)?;
    match went {
        Ok(go) => Ok((go, id)),
        Err(refused) => Err(Failed { code: Some(code), error: Error::of(&refused), refused: Some(refused) }),
    }
}

/// Bytes of an attempt in the store, about: what goes on afterwards, and what every attempt has.
pub(crate) fn begun_bytes(continues: &Continues) -> Result<usize, Error> {
    const ALWAYS: usize = 1024;
    Ok(serde_json::to_string(continues).map_err(Error::internal)?.len().saturating_add(ALWAYS))
}

fn new_row(
    tools: &Tools,
    ctx: &Ctx,
    connection: &Connection,
    begin: &Begin<'_>,
    state: &str,
) -> Result<Model, Error> {
    let now = tools.clock.now();
    Ok(Model {
        tenant_id: connection.row.tenant_id,
        organization_id: connection.row.organization_id,
        id: ids::new(),
        connection_id: connection.row.id,
        // 40 bits: the code under which support finds the attempt.
        code: readable_code::<2>(),
        purpose: begin.purpose,
        status: Status::Started,
        state_digest: sha256(state.as_bytes()).to_vec(),
        browser_digest: sha256(begin.browser.as_bytes()).to_vec(),
        secrets: Vec::new(),
        invitation_digest: begin.wishes.invitation.clone(),
        continues: serde_json::to_value(&begin.continues).map_err(Error::internal)?,
        steps: json!([]),
        reason: None,
        user_id: None,
        proof_attempts: 0,
        request_id: ctx.request_id.clone(),
        ip_address: ctx.ip_address.map(|address| address.to_string()),
        started_at: now,
        expires_at: now + LIFETIME,
        finished_at: None,
    })
}

/// A row for an answer to no request. Whoever calls has counted it among what strangers begin.
pub(crate) async fn unsolicited(
    service: &TenantService,
    ctx: &Ctx,
    connection: &Connection,
    browser: &str,
) -> Result<Model, Error> {
    let begin =
        Begin { purpose: Purpose::SignIn, continues: Continues::Home, wishes: Wishes::default(), browser };
    let state = format!("_{}", ids::new().simple());
    let mut row = new_row(service, ctx, connection, &begin, &state)?;
    row.status = Status::Answered;
    row.secrets = seal(service, row.id, &Secrets::default())?;
    let inserted = row.clone();
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        tx.insert(inserted).await
    };
    service.db.write(ctx, work).await?;
    Ok(row)
}

async fn leave(
    service: &TenantService,
    upstream: &Upstream,
    connection: &Connection,
    begin: &Begin<'_>,
    state: &str,
) -> (Result<Go, Refused>, Option<OidcSecrets>) {
    let verb = match begin.purpose {
        Purpose::SignIn => ConnectionVerb::SignIn,
        Purpose::Test => ConnectionVerb::Test,
    };
    if connection.row.state().after(verb).is_none() {
        return (Err(Refused::new(Reason::ConnectionDisabled)), None);
    }
    match &connection.kind {
        Kind::Oidc(settings) => {
            match upstream.providers.begin(service, connection, settings, state, &begin.wishes).await {
                Ok((url, secrets)) => (Ok(Go::Redirect(url.into())), Some(secrets)),
                Err(refused) => (Err(refused), None),
            }
        }
        Kind::Saml(settings, known) => {
            let wishes = SamlWishes {
                login_hint: begin.wishes.login_hint.as_deref(),
                again: begin.wishes.prompt.as_deref() == Some("login") || begin.wishes.max_age == Some(0),
            };
            let provider = (settings, known.as_ref());
            let went = saml::begin(service, &upstream.saml, connection, provider, state, &wishes).await;
            (went.map_err(saml_refused), None)
        }
    }
}

fn saml_refused(error: connections::Error) -> Refused {
    use connections::Error;
    use saml_core::{Reason as R, Refusal};
    match error {
        Error::ProviderUnknown | Error::CertificateMissing | Error::SignInAddressMissing => {
            Refusal::new(R::CertificateMissing).into()
        }
        Error::UrlRefused | Error::MetadataUrlRefused { .. } => {
            Refused::new(Reason::UrlRefused).got(error.sentence())
        }
        Error::Invalid(Invalid(errors)) => {
            let place = errors.into_iter().next().map(|error| error.detail).unwrap_or_default();
            Refusal::new(R::MetadataUnusable).got(place).into()
        }
        Error::MetadataUnreachable { .. } => Refusal::new(R::MetadataUnusable).got(error.sentence()).into(),
        _ => Refused::new(Reason::Internal),
    }
}

pub(crate) fn seal(tools: &Tools, id: Uuid, secrets: &Secrets) -> Result<Vec<u8>, Error> {
    let plain = serde_json::to_vec(secrets).map_err(Error::internal)?;
    Ok(tools.envelope.seal("sign_in", id.as_bytes(), &plain)?)
}

pub(crate) fn open(tools: &Tools, row: &Model) -> Result<Secrets, Error> {
    let plain = tools.envelope.open("sign_in", row.id.as_bytes(), &row.secrets)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

/// Takes the row that an answer names: once, in time, of this connection.
pub(crate) async fn take(service: &TenantService, connection: Uuid, state: &str) -> Result<Model, Error> {
    let digest = sha256(state.as_bytes()).to_vec();
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        let change = tx
            .change::<Entity>()
            .col_expr(Column::Status, Expr::value(Status::Answered))
            .filter(Column::ConnectionId.eq(connection))
            .filter(Column::StateDigest.eq(digest.clone()))
            .filter(Column::Status.eq(Status::Started))
            .filter(Column::ExpiresAt.gt(tx.now()));
        if tx.apply(change).await? != 1 {
            return Err(Error::StateUnknown);
        }
        let select = tx.select::<Entity>().filter(Column::ConnectionId.eq(connection));
        tx.one(select.filter(Column::StateDigest.eq(digest.clone()))).await?.ok_or(Error::StateUnknown)
    };
    service.db.write(&Ctx::system("sign-in"), work).await
}

/// A row of the tenant.
pub(crate) async fn find(view: &View, id: Uuid) -> Result<Model, Error> {
    let found = view.one(view.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::StateUnknown)
}

/// A row of the tenant, locked: it is written as a whole.
pub(crate) async fn locked(tx: &Tx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::StateUnknown)
}

/// Whether the browser is the one that began.
pub(crate) fn same_browser(row: &Model, cookie: Option<&str>) -> bool {
    cookie.is_some_and(|cookie| platform::crypto::same(&sha256(cookie.as_bytes()), &row.browser_digest))
}

/// Adds a step.
pub(crate) fn push(row: &mut Model, step: Step) -> Result<(), Error> {
    let step = serde_json::to_value(step).map_err(Error::internal)?;
    if let Value::Array(steps) = &mut row.steps {
        steps.push(step);
    }
    Ok(())
}

/// How many more codes are compared.
pub(crate) fn proofs_left(row: &Model) -> i64 {
    (PROOFS_MAX - row.proof_attempts).max(0)
}

/// The connection of a row.
pub(crate) async fn connection_of(service: &TenantService, row: &Model) -> Result<Connection, Error> {
    let find = async |view: &View| connections::find(view, row.connection_id).await;
    Ok(service.db.read(find).await?)
}

/// Who can mend a stored reason, and how.
pub(crate) fn advice(row: &Model) -> Option<(ResponsibleParty, String)> {
    Refused::advice(row.reason.as_deref()?)
}
