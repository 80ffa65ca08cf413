//! What Zitadel's events say about its organizations and people.

use entity::directory::states::UserVerb;
use entity::directory::user;
use entity::ids::OrganizationId;
use entity::inbox::event;
use entity::tenancy::states::{IdentityBackend, SuspendedBy};
use entity::tenancy::tenant;
use platform::refusal::{Classified as _, Retry};
use platform::{Ctx, Tx, View, Work as _};
use serde_json::Value;
use tenancy::Status;
use uuid::Uuid;
use web::Service;

use crate::error::Error;
use crate::processed::Processed;

/// What is said of somebody's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Given,
    Taken,
}

impl From<bool> for Access {
    fn from(active: bool) -> Self {
        if active { Self::Given } else { Self::Taken }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Organization(Access),
    Person(Access),
}

/// How Zitadel's word came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// By an event, of this number where it has one: of one organization or person a later event has a higher one.
    Event(Option<i64>),
    /// It was asked, when this event was the last that had been applied.
    Reading(Option<i64>),
}

impl Word {
    /// Whether it still says something where `last` is the last event that was applied.
    pub(crate) fn counts(self, last: Option<i64>) -> bool {
        match (self, last) {
            (Self::Event(Some(sequence)), Some(last)) => sequence > last,
            (Self::Event(_), _) => true,
            // What came after the question may be newer than the answer.
            (Self::Reading(before), last) => before == last,
        }
    }

    /// What happens to somebody of whom it says this. An event is wished by somebody, a reading by nobody: whose word it was that switched
    /// somebody off before that was noted nobody knows.
    pub(crate) fn verb(self, access: Access) -> UserVerb {
        match (access, self) {
            (Access::Taken, _) => UserVerb::DeactivateByBackend,
            (Access::Given, Self::Event(_)) => UserVerb::ActivateByBackend,
            (Access::Given, Self::Reading(_)) => UserVerb::Found,
        }
    }

    /// What is to be remembered of it.
    fn sequence(self) -> Option<i64> {
        match self {
            Self::Event(sequence) => sequence,
            Self::Reading(_) => None,
        }
    }

    /// What became of it where it doesn't count.
    fn passed_over(self) -> String {
        match self {
            Self::Event(_) => "this word, or a later one, is known".to_owned(),
            Self::Reading(_) => "the user changed meanwhile".to_owned(),
        }
    }
}

/// What an event means; `None`: nothing that concerns us.
pub(crate) fn meaning(kind: &str) -> Option<Meaning> {
    match kind {
        "org.deactivated" | "org.removed" => Some(Meaning::Organization(Access::Taken)),
        "org.reactivated" => Some(Meaning::Organization(Access::Given)),
        "user.deactivated" | "user.locked" | "user.removed" => Some(Meaning::Person(Access::Taken)),
        "user.reactivated" | "user.unlocked" => Some(Meaning::Person(Access::Given)),
        _ => None,
    }
}

