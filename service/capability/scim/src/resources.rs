//! Operations on resources within a transaction: what handlers, bulk requests and replays share.

use directory::{Admitted, Applicant, Made, Member, MemberEdit, Membership, Outcome};
use entity::directory::{group, user};
use entity::ids::OrganizationId;
use identity_core::Source;
use platform::refusal::VersionMismatch;
use platform::{Tx, View};
use policy_core::TenantRole;
use quota::Usage;
use scim_core::bulk::Method;
use scim_core::document::Document;
use scim_core::patch::cost::Extent;
use scim_core::patch::{self, MemberChange, Patch};
use scim_core::resource::{self, Normalized, Projection, Resource, check_immutable};
use scim_core::{ErrorType, ScimError};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::Error;
use crate::represent;
use crate::state::{Scope, Type};
use crate::work::Work;

/// Members that are put into an answer at once; more are streamed.
pub(crate) const MEMBERS_BUFFERED: usize = 2_000;
/// What a user has before a group or an admin gives them a role.
const ROLE: TenantRole = TenantRole::Viewer;

/// A write whose body was read and checked.
#[derive(Debug)]
pub(crate) enum Write {
    /// Attributes and members.
    Create(Resource, Vec<Uuid>),
    /// The same, of this one.
    Replace(Uuid, Resource, Vec<Uuid>),
    /// Operations on attributes, and on members.
    Patch(Uuid, Patch, Vec<MemberEdit>),
    Delete(Uuid),
}

/// Which versions the client saw.
pub(crate) trait Seen {
    fn is_given(&self) -> bool;
    fn require(&self, version: i64) -> Result<(), VersionMismatch>;
}

impl Seen for web::IfMatch {
    fn is_given(&self) -> bool {
        web::IfMatch::is_given(self)
    }
    fn require(&self, version: i64) -> Result<(), VersionMismatch> {
        web::IfMatch::require(self, version)
    }
}

/// A row after a write.
#[derive(Debug)]
pub(crate) enum Row {
    User(Box<user::Model>),
    Group(Box<group::Model>),
    Gone,
}

/// What a write did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) row: Row,
    pub(crate) usage: Option<Usage>,
}

impl Done {
    fn of(row: Row) -> Self {
        Self { row, usage: None }
    }
}

/// Reads and checks a write.
///
/// # Errors
/// [`Error::Protocol`]; [`Error::NoUser`] or [`Error::NoGroup`] for an id that can't be one.
pub(crate) fn prepare(
    scope: &Scope,
    of: Type,
    method: Method,
    id: Option<&str>,
    body: &[u8],
) -> Result<Write, Error> {
    let id = || id.and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(|| of.not_found());
    let kind = scope.kind(of);
    let document = || Document::parse(body);
    let normalized = || resource::normalize(kind, &document()?, scope.profile);
    Ok(match method {
        Method::Post => {
            let Normalized { resource, members } = normalized()?;
            Write::Create(resource, ids(&members)?)
        }
        Method::Put => {
            let id = id()?;
            let Normalized { resource, members } = normalized()?;
            Write::Replace(id, resource, ids(&members)?)
        }
        Method::Patch => {
            let id = id()?;
            let patch = || patch::parse(kind, &document()?, scope.profile);
            let mut patch = patch()?;
            patch.check_steps(kind, Extent::default())?;
            let edits = std::mem::take(&mut patch.members);
            Write::Patch(id, patch, edits.iter().map(edit).collect::<Result<_, _>>()?)
        }
        Method::Delete => Write::Delete(id()?),
    })
}

/// How many members an edit names.
pub(crate) fn named(edit: &MemberEdit) -> usize {
    match edit {
        MemberEdit::Add(ids) | MemberEdit::Remove(ids) | MemberEdit::Replace(ids) => ids.len(),
    }
}

