//! A refusal, and whose door it was.

use platform::crypto::HashError;
use platform::{DbError, Target};
use serde_json::Value;
use uuid::Uuid;

use crate::Problem;

/// A refusal, and whose door it was as far as that was known by then: its record stands where that tenant's admin looks.
#[derive(Debug)]
pub struct Denied {
    /// The tenant.
    pub tenant: Option<Uuid>,
    /// The organization of the tenant.
    pub organization: Option<Uuid>,
    /// The credential, where it was shown to be its holder's: its records are counted apart from strangers'.
    pub credential: Option<Uuid>,
    /// Why.
    pub problem: Problem,
}

impl Denied {
    /// Of this tenant; what is known more exactly stays.
    #[must_use]
    pub fn at(self, tenant: Uuid, organization: Option<Uuid>) -> Self {
        Self {
            tenant: self.tenant.or(Some(tenant)),
            organization: self.organization.or(organization),
            ..self
        }
    }

    /// The target of the record, with what refused.
    pub(crate) fn annotate(&self, mut target: Target) -> Target {
        if !target.details.is_object() {
            target.details = Value::Object(serde_json::Map::new());
        }
        if let Value::Object(details) = &mut target.details {
            details.insert("code".to_owned(), self.problem.code.name().into());
            if let Some(organization) = self.organization {
                details.insert("organizationId".to_owned(), organization.to_string().into());
            }
        }
        target
    }
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self { tenant: None, organization: None, credential: None, problem }
    }
}

impl From<DbError> for Denied {
    fn from(error: DbError) -> Self {
        Problem::from(error).into()
    }
}

impl From<HashError> for Denied {
    fn from(error: HashError) -> Self {
        Problem::from(error).into()
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        denied.problem
    }
}
