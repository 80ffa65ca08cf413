//! The end of sessions: asked for by the browser, by a module, by the identity provider; and told to modules.

use std::collections::BTreeSet;
use std::time::Duration;

use connections::{Connection, Kind, Providers, skew};
use entity::platform::outbox_event;
use exchange::{ALGORITHMS, Audience};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use jsonwebtoken::{DecodingKey, Validation, decode};
use platform::http::HttpError;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, Tx, Work as _, ids};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessions::{Ended, Keyring};
use url::Url;
use uuid::Uuid;
use web::{Service, TenantService};

use crate::error::Error;

/// What a back-channel logout token is about (OpenID Connect Back-Channel Logout, section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Bytes of a token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Sessions whose notices are written in one go.
const BATCH: u64 = 200;
/// Seconds in which a logout token counts.
const TOKEN_LIFETIME: i64 = 120;

/// Hears that sessions ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotifiesClients;

impl Subscriber for NotifiesClients {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        async move {
            // One change ends several sessions, at one instant.
            let ended: BTreeSet<_> =
                events.iter().filter_map(|event| Some((event.tenant_id?, event.occurred_at))).collect();
            if ended.is_empty() {
                return Ok(());
            }
            let wanted = modules::clients_that_hear_logouts(tx).await?;
            for (tenant, at) in ended {
                notify_clients(tx, &wanted, tenant, at, None).await?;
            }
            Ok(())
        }
        .boxed_local()
    }
}

/// Leaves a notice for each session that ended at that instant and whose client wants to hear; what doesn't fit goes on in a
/// job of its own.
async fn notify_clients(
    tx: &mut PlatformTx,
    wanted: &[String],
    tenant: Uuid,
    at: platform::Timestamp,
    after: Option<Uuid>,
) -> Result<(), DbError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = sessions::ended_at(tx, (tenant, at), wanted, after, BATCH).await?;
    for row in &rows {
        tx.enqueue(&Notify { tenant, session: row.id, client_id: row.client_id.clone() });
    }
    if rows.len() as u64 == BATCH
        && let Some(last) = rows.last()
    {
        tx.enqueue(&NotifyMore { tenant, at, after: last.id });
    }
    Ok(())
}

/// Goes on notifying.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct NotifyMore {
    tenant: Uuid,
    at: platform::Timestamp,
    after: Uuid,
}

impl Job for NotifyMore {
    const KIND: &'static str = "session.notify_more";
    const CLASS: Class = Class::Maintenance;
    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Tells one client that one session ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Notify {
    tenant: Uuid,
    session: Uuid,
    client_id: String,
}

impl Job for Notify {
    const KIND: &'static str = "session.notify";
    const CLASS: Class = Class::Delivery;
    const ATTEMPTS_MAX: u32 = 10;
    fn lane(&self) -> Option<String> {
        Some(format!("logout:{}", self.client_id))
    }
    fn dedupe_key(&self) -> Option<String> {
        Some(self.session.to_string())
    }
    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs the notices.
pub(crate) fn handlers(service: &Service) -> Vec<Handler> {
    let backoff = Backoff {
        base: Duration::from_millis(service.config.section::<delivery::Settings>().retry_base_ms),
        max: Duration::from_secs(3600),
    };
    let keys = std::rc::Rc::new(Keyring::default());
    let (for_notify, for_more) = (service.clone(), service.clone());
    vec![
        Handler::new(backoff, move |job: Notify, _| notify(for_notify.clone(), keys.clone(), job)),
        Handler::new(Backoff::default(), move |job: NotifyMore, _| {
            let service = for_more.clone();
            async move {
                let work = async |tx: &mut PlatformTx| {
                    tx.housekeeping();
                    let wanted = modules::clients_that_hear_logouts(tx).await?;
                    notify_clients(tx, &wanted, job.tenant, job.at, Some(job.after)).await
                };
                Ok(service.db.write_platform(&Ctx::system("logout notices"), work).await?)
            }
        }),
    ]
}

async fn notify(service: Service, keys: std::rc::Rc<Keyring>, job: Notify) -> Result<(), JobError> {
    let client = modules::client(&service, &job.client_id).await?;
    let Some(uri) = client.and_then(|client| client.backchannel_logout_uri) else { return Ok(()) };
    let url = Url::parse(&uri).map_err(|_| JobError::Fail("unreadable URL".to_owned()))?;
    let read = async |view: &platform::View| {
        let session = sessions::find(view, job.session).await?;
        let tenant = tenancy::find(view).await?;
        Ok::<_, DbError>(session.zip(tenant))
    };
    let Some((session, tenant)) = service.of(job.tenant).db.read(read).await? else { return Ok(()) };
    let platform = service.config.public_url();
    let (realm, issuer) = match &session.token_issuer {
        Some(issuer) if *issuer == platform => (None, platform),
        _ => tenancy::issuer_of(&tenant, &platform),
    };
    let now = service.db.clock().now().timestamp();
    let claims = json!({
        "iss": issuer, "sub": session.user_id, "aud": session.client_id, "iat": now, "exp": now + TOKEN_LIFETIME,
        "jti": ids::new(), "sid": session.id, "events": {EVENT: {}},
    });
    let token = sessions::sign_for(&service, &keys, realm, "logout+jwt", &claims).await?;
    let body =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    match service.http.post(&url, &headers, body.into_bytes()).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        // 400: it couldn't log the session out (section 2.8); again won't help.
        Ok(answer) if answer.status == 400 => {
            Err(JobError::Fail("the module refused the logout token".to_owned()))
        }
        Ok(answer) => Err(JobError::Retry {
            reason: format!("the module answered {}", answer.status),
            after: answer.retry_after,
        }),
        Err(HttpError::Refused(why)) => Err(JobError::Fail(why.to_string())),
        Err(HttpError::Impossible(why)) => Err(JobError::Fail(why.to_owned())),
        Err(error) => Err(JobError::retry(error)),
    }
}

/// The claims of an identity provider's logout token.
#[derive(Debug, Deserialize)]
struct LogoutClaims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: Option<i64>,
    jti: String,
    sub: Option<String>,
    sid: Option<String>,
    events: std::collections::BTreeMap<String, Value>,
    nonce: Option<Value>,
}

