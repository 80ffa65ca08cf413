//! What the steps of the gate work with, and what they leave for the edge.

use std::sync::Arc;

use uuid::Uuid;

use crate::Service;
use crate::access::{Access, CountFailures, Target};
use crate::bodies::Bodies;
use crate::credential::{Authenticator, Principal};
use crate::journal::Journal;
use crate::limits::Limits;
use crate::problem::Dialect;

/// What the gates of one process share.
pub(crate) struct Gatekeeper {
    pub(crate) service: Service,
    pub(crate) keys: Arc<dyn Authenticator>,
    pub(crate) scim: Arc<dyn Authenticator>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) journal: Arc<dyn Journal>,
}

/// The rules of one route.
pub(crate) struct Rules {
    pub(crate) access: Access,
    pub(crate) dialect: Dialect,
    pub(crate) pattern: &'static str,
    pub(crate) body_bytes_max: usize,
    pub(crate) failures: CountFailures,
    pub(crate) target: Option<Target>,
}

/// The request's id, put there by the edge.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// What the edge needs to know when the answer passes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: Option<Uuid>,
    pub(crate) principal: Option<Principal>,
}
