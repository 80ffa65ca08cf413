//! Who made a user, who gives the role and who switched them off; what a recorded change was; where the guard and a restore stand.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// Who made a user.
    pub enum Source {
        /// The identity provider, by SCIM.
        Scim = "scim",
        /// The first sign-in.
        Jit = "jit",
        /// An accepted invitation.
        Invitation = "invitation",
    }
}

closed! {
    /// Who gives a user the role.
    pub enum RoleSource {
        /// Somebody here, or whoever made the user.
        Local = "local",
        /// A mapped group: the role goes with it.
        Group = "group",
        /// A group that the provider named at a sign-in: the role goes when it is named no more.
        SignIn = "sign_in",
    }
}

closed! {
    /// Who deactivated a user: the identity backend activates only users whom it deactivated itself.
    pub enum DeactivatedBy {
        /// The identity provider, by SCIM.
        Directory = "directory",
        /// Somebody here.
        Admin = "admin",
        /// The identity backend.
        Backend = "backend",
    }
}

closed! {
    /// What changed.
    pub enum ChangeKind {
        /// A user.
        User = "user",
        /// A group.
        Group = "group",
        /// Which users a group has.
        Member = "member",
        /// Which groups a group has.
        Child = "child",
    }
}

closed! {
    /// How it changed.
    pub enum ChangeAction {
        /// It was made.
        Create = "create",
        /// It got other attributes, or another role.
        Update = "update",
        /// A user can't sign in any more.
        Deactivate = "deactivate",
        /// A user can again.
        Reactivate = "reactivate",
        /// It is gone.
        Delete = "delete",
        /// They came into a group.
        Add = "add",
        /// They went out of a group.
        Remove = "remove",
    }
}

closed! {
    /// Where the guard of an organization stands.
    pub enum GuardState {
        /// It counts.
        Armed = "armed",
        /// Removals are refused until an admin answers.
        Blocked = "blocked",
        /// An admin let the removals go on, for one window.
        Confirmed = "confirmed",
        /// An admin refused them, for one window.
        Rejected = "rejected",
    }
}

closed! {
    /// Where a restore of a directory stands.
    pub enum RestoreStatus {
        /// Things are still to be put back; identity providers wait meanwhile.
        Running = "running",
        /// All has been put back.
        Done = "done",
        /// Something couldn't be; what was put back before stays.
        Failed = "failed",
    }
}

closed! {
    /// By what somebody is recognized whom a directory removed.
    pub enum DepartedKind {
        /// An address of theirs, folded.
        Address = "address",
        /// The directory's subject (`externalId`).
        ExternalId = "external_id",
        /// Issuer and subject of an identity.
        Identity = "identity",
    }
}

closed! {
    /// What stands for a user's address.
    pub enum AddressProof {
        /// Nothing that counts.
        Nothing = "nothing",
        /// The word of an issuer or gateway that the operator trusts.
        Word = "word",
        /// The domain is proven, and the source speaks for it.
        Domain = "domain",
        /// A mailed token or code was redeemed.
        Mail = "mail",
    }
}

closed! {
    /// Whether somebody may come in; if not, by whose word.
    pub enum UserState {
        /// There is no such user, and nothing is remembered of one.
        Nobody = "nobody",
        /// They may.
        Active = "active",
        /// Their directory deactivated them.
        OffByDirectory = "off (directory)",
        /// Somebody here did.
        OffByAdmin = "off (admin)",
        /// The identity backend did.
        OffByBackend = "off (backend)",
        /// Somebody did, before it was noted who.
        Off = "off",
        /// Their directory removed them, and it is remembered by what they could come back.
        Removed = "removed",
    }
}

impl UserState {
    /// Of somebody who is off by that word, where it is known.
    #[must_use]
    pub const fn off(by: Option<DeactivatedBy>) -> Self {
        match by {
            Some(DeactivatedBy::Directory) => Self::OffByDirectory,
            Some(DeactivatedBy::Admin) => Self::OffByAdmin,
            Some(DeactivatedBy::Backend) => Self::OffByBackend,
            None => Self::Off,
        }
    }