/// Does a write.
///
/// # Errors
/// What the directory refuses.
pub(crate) async fn apply(
    tx: &mut Tx,
    scope: &Scope,
    of: Type,
    (write, work): (Write, &mut Work),
    seen: &dyn Seen,
) -> Result<Done, Error> {
    match of {
        Type::Users => apply_user(tx, scope, (write, work), seen).await,
        Type::Groups => apply_group(tx, scope, (write, work), seen).await,
    }
}

async fn apply_user(
    tx: &mut Tx,
    scope: &Scope,
    (write, work): (Write, &mut Work),
    seen: &dyn Seen,
) -> Result<Done, Error> {
    let (organization, kind) = (scope.organization, &scope.registry.users);
    let (before, resource) = match write {
        Write::Create(resource, _) => {
            let done = create(tx, scope, resource).await?;
            return Ok(Done { row: Row::User(Box::new(done.user)), usage: done.usage });
        }
        Write::Delete(id) => {
            user_as_seen(tx, scope, id, seen).await?;
            directory::delete_user(tx, OrganizationId(organization), id).await?;
            return Ok(Done::of(Row::Gone));
        }
        Write::Replace(id, mut new, _) => {
            let before = user_as_seen(tx, scope, id, seen).await?;
            // What isn't sent is cleared, but nobody is left without a state.
            new.entry("active").or_insert(Value::Bool(true));
            check_immutable(kind, attributes(&before.resource)?, &new)?;
            (before, new)
        }
        Write::Patch(id, patch, _) => {
            let before = user_as_seen(tx, scope, id, seen).await?;
            let there = attributes(&before.resource)?;
            let resource = work.patched(scope, Type::Users, there, patch).await?;
            (before, resource)
        }
    };
    let row = directory::replace_user(tx, kind, before, resource).await?;
    Ok(Done::of(Row::User(Box::new(row))))
}

/// Makes the user whom the directory pushes.
async fn create(tx: &mut Tx, scope: &Scope, resource: Map<String, Value>) -> Result<Admitted, Error> {
    let address = directory::address_of(&resource);
    let subject = resource.get("externalId").and_then(Value::as_str).map(ToOwned::to_owned);
    let applicant = Applicant {
        subject: subject.as_deref(),
        address: address.as_deref(),
        organization: Some(scope.organization),
        role: Some(ROLE),
        made: Made::Pushed(&scope.registry.users, resource),
        ..Applicant::new(Source::Directory)
    };
    match directory::admit(tx, applicant).await? {
        Outcome::In(done) => Ok(*done),
        Outcome::MustProve(..) => Err(Error::internal("a directory has nothing to prove")),
    }
}

/// The user, locked, in a version that the client has seen.
async fn user_as_seen(tx: &Tx, scope: &Scope, id: Uuid, seen: &dyn Seen) -> Result<user::Model, Error> {
    let row = directory::user_locked(tx, OrganizationId(scope.organization), id).await?;
    let row = row.ok_or_else(|| Type::Users.not_found())?;
    seen.require(row.version)?;
    Ok(row)
}

fn attributes(resource: &Value) -> Result<&Map<String, Value>, Error> {
    resource.as_object().ok_or_else(|| Error::internal("a resource has no attributes"))
}

async fn apply_group(
    tx: &mut Tx,
    scope: &Scope,
    (write, work): (Write, &mut Work),
    seen: &dyn Seen,
) -> Result<Done, Error> {
    let (organization, kind) = (scope.organization, &scope.registry.groups);
    let row = match write {
        Write::Create(new, members) => {
            let row = directory::create_group(tx, kind, organization, new, &members).await?;
            return Ok(Done::of(Row::Group(Box::new(row))));
        }
        Write::Replace(id, new, members) => {
            let before = group_as_seen(tx, scope, id, seen).await?;
            check_immutable(kind, attributes(&before.resource)?, &new)?;
            let row = directory::replace_group(tx, kind, before, new).await?;
            let changed = directory::set_members(tx, &row, &[MemberEdit::Replace(members)]).await?;
            directory::touch_group(tx, row, changed)
        }
        Write::Patch(id, patch, edits) => patch_group(tx, scope, (id, patch, edits), work, seen).await?,
        Write::Delete(id) => {
            group_as_seen(tx, scope, id, seen).await?;
            directory::delete_group(tx, OrganizationId(organization), id).await?;
            return Ok(Done::of(Row::Gone));
        }
    };
    Ok(Done::of(Row::Group(Box::new(row))))
}

