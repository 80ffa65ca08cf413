//! Who made a user, who gives the role and who switched them off; what a recorded change was; where the guard and a restore stand.

use crate::closed::closed;

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
    /// Who switched a user off: the identity backend lets in again only whom it cut off itself.
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
        Held = "held",
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
