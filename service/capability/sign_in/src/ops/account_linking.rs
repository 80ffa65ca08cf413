//! Account linking and JIT provisioning: somebody whom a connection's provider vouches for comes in, or doesn't. `directory` decides.

use connections::{Connection, Profile};
use directory::{Applicant, Made, NotAdmitted, Outcome};
use identity_core::{Groups, Proof};
use platform::Tx;
use uuid::Uuid;

use crate::error::Error;

/// Why somebody doesn't come in.
#[derive(Debug)]
pub struct NotIn {
    /// The organization that refuses, as far as one was found.
    pub organization: Option<Uuid>,
    /// Why.
    pub error: Error,
}

impl From<Error> for NotIn {
    fn from(error: Error) -> Self {
        Self { organization: None, error }
    }
}

impl From<NotIn> for Error {
    fn from(refused: NotIn) -> Self {
        refused.error
    }
}

impl From<NotAdmitted> for NotIn {
    fn from(refused: NotAdmitted) -> Self {
        Self { organization: refused.organization, error: refused.error.into() }
    }
}

/// Lets the person of a profile in, by the connection as it is now. `proven`: what they proved by a mailed code.
///
/// # Errors
/// [`Error::Tenant`], [`connections::Error::ConnectionDisabled`], and what [`directory::admit`] refuses.
pub async fn admit(
    tx: &mut Tx,
    connection: &Connection,
    profile: &Profile,
    proven: Option<Proof>,
) -> Result<Outcome, NotIn> {
    tenancy::active(tx).await.map_err(Error::from)?;
    let now = connections::enabled(tx, connection.row.id).await.map_err(Error::from)?;
    if connections::is_another(connection.row.issuer.as_ref(), now.row.issuer.as_ref()) {
        // It was pointed at another provider than the one that answered.
        return Err(Error::from(connections::Error::ConnectionDisabled).into());
    }
    let applicant = Applicant {
        subject: Some(&profile.subject),
        address: profile.email.as_deref(),
        verified: profile.email_verified,
        proven,
        groups: profile.groups.clone().map_or(Groups::NotSaid, Groups::Said),
        organization: Some(now.row.organization_id),
        made: Made::Named(profile.name.as_deref()),
        ..Applicant::new(now.source())
    };
    Ok(directory::admit(tx, applicant).await?)
}
