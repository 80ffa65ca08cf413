//! What is said of a person who comes, and what it is worth.

use policy_core::TenantRole;
use uuid::Uuid;

/// Who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A connection of an organization.
    Connection {
        /// Its id.
        id: Uuid,
        /// The provider behind it now: OIDC's issuer, SAML's entity id.
        provider: String,
    },
    /// An issuer that an operator registered, or the API gateway: the operator trusts its word.
    Issuer(String),
    /// The mailed token of an invitation.
    Invitation,
    /// An admin, of somebody who asked to join.
    Approval,
    /// The organization's directory, by SCIM.
    Directory,
}

/// What must be proven, by a code that is mailed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// That this account is theirs.
    Account(Uuid),
    /// That this invitation is theirs.
    Invitation(Uuid),
}

/// What the name of a connection's identities begins with.
const CONNECTION: &str = "connection:";

impl Source {
    /// As which issuer its subjects are stored, so that a link is one of (connection, provider, subject): a connection that is pointed at
    /// another provider knows nobody yet. `None`: it knows nobody by a subject.
    pub fn issuer(&self) -> Option<String> {
        match self {
            Self::Connection { id, provider } => Some(format!("{CONNECTION}{id} {provider}")),
            Self::Issuer(issuer) => Some(issuer.clone()),
            Self::Invitation | Self::Approval | Self::Directory => None,
        }
    }
}

/// The connection behind an issuer as [`Source::issuer`] writes it, or as it was written while the provider was not part of it.
pub fn connection_of(issuer: &str) -> Option<Uuid> {
    let rest = issuer.strip_prefix(CONNECTION)?;
    Uuid::parse_str(rest.split_once(' ').map_or(rest, |(id, _)| id)).ok()
}

/// What every issuer of a connection's identities begins with, whichever provider was behind it.
pub fn issuers_of(connection: Uuid) -> String {
    format!("{CONNECTION}{connection}")
}

/// What stands for an address, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vouched {
    /// Nothing that counts.
    Nothing,
    /// The word of a source that is trusted for it: an accepted or a pending invitation of the address is the rest of the proof.
    Word,
    /// The address' domain is proven, and is this source's to speak for.
    Domain,
    /// A mailed token or code that this person redeemed.
    Mail,
}

/// Whose the domain of an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainOf {
    /// Nobody has proven it.
    Nobody,
    /// The tenant's, but not this connection's or directory's.
    Tenant,
    /// An organization's whose own connection or directory this source is.
    Own,
}

/// What stands for an address of which `source` says `verified` (OIDC's `email_verified`; `None`: it doesn't say).
pub fn vouched(source: &Source, verified: Option<bool>, domain: DomainOf) -> Vouched {
    match (source, verified, domain) {
        (Source::Invitation | Source::Approval, ..) => Vouched::Mail,
        // A customer's provider says of addresses what its admin likes; only for its own domain that is the admin's to say.
        (Source::Connection { .. }, Some(true) | None, DomainOf::Own) => Vouched::Domain,
        (Source::Connection { .. }, ..) => Vouched::Nothing,
        (Source::Directory, _, DomainOf::Own) => Vouched::Domain,
        (Source::Directory, ..) => Vouched::Nothing,
        (Source::Issuer(_), Some(true), DomainOf::Own | DomainOf::Tenant) => Vouched::Domain,
        (Source::Issuer(_), Some(true), DomainOf::Nobody) => Vouched::Word,
        (Source::Issuer(_), Some(false) | None, _) => Vouched::Nothing,
    }
}

/// The groups that the source says somebody is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// It doesn't say: nothing follows.
    #[default]
    NotSaid,
    /// These; perhaps none.
    Said(Vec<String>),
    /// It is the tenant's own backend, whose roles are the tenant's: this one; perhaps none.
    Role(Option<TenantRole>),
}

/// What an admin gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// By which invitation; `None`: by approving a request.
    pub invitation: Option<Uuid>,
    /// As what.
    pub role: TenantRole,
    /// The browser in which it is redeemed is signed in as this user.
    pub signed_in: Option<Uuid>,
}

/// What is said of a person who comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who says it.
    pub source: Source,
    /// Who they are there: byte for byte.
    pub subject: Option<String>,
    /// The domain of their address.
    pub domain: Option<String>,
    /// What stands for their address.
    pub vouched: Vouched,
    /// What they proved by a mailed code, or by the token of an invitation that they brought along.
    pub proven: Option<Proof>,
    /// Their groups there.
    pub groups: Groups,
    /// The organization that is meant, where one is named: the connection's, the invitation's, the directory's, or one that the claim names.
    pub organization: Option<Uuid>,
    /// What a new user is, where the source may say.
    pub role: Option<TenantRole>,
    /// What an admin gave.
    pub grant: Option<Grant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_worth_what_stands_for_it() {
        let connection = Source::Connection { id: Uuid::nil(), provider: "https://idp".to_owned() };
        let issuer = Source::Issuer("https://issuer".to_owned());
        let verified = [Some(true), None, Some(false)];
        let domains = [DomainOf::Own, DomainOf::Tenant, DomainOf::Nobody];
        use Vouched::{Domain, Mail, Nothing, Word};
        for (source, expected) in [
            (&connection, [[Domain, Nothing, Nothing], [Domain, Nothing, Nothing], [Nothing; 3]]),
            (&issuer, [[Domain, Domain, Word], [Nothing; 3], [Nothing; 3]]),
            (&Source::Directory, [[Domain, Nothing, Nothing]; 3]),
            (&Source::Invitation, [[Mail; 3]; 3]),
            (&Source::Approval, [[Mail; 3]; 3]),
        ] {
            for (said, row) in verified.into_iter().zip(expected) {
                for (domain, expected) in domains.into_iter().zip(row) {
                    assert_eq!(vouched(source, said, domain), expected, "{source:?} {said:?} {domain:?}");
                }
            }
        }
    }

    #[test]
    fn a_connection_is_read_back_from_its_issuer() {
        let id = Uuid::from_u128(7);
        let source = Source::Connection { id, provider: "https://idp/a b".to_owned() };
        let issuer = source.issuer().unwrap_or_default();
        assert_eq!(connection_of(&issuer), Some(id));
        assert!(issuer.starts_with(&issuers_of(id)));
        assert_eq!(connection_of(&issuers_of(id)), Some(id), "as it was written before");
        assert_eq!(connection_of("https://issuer"), None);
        assert_eq!(connection_of("connection:x"), None);
    }
}