/// Does what an event means.
pub(crate) async fn process(service: &Service, event: &event::Model) -> Result<Processed, Error> {
    let Some(meaning) = meaning(&event.r#type) else { return Ok(Processed::new("of no concern")) };
    let text = |name: &str| event.payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let organization = match meaning {
        Meaning::Organization(_) => text("aggregateID"),
        Meaning::Person(_) => text("resourceOwner"),
    };
    let Some(id) = tenant_of(service, organization).await? else {
        return Ok(Processed::new("no tenant is this organization"));
    };
    let issuers = backends::zitadel_issuers(service).await?;
    let person = text("aggregateID");
    let word = Word::Event(sequence(&event.payload));
    let work = async |tx: &mut Tx| match meaning {
        Meaning::Organization(access) => follow(tx, access, word).await,
        Meaning::Person(access) => switch(tx, &issuers, person, (access, word)).await,
    };
    let outcome = match service.db.write(&Ctx::system(directory::BACKEND), id, work).await {
        // The last admin stays, a guard holds, the plan is full: somebody here has to decide.
        Err(error) if error.retry() == Retry::Never => format!("refused: {}", error.code()),
        other => other?,
    };
    Ok(Processed::As(outcome))
}

/// The number of an event among those of its organization or person.
fn sequence(payload: &Value) -> Option<i64> {
    let one = payload.get("sequence")?;
    one.as_i64().or_else(|| one.as_str()?.parse().ok())
}

/// The tenant whose org this is.
async fn tenant_of(service: &Service, organization: &str) -> Result<Option<Uuid>, Error> {
    let Some(id) = service.db.tenant_of(tenancy::by_external_id(organization)).await? else {
        return Ok(None);
    };
    let row: tenant::Model = service.db.read(id, async |view: &View| tenancy::get(view).await).await?;
    Ok((row.identity_backend == IdentityBackend::Zitadel).then_some(id))
}

/// A tenant follows its org: what the backend cut off is cut off here, and let in again if that was why. The last word counts, whichever
/// comes last.
pub(crate) async fn follow(tx: &mut Tx, access: Access, word: Word) -> Result<String, Error> {
    let mut tenant = tenancy::locked(tx).await?;
    if !word.counts(tenant.identity_sequence) {
        tx.housekeeping();
        return Ok(word.passed_over());
    }
    if let Some(sequence) = word.sequence() {
        tenant.identity_sequence = Some(sequence);
        tx.update(tenant.clone()).await?;
    }
    match (access, tenant.status) {
        (Access::Taken, Status::Active) => {
            tenancy::suspend(tx, SuspendedBy::Backend).await?;
            Ok("suspended".to_owned())
        }
        (Access::Given, Status::Suspended) if tenant.suspended_by == Some(SuspendedBy::Backend) => {
            let row = tenancy::lift(tx, SuspendedBy::Backend).await?;
            let resumed = row.status == Status::Active;
            Ok(if resumed { "resumed" } else { "the tenant stays suspended because of its payments" }
                .to_owned())
        }
        _ => {
            tx.housekeeping();
            Ok(format!("the tenant is {}", tenant.status))
        }
    }
}

/// The person who is known by this subject follows.
pub(crate) async fn switch(
    tx: &mut Tx,
    issuers: &[String],
    subject: &str,
    (access, word): (Access, Word),
) -> Result<String, Error> {
    for issuer in issuers {
        let Some(found) = directory::user_by_identity(tx, issuer, subject).await? else { continue };
        // Read again under its lock: what is written is the whole row.
        if let Some(user) =
            directory::user_locked(tx, OrganizationId(found.organization_id), found.id).await?
        {
            let last = directory::last_word(tx, issuer, subject).await?;
            if !word.counts(last) {
                tx.housekeeping();
                return Ok(word.passed_over());
            }
            if let Some(sequence) = word.sequence() {
                directory::record_last_word(tx, issuer, subject, sequence).await?;
            }
            return person(tx, user, access, word).await;
        }
    }
    tx.housekeeping();
    Ok("nobody is linked to this person".to_owned())
}

/// A person, whose row is locked, follows a word that counts.
async fn person(tx: &mut Tx, user: user::Model, access: Access, word: Word) -> Result<String, Error> {
    let (was, verb) = (user.state(), word.verb(access));
    let outcome = match was.after(verb) {
        None => "somebody else switched this person off",
        Some(is) if is == was => "as it was",
        Some(is) => {
            directory::switch(tx, user, verb).await?;
            return Ok(if is.is_active() { "reactivated" } else { "deactivated" }.to_owned());
        }
    };
    tx.housekeeping();
    Ok(outcome.to_owned())
}

#[cfg(test)]
mod tests {
    use entity::directory::states::{DeactivatedBy, UserState};

    use super::*;

    #[test]
    fn events_that_take_or_give_access_have_a_meaning() {
        assert_eq!(meaning("user.locked"), Some(Meaning::Person(Access::Taken)));
        assert_eq!(meaning("org.reactivated"), Some(Meaning::Organization(Access::Given)));
        assert_eq!(meaning("user.human.added"), None);
    }

    #[test]
    fn the_last_word_counts_whichever_comes_last() {
        for (word, last, counts) in [
            (Word::Event(Some(12)), None, true),
            (Word::Event(Some(12)), Some(11), true),
            (Word::Event(Some(12)), Some(12), false),
            (Word::Event(Some(11)), Some(12), false),
            // Without a number nobody can tell.
            (Word::Event(None), Some(12), true),
            (Word::Event(None), None, true),
            (Word::Reading(None), None, true),
            (Word::Reading(Some(12)), Some(12), true),
            // An event came since it was asked.
            (Word::Reading(None), Some(12), false),
            (Word::Reading(Some(12)), Some(13), false),
        ] {
            assert_eq!(word.counts(last), counts, "{word:?} {last:?}");
        }
    }

    #[test]
    fn the_backend_lets_in_again_whom_it_cut_off_itself() {
        let (event, reading) = (Word::Event(Some(12)), Word::Reading(Some(11)));
        for (by, outcome, read) in [
            (Some(DeactivatedBy::Backend), true, true),
            (Some(DeactivatedBy::Directory), false, false),
            (Some(DeactivatedBy::Admin), false, false),
            (None, true, false),
        ] {
            let gives = |word: Word| UserState::off(by).after(word.verb(Access::Given)).is_some();
            assert_eq!((gives(event), gives(reading)), (outcome, read), "{by:?}");
        }
    }

    #[test]
    fn an_event_has_its_number_as_a_number_or_as_text() {
        for (payload, wanted) in [
            (serde_json::json!({"sequence": 12}), Some(12)),
            (serde_json::json!({"sequence": "12"}), Some(12)),
            (serde_json::json!({"sequence": u64::MAX}), None),
            (serde_json::json!({}), None),
        ] {
            assert_eq!(sequence(&payload), wanted, "{payload}");
        }
    }
}
