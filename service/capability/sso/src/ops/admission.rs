//! Somebody whom a connection's provider vouches for comes in, or doesn't: `directory` decides.

use directory::{Comer, Made, Outcome};
use identity_core::{Groups, Proof};
use platform::Tx;
use web::{Code, Denied, Problem};

use super::connections::{self, Connection};
use super::policy;
use crate::settings::Profile;

/// Lets the person of a profile in, by the connection as it is now. `proven`: what they proved by a mailed code.
///
/// # Errors
/// `tenant.*`, `connection.disabled`, and what [`directory::admit`] refuses.
pub(crate) async fn admit(
    tx: &mut Tx,
    connection: &Connection,
    profile: &Profile,
    proven: Option<Proof>,
) -> Result<Outcome, Denied> {
    tenancy::active(tx).await.map_err(Problem::from)?;
    let now = policy::enabled(tx, connection.row.id).await?;
    if connections::is_another(connection.row.issuer.as_ref(), now.row.issuer.as_ref()) {
        // It was pointed at another provider than the one that answered.
        return Err(Problem::new(Code::ConnectionDisabled).into());
    }
    let comer = Comer {
        subject: Some(&profile.subject),
        address: profile.email.as_deref(),
        verified: profile.email_verified,
        proven,
        groups: profile.groups.clone().map_or(Groups::NotSaid, Groups::Said),
        organization: Some(now.row.organization_id),
        made: Made::Named(profile.name.as_deref()),
        ..Comer::new(now.source())
    };
    Ok(directory::admit(tx, comer).await?)
}