    /// By whose word they are off, where it is known.
    #[must_use]
    pub const fn deactivated_by(self) -> Option<DeactivatedBy> {
        match self {
            Self::OffByDirectory => Some(DeactivatedBy::Directory),
            Self::OffByAdmin => Some(DeactivatedBy::Admin),
            Self::OffByBackend => Some(DeactivatedBy::Backend),
            Self::Nobody | Self::Active | Self::Off | Self::Removed => None,
        }
    }

    /// Whether they are there and may come in.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }
}

lifecycle! {
    "user",
    /// What can happen to a user. Who may do it is decided elsewhere: admins neither activate nor deactivate users whom a directory manages.
    pub enum UserVerb of UserState {
        /// The person signs in, and nothing prevents it. A user is created if there is none yet.
        Come = "sign in" { Nobody => Active, Active => Active }
        /// An admin deactivates the user, even if the identity backend already did.
        Deactivate = "deactivate (admin)" {
            Active => OffByAdmin, OffByAdmin => OffByAdmin, OffByBackend => OffByAdmin, Off => OffByAdmin,
        }
        /// An admin activates the user. Only the directory can activate a user whom it deactivated.
        Activate = "activate (admin)" { Active => Active, OffByAdmin => Active, OffByBackend => Active, Off => Active }
        /// An admin invites the address: a person who was removed may then be created again. An invitation does not activate a deactivated user.
        Invite = "invite (admin)" { Nobody => Nobody, Removed => Nobody }
        /// The directory pushes the user as inactive. A deactivation by an admin stays the admin's.
        Withdraw = "deactivate (directory)" {
            Nobody => OffByDirectory, Active => OffByDirectory, OffByDirectory => OffByDirectory, OffByAdmin => OffByAdmin,
            OffByBackend => OffByDirectory, Off => OffByDirectory, Removed => OffByDirectory,
        }
        /// The directory pushes the user as active.
        Push = "activate (directory)" {
            Nobody => Active, Active => Active, OffByDirectory => Active, OffByAdmin => Active, OffByBackend => Active, Off => Active,
            Removed => Active,
        }
        /// The directory removes the user.
        Remove = "remove (directory)" {
            Active => Removed, OffByDirectory => Removed, OffByAdmin => Removed, OffByBackend => Removed, Off => Removed,
        }
        /// The identity backend reports that the user was deactivated or removed.
        DeactivateByBackend = "deactivate (backend)" {
            Active => OffByBackend, OffByDirectory => OffByDirectory, OffByAdmin => OffByAdmin, OffByBackend => OffByBackend, Off => Off,
        }
        /// The identity backend reports that the user is active again: this activates users whom it deactivated itself, or where it is not known who did.
        ActivateByBackend = "activate (backend)" { Active => Active, OffByBackend => Active, Off => Active }
        /// A comparison finds the user active at the identity backend: this activates only users whom it deactivated itself.
        Found = "found active (backend)" { Active => Active, OffByBackend => Active }
        /// The directory is restored to a time when the user was active.
        PutBack = "restore (active)" {
            Nobody => Active, Active => Active, OffByDirectory => Active, OffByAdmin => Active, OffByBackend => Active, Off => Active,
            Removed => Active,
        }
        /// An admin restores the directory to a time when the user was inactive.
        PutBackOff = "restore (off)" {
            Nobody => OffByAdmin, Active => OffByAdmin, OffByDirectory => OffByDirectory, OffByAdmin => OffByAdmin,
            OffByBackend => OffByBackend, Off => Off, Removed => OffByAdmin,
        }
        /// The directory is restored to a time when the user did not exist.
        PutBackGone = "restore (nobody)" {
            Nobody => Nobody, Active => Nobody, OffByDirectory => Nobody, OffByAdmin => Nobody, OffByBackend => Nobody, Off => Nobody,
            Removed => Removed,
        }
    }
}
