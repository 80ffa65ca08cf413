//! Security event tokens (RFC 8417), signed with the platform's key, which `/oauth2/jwks` shows: what an event means is said by
//! the capability whose event it is.

use std::sync::Arc;

use directory::{GroupCreated, UserCreated};
use entity::platform::outbox_event;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::event::{Event as _, Unreadable};
use platform::jobs::JobError;
use serde_json::{Map, Value};
use sessions::{Keyring, SessionsEnded};
use web::{PlatformService, Tools};
use webhooks::SecurityEvents;

/// Signs them.
#[derive(Debug, Default)]
pub(crate) struct SignedEvents {
    keys: Arc<Keyring>,
}

impl SecurityEvents for SignedEvents {
    /// What happened to a resource of SCIM or to a session, and nothing else.
    fn covers(&self, kind: &str) -> bool {
        let of_scim = [UserCreated::TYPE, GroupCreated::TYPE].iter().any(|one| one.shares_noun_with(kind));
        of_scim || kind == SessionsEnded::TYPE.name
    }

    fn claims(
        &self,
        tools: &Tools,
        event: &outbox_event::Model,
        audience: &str,
    ) -> Result<Option<Map<String, Value>>, Unreadable> {
        let issuer = tools.config.public_url();
        let said = match scim::security_event(event)? {
            Some(said) => Some(said),
            None => oidc_provider::security_event(event, &issuer)?,
        };
        let Some(mut claims) = said else { return Ok(None) };
        claims.insert("iss".to_owned(), issuer.into());
        claims.insert("aud".to_owned(), audience.into());
        claims.insert("jti".to_owned(), event.id.to_string().into());
        claims.insert("iat".to_owned(), event.occurred_at.timestamp().into());
        claims.insert("txn".to_owned(), event.request_id.clone().unwrap_or_default().into());
        Ok(Some(claims))
    }

    fn sign<'a>(
        &'a self,
        service: &'a PlatformService,
        claims: &'a Map<String, Value>,
    ) -> LocalBoxFuture<'a, Result<String, JobError>> {
        async move { Ok(sessions::sign(service, &self.keys, "secevent+jwt", claims).await?) }.boxed_local()
    }
}
