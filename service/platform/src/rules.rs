//! Rules that count and then decide. What was counted stays true until the commit, however many ask at once.
//!
//! Two ways, and no third one:
//!
//! * [`Tx::exclusive`] makes transactions under the same rule and key run one after the other: take it, count, decide. On
//!   Postgres it is an advisory lock that the commit gives back. A row's own lock would do as well, but `FOR UPDATE` on an
//!   organization's row stops every insert that refers to it. SQLite has one writer and needs nothing.
//! * [`Tx::spend`] counts in the statement that decides: a number of things within a period, each under a key.
//!
//! Locks are taken in the order in which [`Rule`] lists them, so that two transactions never wait for each other:
//! first rules above [`Rule::GroupNesting`], then rows of groups and of users (by id, all of them that the transaction will
//! touch), then [`Rule::GroupNesting`] and [`Rule::LastAdmin`], then rows of invitations, then held reservations, then rows of `quota`
//! (by name, all of them), then what is spent, and last [`Rule::Sessions`].

mod limit;

use entity::tenancy::plan;
use sea_orm::Value;

use crate::crypto::{hex, sha256};
use crate::tx::Reads;
use crate::{DbError, PlatformTx, Statement, Timestamp, Tx, View};

pub use limit::{Counts, LimitReached, check_limit};

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)*) => {
        /// A rule that counts and then decides, in the order in which a transaction may take several.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant,)*];

            /// Its name in the store: never changed while the store remembers what was spent under it.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$variant => $name,)* }
            }
        }
    };
}

rules! {
    /// Operators of the platform.
    Operators = "operators";
    /// Passkeys of one operator.
    Passkeys = "passkeys";
    /// Modules of the platform.
    Modules = "modules";
    /// Receivers of events.
    WebhookEndpoints = "webhook_endpoints";
    /// Flags of the platform, and which of them needs which.
    Flags = "flags";
    /// Registrations of one issuer.
    IssuerRegistrations = "issuer_registrations";
    /// Organizations of a tenant.
    Organizations = "organizations";
    /// Schemas that a tenant declares.
    ScimSchemas = "scim_schemas";
    /// SCIM tokens of an organization that are not revoked.
    ScimTokens = "scim_tokens";
    /// Connections of an organization: how many, and that an active one stays where its people come in by no other way.
    Connections = "organization_connections";
    /// Domains of an organization.
    Domains = "domains";
    /// Join rules of an organization.
    JoinRules = "join_rules";
    /// Roles that an organization gives by group.
    RoleMappings = "role_mappings";
    /// Invitations of a tenant within a day, by organization.
    Invitations = "invitations";
    /// A person of a tenant, by address or subject: whoever comes at the same moment by another door waits.
    People = "people";
    /// Who comes first to a tenant runs it.
    FirstUser = "first_user";
    /// Groups of an organization that are members of each other: never in a circle.
    GroupNesting = "group_nesting";
    /// A tenant keeps an active admin.
    LastAdmin = "last_admin";
    /// Batches of invitations of a tenant within a day.
    InvitationBatches = "invitation_batches";
    /// Mails with an invitation to one address within a day.
    InvitationMails = "invitation_mails";
    /// Mails with a code to one address within a day.
    CodeMails = "code_mails";
    /// Mails that strangers cause, to one address and of a tenant, within a minute and a day.
    StrangerMails = "stranger_mails";
    /// Mails of a tenant within a day.
    TenantMails = "tenant_mails";
    /// Sessions of a person that go on.
    Sessions = "sessions";
}

/// How much may be spent in which time. The period begins with the first thing spent in it.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// How many.
    pub limit: u64,
    /// Within which time.
    pub period: chrono::TimeDelta,
}

/// An allowance has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {limit} are used up for another {renewed_in} s")]
pub struct UsedUp {
    /// How many there are in a period.
    pub limit: u64,
    /// Seconds until the next period.
    pub renewed_in: u64,
}

impl Allowance {
    /// So many within 24 hours.
    pub fn a_day(limit: u64) -> Self {
        Self { limit, period: chrono::TimeDelta::hours(24) }
    }
}

const SPEND: Statement = Statement::of_tenant(
    "INSERT INTO allowance (tenant_id, rule, key, began_at, spent) VALUES ($1, $2, $3, $4, 1) \
     ON CONFLICT (tenant_id, rule, key) DO UPDATE SET \
     began_at = CASE WHEN allowance.began_at <= $5 THEN $4 ELSE allowance.began_at END, \
     spent = CASE WHEN allowance.began_at <= $5 THEN 1 ELSE allowance.spent + 1 END \
     WHERE allowance.began_at <= $5 OR allowance.spent < $6",
);
const IS_SPENT: Statement = Statement::of_tenant(
    "SELECT spent FROM allowance \
     WHERE tenant_id = $1 AND rule = $2 AND key = $3 AND began_at > $4 AND spent >= $5",
);
const ALLOWANCE_BEGAN: Statement =
    Statement::of_tenant("SELECT began_at FROM allowance WHERE tenant_id = $1 AND rule = $2 AND key = $3");

