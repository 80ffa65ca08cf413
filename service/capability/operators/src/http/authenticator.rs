//! Recognises operators by the cookie of our own pages, for the gate.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::PlatformView;
use uuid::Uuid;
use web::{Authenticator, Code, CredentialKind, Denied, Principal, Problem, Service};

use crate::{ops, sessions};

/// Recognises operators by their sessions. Asked of the store each time: an ended session is over at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Operators;

impl Authenticator for Operators {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>> {
        async move {
            let invalid = || Problem::new(Code::AUTH_INVALID);
            let find = async |view: &PlatformView| {
                let session = sessions::find(view, bearer).await?.ok_or_else(invalid)?;
                let operator = ops::find(view, session.operator_id).await?;
                operator.filter(|operator| operator.disabled_at.is_none()).ok_or_else(invalid)
            };
            let operator = service.db.read_platform(find).await?;
            Ok(Principal {
                kind: CredentialKind::Operator,
                id: operator.id,
                role: operator.role.into(),
                tenant: None,
                organization: None,
                rate_multiplier: None,
                compat: false,
                addresses: Arc::default(),
                dry_run: None,
            })
        }
        .boxed_local()
    }

    fn is_live<'a>(
        &'a self,
        service: &'a Service,
        _: CredentialKind,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        async move {
            let find = async |view: &PlatformView| ops::find(view, id).await;
            let operator = service.db.read_platform(find).await?;
            Ok(operator.is_some_and(|operator| operator.disabled_at.is_none()))
        }
        .boxed_local()
    }
}
