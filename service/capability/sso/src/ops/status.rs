//! Where an attempt to sign in is. Only an open one goes on, and it ends once.

use entity::sso::sign_in::Model;
use platform::Timestamp;
use uuid::Uuid;
use web::{Code, Problem, Service};

use super::sign_in::{Secrets, seal};

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The browser was sent to the provider.
    Started,
    /// It came back.
    Answered,
    /// The person must prove that an account is theirs.
    Proving,
    /// Over: signed in, or tested.
    Succeeded,
    /// Over, with a reason.
    Failed,
}

impl Status {
    const ALL: [Status; 5] =
        [Status::Started, Status::Answered, Status::Proving, Status::Succeeded, Status::Failed];

    /// Its name in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Started => "started",
            Status::Answered => "answered",
            Status::Proving => "proving",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
        }
    }

    /// Whether this is where the attempt is.
    pub(crate) fn is_of(self, row: &Model) -> bool {
        row.status == self.name()
    }

    fn is_open(self) -> bool {
        match self {
            Status::Started | Status::Answered | Status::Proving => true,
            Status::Succeeded | Status::Failed => false,
        }
    }
}

/// Whether an attempt can still go on or end.
pub(crate) fn is_open(row: &Model) -> bool {
    Status::ALL.into_iter().any(|status| status.is_open() && status.is_of(row))
}

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
/// `sso.state_unknown` if it has ended already: how it ended stays true.
pub(crate) fn end(service: &Service, row: &mut Model, now: Timestamp, how: End<'_>) -> Result<(), Problem> {
    if !is_open(row) {
        return Err(Problem::new(Code::SsoStateUnknown));
    }
    match how {
        End::Succeeded(user) => {
            row.status = Status::Succeeded.name().to_owned();
            row.user_id = user;
        }
        End::Failed(reason) => {
            row.status = Status::Failed.name().to_owned();
            row.reason = Some(reason.to_owned());
        }
    }
    row.finished_at = Some(now);
    row.secrets = seal(service, row.id, &Secrets::default())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_not_open() {
        let open: Vec<_> =
            Status::ALL.into_iter().filter(|status| status.is_open()).map(Status::name).collect();
        assert_eq!(open, ["started", "answered", "proving"]);
    }
}