/// The number of the advisory lock of a rule and key. Two that share a number wait for each other without need, no more.
fn number(rule: Rule, key: &[u8]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&[rule.name().as_bytes(), &[0], key].concat());
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Holds a rule for `key` until the end of the transaction.
async fn hold(reads: &Reads, rule: Rule, key: &[u8]) -> Result<(), DbError> {
    let Some(sql) = reads.sql().advisory_lock() else { return Ok(()) };
    reads.execute_raw(sql, vec![number(rule, key).into()]).await.map(drop)
}

impl Tx {
    /// Waits until no other transaction holds this rule for `key`, and holds it until the end of this one.
    ///
    /// # Errors
    /// [`DbError::Busy`] if it takes too long.
    pub async fn exclusive(&self, rule: Rule, key: impl AsRef<[u8]>) -> Result<(), DbError> {
        hold(self, rule, key.as_ref()).await
    }

    /// Spends one of an allowance; false, and nothing is spent, if it is used up. `key` is stored as a digest only.
    pub async fn spend(
        &self,
        rule: Rule,
        key: impl AsRef<[u8]>,
        allowance: Allowance,
    ) -> Result<bool, DbError> {
        if allowance.limit == 0 {
            return Ok(false);
        }
        let values: Vec<Value> = vec![
            rule.name().into(),
            hex(&sha256(key.as_ref())).into(),
            self.now().into(),
            (self.now() - allowance.period).into(),
            i64::try_from(allowance.limit).unwrap_or(i64::MAX).into(),
        ];
        Ok(self.execute(&SPEND, values).await? == 1)
    }
}

impl View {
    /// Whether an allowance is used up, for who wants to know before anything is written. [`Tx::spend`] alone decides.
    pub async fn is_spent(
        &self,
        rule: Rule,
        key: impl AsRef<[u8]>,
        allowance: Allowance,
    ) -> Result<bool, DbError> {
        let values: Vec<Value> = vec![
            rule.name().into(),
            hex(&sha256(key.as_ref())).into(),
            (self.now() - allowance.period).into(),
            i64::try_from(allowance.limit).unwrap_or(i64::MAX).into(),
        ];
        Ok(allowance.limit == 0 || !self.query(&IS_SPENT, values).await?.is_empty())
    }

    /// What there is to say of an allowance that is used up.
    pub async fn used_up(
        &self,
        rule: Rule,
        key: impl AsRef<[u8]>,
        allowance: Allowance,
    ) -> Result<UsedUp, DbError> {
        let values: Vec<Value> = vec![rule.name().into(), hex(&sha256(key.as_ref())).into()];
        let rows = self.query(&ALLOWANCE_BEGAN, values).await?;
        // Where nothing is allowed at all nothing was ever spent.
        let began = rows.first().map_or(Ok(self.now()), |row| row.try_get::<Timestamp>("", "began_at"))?;
        Ok(UsedUp { limit: allowance.limit, renewed_in: self.seconds_until(began + allowance.period) })
    }

    /// Whole seconds until then, one at least: whoever comes back after them doesn't come too early.
    pub fn seconds_until(&self, then: Timestamp) -> u64 {
        u64::try_from((then - self.now()).num_seconds()).unwrap_or(0).saturating_add(1)
    }

    /// What a limit comes to on the tenant's plan, which multiplies it as it multiplies rates.
    pub async fn by_plan(&self, limit: u64) -> Result<u64, DbError> {
        let sql = "SELECT plan.rate_multiplier AS times FROM tenant JOIN plan ON plan.key = tenant.plan WHERE tenant.id = $1";
        let rows = self.query_raw(sql, vec![self.tenant().into()]).await?;
        let multiplier = rows.first().map(|row| row.try_get("", "times")).transpose()?;
        Ok(limit.saturating_mul(plan::times(multiplier).into()))
    }
}

impl PlatformTx {
    /// The same as [`Tx::exclusive`], for a rule of the platform.
    ///
    /// # Errors
    /// [`DbError::Busy`] if it takes too long.
    pub async fn exclusive(&self, rule: Rule, key: impl AsRef<[u8]>) -> Result<(), DbError> {
        hold(self, rule, key.as_ref()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_and_key_have_one_number() {
        assert_eq!(number(Rule::Domains, b"a"), number(Rule::Domains, b"a"));
        assert_ne!(number(Rule::Domains, b"a"), number(Rule::Domains, b"b"));
        assert_ne!(number(Rule::Domains, b"a"), number(Rule::Connections, b"a"));
    }

    #[test]
    fn names_are_different() {
        let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
