//! What is known when somebody comes.

use std::collections::BTreeMap;

use policy_core::TenantRole;
use uuid::Uuid;

use super::claim::{Claim, Source};

/// By what a person was found, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// The source has come with this subject before.
    Identity,
    /// The directory calls them by this subject (SCIM's `externalId`), and this source may say who that is.
    Subject,
    /// Their user name is this address.
    Name,
    /// One of their addresses is this one.
    Address,
    /// The connection came with this subject before it was written down which provider was behind it.
    Before,
}

/// How a source knows a person already, beside by the subject with which it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAs {
    /// Not at all.
    Nobody,
    /// By another subject.
    Other,
    /// By a subject of the provider that was behind the same connection before, or perhaps was.
    Before,
}

/// Where a role comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleFrom {
    /// Somebody here gave it, or whoever made the user.
    Local,
    /// A group of the directory gives it (SCIM).
    Directory,
    /// A group that the provider named at a sign-in gives it.
    SignIn,
}

/// A person of the tenant's who may be the one who comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub id: Uuid,
    /// Their organization.
    pub organization: Uuid,
    /// By what they were found.
    pub found: Found,
    /// Whether they may sign in at all.
    pub active: bool,
    /// Whether the organization's directory keeps them (SCIM).
    pub managed: bool,
    /// Whether their first sign-in made them: the provider's groups say their role from then on.
    pub made_at_sign_in: bool,
    /// Their role.
    pub role: TenantRole,
    /// Where it comes from.
    pub role_from: RoleFrom,
    /// What was given here under a role of a sign-in's, and is left when that is taken back.
    pub under: Option<TenantRole>,
    /// How this source knows them.
    pub known_as: KnownAs,
    /// Whether an invitation of the address that is claimed was accepted as this user.
    pub accepted: bool,
    /// Whether a sign-in made them with an address for which nothing stood: who proves the address is not who came then.
    pub doubtful: bool,
}

/// A pending invitation of the claimed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: Uuid,
    /// Where to.
    pub organization: Uuid,
    /// As what.
    pub role: TenantRole,
    /// Whether it is of the very address that is claimed, and not of another one that the directory names beside it.
    pub of_claim: bool,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// People who may be the one, in every organization of the tenant.
    pub people: Vec<Person>,
    /// Organizations whose directory removed somebody of this address, and didn't bring them back.
    pub departed: Vec<Uuid>,
    /// The same, of somebody with this very identity, or this subject in the directory: it is they who left.
    pub departed_themselves: Vec<Uuid>,
    /// Pending invitations of the address, the oldest first.
    pub pending: Vec<Pending>,
}

/// Where somebody belongs whom nothing places elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The organization that has proven the address' domain.
    pub of_domain: Option<Uuid>,
    /// The organization `default`.
    pub default: Option<Uuid>,
}

/// By which connections people come in where they come in by no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// Not enforced.
    No,
    /// By any of the organization's.
    ByAny,
    /// By this one.
    By(Uuid),
}

/// The sign-in policy of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// By what people come in.
    pub enforced: Enforced,
    /// Domains from which people come in; none: from all.
    pub allowed_domains: Vec<String>,
    /// Whether a first sign-in makes a user.
    pub jit: bool,
    /// What such a user is.
    pub default_role: TenantRole,
    /// What a group at the provider makes of its members: of several, the first that fits.
    pub group_roles: Vec<(String, TenantRole)>,
}

impl Default for Policy {
    /// Without a policy: anybody whom a source vouches for, as a viewer.
    fn default() -> Self {
        Self {
            enforced: Enforced::No,
            allowed_domains: Vec::new(),
            jit: true,
            default_role: TenantRole::Viewer,
            group_roles: Vec::new(),
        }
    }
}

impl Policy {
    /// Whether people may come in by this source.
    pub fn admits_source(&self, source: &Source) -> bool {
        match source {
            Source::Connection { id, .. } => self.admits_connection(Some(*id)),
            Source::Issuer(_) | Source::Invitation => self.admits_connection(None),
            // They make a user; nobody comes in by them.
            Source::Approval | Source::Directory => true,
        }
    }

    /// Whether people may come in by this connection; `None`: by none.
    pub fn admits_connection(&self, connection: Option<Uuid>) -> bool {
        match self.enforced {
            Enforced::No => true,
            Enforced::ByAny => connection.is_some(),
            Enforced::By(only) => connection == Some(only),
        }
    }

    /// Whether somebody with an address of this domain may come in. With a list, nobody without an address may.
    pub fn admits_domain(&self, domain: Option<&str>) -> bool {
        let listed = |domain: &str| self.allowed_domains.iter().any(|one| one == domain);
        self.allowed_domains.is_empty() || domain.is_some_and(listed)
    }

    /// The role that the provider's groups give.
    pub fn role(&self, groups: &[String]) -> Option<TenantRole> {
        self.group_roles.iter().find(|(group, _)| groups.contains(group)).map(|(_, role)| *role)
    }
}

/// Whether whoever comes first runs the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Somebody is there, or an admin is expected, or the tenant wasn't made by somebody's coming.
    No,
    /// The tenant was made by somebody's coming, and has nobody yet who could run it.
    Runs,
}

/// All that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What is said.
    pub claim: Claim,
    /// What is known.
    pub known: Known,
    /// Where they belong otherwise.
    pub home: Home,
    /// Whether they are the first.
    pub first: First,
    /// Policies of the organizations that occur, where there is one.
    pub policies: BTreeMap<Uuid, Policy>,
}