fn refused(why: &'static str) -> Error {
    Error::LogoutTokenRefused { why }
}

/// Ends what a provider's logout token names (OpenID Connect Back-Channel Logout, section 2.6).
pub(crate) async fn by_token(
    service: &TenantService,
    providers: &Providers,
    ctx: &Ctx,
    connection: &Connection,
    token: &str,
) -> Result<u64, Error> {
    let Kind::Oidc(settings) = &connection.kind else { return Err(Error::NotFound) };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    let header = sessions::header(token).ok_or_else(|| refused("it is not a JWT, or demands extensions"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is not one that is taken"));
    }
    let key = providers.key(service, connection, settings, header.kid.as_deref()).await;
    let key = key.map_err(|_| refused("the provider's keys can't be fetched"))?;
    let key = key.ok_or_else(|| refused("its key is unknown"))?;
    let decoding = DecodingKey::from_jwk(&key).map_err(|_| refused("its key can't be used"))?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = decode::<LogoutClaims>(token, &decoding, &validation)
        .map_err(|_| refused("its signature or claims are wrong"))?
        .claims;
    let now = service.clock.now();
    let skew = skew(service).num_seconds();
    let wrong = if claims.iss != settings.issuer {
        Some("its issuer is another")
    } else if !claims.aud.list().contains(&settings.client_id) {
        Some("it is for another audience")
    } else if claims.nonce.is_some() {
        Some("it has a nonce: an ID token is none")
    } else if !claims.events.contains_key(EVENT) {
        Some("it has no logout event")
    } else if claims.sub.is_none() && claims.sid.is_none() {
        Some("it names neither a person nor a session")
    } else if claims.iat > now.timestamp() + skew || claims.iat + 600 < now.timestamp() {
        Some("it is not fresh")
    } else if claims.exp.is_some_and(|exp| exp + skew <= now.timestamp()) {
        Some("it has expired")
    } else {
        None
    };
    if let Some(why) = wrong {
        return Err(refused(why));
    }
    let until = now + chrono::TimeDelta::minutes(15);
    let jti = format!("logout:{}", claims.jti);
    // A named session is that one; what it is called there need not be what the person is called here.
    let subject = claims.sub.as_deref().filter(|_| claims.sid.is_none());
    end_upstream(service, ctx, connection, (&jti, until), subject, claims.sid.as_deref()).await
}

/// Ends the browser sessions that a provider knows by subject or by its own session's name; a message counts once.
pub(crate) async fn end_upstream(
    service: &TenantService,
    ctx: &Ctx,
    connection: &Connection,
    (message, until): (&str, platform::Timestamp),
    subject: Option<&str>,
    upstream_sid: Option<&str>,
) -> Result<u64, Error> {
    let id = connection.row.id;
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        if !sign_in::take_once(tx, id, message, until).await? {
            return Err(refused("it was used before"));
        }
        let found = sessions::browsers_of_subject(tx, id, subject, upstream_sid).await?;
        for browser in &found {
            sessions::end_browser(tx, browser, Ended::ProviderSignedOut).await?;
        }
        Ok(found.len() as u64)
    };
    service.db.write(ctx, work).await
}