/// The group, locked, in a version that the client has seen.
async fn group_as_seen(tx: &Tx, scope: &Scope, id: Uuid, seen: &dyn Seen) -> Result<group::Model, Error> {
    let row = directory::group_locked(tx, OrganizationId(scope.organization), id).await?;
    let row = row.ok_or_else(|| Type::Groups.not_found())?;
    seen.require(row.version)?;
    Ok(row)
}

async fn patch_group(
    tx: &mut Tx,
    scope: &Scope,
    (id, patch, edits): (Uuid, Patch, Vec<MemberEdit>),
    work: &mut Work,
    seen: &dyn Seen,
) -> Result<group::Model, Error> {
    let organization = scope.organization;
    // Only members, and no version named: nothing of the group itself is read to be written, so nobody waits for its row
    // longer than for the statement that raises its version.
    let found = if patch.operations.is_empty() && !seen.is_given() {
        directory::group_share_locked(tx, OrganizationId(organization), id).await?
    } else {
        directory::group_locked(tx, OrganizationId(organization), id).await?
    };
    let mut row = found.ok_or_else(|| Type::Groups.not_found())?;
    seen.require(row.version)?;
    if !patch.operations.is_empty() {
        let kind = &scope.registry.groups;
        let before = attributes(&row.resource)?;
        let resource = work.patched(scope, Type::Groups, before, patch).await?;
        row = directory::replace_group(tx, kind, row, resource).await?;
    }
    let changed = directory::set_members(tx, &row, &edits).await?;
    Ok(directory::touch_group(tx, row, changed))
}

/// Ids of members that come in: each must be one.
fn ids(ids: &[String]) -> Result<Vec<Uuid>, Error> {
    let wrong = || -> Error {
        let detail = "A member is not a user or group of this organization.";
        ScimError::new(ErrorType::InvalidValue, detail).into()
    };
    ids.iter().map(|id| Uuid::try_parse(id).map_err(|_| wrong())).collect()
}

fn edit(change: &MemberChange) -> Result<MemberEdit, Error> {
    Ok(match change {
        MemberChange::Add(list) => MemberEdit::Add(ids(list)?),
        MemberChange::Replace(list) => MemberEdit::Replace(ids(list)?),
        // Who isn't there is gone already.
        MemberChange::Remove(list) => {
            MemberEdit::Remove(list.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect())
        }
    })
}

/// A resource as it is shown, or a group whose members are too many to be held.
#[derive(Debug)]
pub(crate) enum Shown {
    Whole(Map<String, Value>),
    Streamed(Box<group::Model>),
}

/// Reads what belongs to a row and isn't in it: a user's groups, a group's members, unless they aren't asked for.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn show(
    view: &View,
    scope: &Scope,
    row: Row,
    projection: &Projection,
) -> Result<Shown, Error> {
    match row {
        Row::User(row) => {
            let groups: Option<Vec<Membership>> = if projection.wants("groups") {
                directory::groups_of(view, scope.organization, &[row.id]).await?.remove(&row.id)
            } else {
                None
            };
            Ok(Shown::Whole(represent::user(scope, *row, groups.as_deref())))
        }
        Row::Group(row) => {
            if !projection.wants("members") {
                return Ok(Shown::Whole(represent::group(scope, *row, None)));
            }
            let found = directory::members(view, scope.organization, &[row.id], MEMBERS_BUFFERED).await?;
            Ok(match found {
                Some(mut found) => {
                    let members: Vec<Member> = found.remove(&row.id).unwrap_or_default();
                    Shown::Whole(represent::group(scope, *row, Some(&members)))
                }
                None => Shown::Streamed(row),
            })
        }
        Row::Gone => Ok(Shown::Whole(Map::new())),
    }
}
