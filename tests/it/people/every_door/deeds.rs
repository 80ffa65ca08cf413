//! What is done about somebody who is not at a door: by an admin, by the directory, by the tenant's identity backend.

use entity::directory::states::{DeactivatedBy, Source as MadeBy};
use entity::invitations::states::{InvitationKind, InvitationStatus};
use policy_core::TenantRole;
use uuid::Uuid;

use super::doors::Person;
use super::expected::{Code, FULL, TAKEN};
use super::record::{Invitation, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// An admin invites them to one of the two organizations.
    Invite(usize, TenantRole),
    /// An admin switches them.
    Admin(Switch),
    /// The directory does (SCIM).
    Directory(Switch),
    /// It gives them its own subject for them.
    Adopt,
    /// It removes them.
    Remove,
    /// Nobody pushes people to the organization any more.
    EndDirectory(usize),
    /// Zitadel's event switches them.
    Backend(Switch),
}

/// Invites, holds the seat, and forgives whom the directory removed. The invitation has neither id nor token yet.
pub(super) fn invite(
    record: &mut Record,
    person: &Person,
    (at, role): (usize, TenantRole),
) -> Result<(), Code> {
    let organization = record.organizations[at];
    let here = |one: Uuid| one == organization;
    if record.managed.contains(&organization) {
        return Err("invitation.directory_managed");
    }
    let is_member =
        |user: &super::record::User| here(user.organization) && user.addresses().contains(&person.address);
    if record.users.iter().any(is_member) {
        return Err("invitation.member");
    }
    let in_the_way =
        |one: &Invitation| one.is_pending() && here(one.organization) && one.email == person.address;
    if record.invitations.iter().any(|one| in_the_way(one) && one.is_personal()) {
        return Err("invitation.pending");
    }
    let mut after = record.clone();
    for asked in after.invitations.iter_mut().filter(|one| in_the_way(one)) {
        asked.status = InvitationStatus::Revoked;
    }
    after.forgive(organization, std::slice::from_ref(&person.address));
    after.invitations.push(invitation(person, (organization, role), InvitationKind::Personal));
    if !after.has_room() {
        return Err(FULL);
    }
    *record = after;
    Ok(())
}

pub(super) fn invitation(
    person: &Person,
    (organization, role): (Uuid, TenantRole),
    kind: InvitationKind,
) -> Invitation {
    Invitation {
        id: Uuid::nil(),
        organization,
        email: person.address.clone(),
        role,
        kind,
        status: InvitationStatus::Pending,
        user: None,
        holds: kind == InvitationKind::Personal,
        token: String::new(),
    }
}

/// Does to an account what a deed comes to.
pub(super) fn change(record: &mut Record, id: Uuid, (deed, name): (Deed, &str)) -> Result<(), Code> {
    let mut after = record.clone();
    match deed {
        Deed::Admin(_) if record.user(id).made_by == MadeBy::Scim => return Err("user.managed"),
        Deed::Admin(Switch::Off) => switch_off(&mut after, id, DeactivatedBy::Admin)?,
        Deed::Directory(Switch::Off) => {
            let leaves = record.user(id).active;
            switch_off(&mut after, id, DeactivatedBy::Directory)?;
            after.user_mut(id).made_by = MadeBy::Scim;
            if leaves {
                let addresses = record.user(id).addresses();
                after.end_invitations(&addresses);
            }
        }
        Deed::Admin(Switch::On) | Deed::Directory(Switch::On) => {
            let user = after.user_mut(id);
            (user.active, user.off_by) = (true, None);
            if deed == Deed::Directory(Switch::On) {
                user.made_by = MadeBy::Scim;
            }
        }
        Deed::Adopt => adopt(&mut after, id, name)?,
        Deed::Remove => {
            if record.is_last_admin(record.user(id)) {
                return Err("user.last_admin");
            }
            after.remove(id);
        }
        Deed::Backend(switch) => told(&mut after, id, switch),
        Deed::Invite(..) | Deed::EndDirectory(_) => unreachable!("not about an account"),
    }
    if !after.has_room() {
        return Err(FULL);
    }
    *record = after;
    Ok(())
}

/// Whoever was off stays so by the word that there was; an admin's and the directory's take the place of the backend's.
fn switch_off(record: &mut Record, id: Uuid, by: DeactivatedBy) -> Result<(), Code> {
    if record.is_last_admin(record.user(id)) {
        return Err("user.last_admin");
    }
    let user = record.user_mut(id);
    if user.active || user.off_by == Some(DeactivatedBy::Backend) {
        user.off_by = Some(by);
    }
    user.active = false;
    Ok(())
}

fn adopt(record: &mut Record, id: Uuid, name: &str) -> Result<(), Code> {
    let organization = record.user(id).organization;
    let same = |one: &super::record::User| {
        one.id != id && one.organization == organization && one.external_id.as_deref() == Some(name)
    };
    if record.users.iter().any(same) {
        return Err(TAKEN);
    }
    let user = record.user_mut(id);
    user.external_id = Some(name.to_owned());
    user.made_by = MadeBy::Scim;
    if user.off_by == Some(DeactivatedBy::Backend) {
        user.off_by = Some(DeactivatedBy::Directory);
    }
    Ok(())
}

/// Zitadel lets in again only whom it cut off itself, and leaves the last admin alone.
fn told(record: &mut Record, id: Uuid, switch: Switch) {
    let is_last = record.is_last_admin(record.user(id));
    let user = record.user_mut(id);
    match switch {
        Switch::Off if user.active && !is_last => {
            (user.active, user.off_by) = (false, Some(DeactivatedBy::Backend));
        }
        Switch::On if user.off_by == Some(DeactivatedBy::Backend) => {
            (user.active, user.off_by) = (true, None);
        }
        Switch::Off | Switch::On => {}
    }
}
