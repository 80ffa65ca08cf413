//! Where an attempt to sign in is. Only an open one goes on, and it ends once.

use entity::sign_in::attempt::Model;
pub(crate) use entity::sign_in::states::SignInStatus as Status;
use platform::Timestamp;
use uuid::Uuid;
use web::Tools;

use super::sign_in::{Secrets, seal};
use crate::error::Error;

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    /// As this person; a test is nobody's.
    Succeeded(Option<Uuid>),
    /// For this reason.
    Failed(&'a str),
}

/// Ends an attempt, whose row is locked. Nothing of what it kept secret is needed any more.
///
/// # Errors
/// [`Error::StateUnknown`] if it has ended already: how it ended stays true.
pub(crate) fn end(tools: &Tools, row: &mut Model, now: Timestamp, how: End<'_>) -> Result<(), Error> {
    if !row.status.is_open() {
        return Err(Error::StateUnknown);
    }
    match how {
        End::Succeeded(user) => {
            row.status = Status::Succeeded;
            row.user_id = user;
        }
        End::Failed(reason) => {
            row.status = Status::Failed;
            row.reason = Some(reason.to_owned());
        }
    }
    row.finished_at = Some(now);
    row.secrets = seal(tools, row.id, &Secrets::default())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_not_open() {
        let open = Status::ALL.iter().filter(|status| status.is_open()).map(|status| status.as_str());
        let open: Vec<_> = open.collect();
        assert_eq!(open, ["started", "answered", "proving"]);
    }
}
