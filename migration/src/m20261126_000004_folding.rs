//! Keys of names and addresses under today's folding. Rows that became one name are kept as they are, the younger under a shadow of its
//! key: nobody is merged, and `tenantry doctor` lists them.

use identity_core::{fold, shadow};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, JsonValue, QueryResult, Statement, Value};
use sea_orm_migration::prelude::*;

use crate::postgres;

/// Documents that are looked at in one go.
const PAGE: u64 = 500;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A column of keys.
struct Keys {
    table: &'static str,
    column: &'static str,
    /// Columns within which a key stands once.
    scope: &'static [&'static str],
    /// Which rows must have different keys; `None`: any may share one.
    unique: Option<&'static str>,
    /// What says which of two rows is the older one.
    age: &'static str,
}

const ORGANIZATION: &[&str] = &["tenant_id", "organization_id"];

const fn keys(table: &'static str, column: &'static str, unique: Option<&'static str>) -> Keys {
    Keys { table, column, scope: ORGANIZATION, unique, age: "created_at" }
}

const ALL: [Keys; 9] = [
    keys("directory_user", "user_name_key", Some("TRUE")),
    keys("directory_group", "display_name_key", Some("TRUE")),
    Keys { age: "organization_id", ..keys("directory_user_email", "value_key", None) },
    Keys { age: "organization_id", ..keys("directory_user_email", "type_key", None) },
    Keys { age: "expires_at", ..keys("directory_expected", "email_key", Some("TRUE")) },
    keys("invitation", "email_key", Some("status = 'pending'")),
    keys("join_request", "email_key", Some("status = 'pending'")),
    Keys { scope: &[], ..keys("mail_suppression", "address_key", Some("TRUE")) },
    Keys { scope: &[], ..keys("operator", "email", Some("TRUE")) },
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let store = Store { manager, postgres: manager.get_database_backend() == DbBackend::Postgres };
        postgres::begin_as_platform(manager).await?;
        for keys in &ALL {
            store.refold(keys).await?;
        }
        for table in ["directory_user", "directory_group"] {
            store.refold_documents(table).await?;
        }
        postgres::end_as_platform(manager).await
    }
}

struct Store<'a> {
    manager: &'a SchemaManager<'a>,
    postgres: bool,
}

impl Store<'_> {
    fn statement(&self, sql: String, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.manager.get_database_backend(), sql, values)
    }

    async fn query(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
        self.manager.get_connection().query_all_raw(self.statement(sql, values)).await
    }

    async fn execute(&self, sql: String, values: Vec<Value>) -> Result<(), DbErr> {
        self.manager.get_connection().execute_raw(self.statement(sql, values)).await.map(drop)
    }

    /// Texts that fold differently now: others are what they were.
    fn may_change(&self, column: &str) -> String {
        let foreign = match self.postgres {
            true => format!("{column} ~ '[^ -~]'"),
            false => format!("{column} GLOB '*[^ -~]*'"),
        };
        format!("({foreign} OR {column} <> trim({column}) OR {column} LIKE '%xn--%')")
    }

    async fn refold(&self, keys: &Keys) -> Result<(), DbErr> {
        let Keys { table, column, scope, age, .. } = keys;
        let columns: String = scope.iter().map(|name| format!("{name}, ")).collect();
        let candidates = format!(
            "SELECT {columns}{column} AS old FROM {table} WHERE {} GROUP BY {columns}{column} ORDER BY MIN({}), {column}",
            self.may_change(column),
            // Postgres has no MIN of UUIDs in every version; where rows may share a key their order doesn't matter.
            if *age == "organization_id" { column } else { age },
        );
        for row in self.query(candidates, Vec::new()).await? {
            let old: String = row.try_get("", "old")?;
            let new = fold(&old);
            if new == old {
                continue;
            }
            let within: Vec<Value> = scope
                .iter()
                .map(|name| row.try_get::<Uuid>("", name).map(Value::from))
                .collect::<Result<_, _>>()?;
            self.replace(keys, &within, &old, &new).await?;
        }
        Ok(())
    }

    /// `WHERE` a key stands in a scope; parameters from `$2` on are the scope's.
    fn at(keys: &Keys) -> String {
        let scope: String =
            keys.scope.iter().enumerate().map(|(at, name)| format!(" AND {name} = ${}", at + 3)).collect();
        format!("{} = $2{scope}", keys.column)
    }

    async fn replace(&self, keys: &Keys, within: &[Value], old: &str, new: &str) -> Result<(), DbErr> {
        if let Some(unique) = keys.unique {
            let mine = self.age(keys, within, old, unique).await?;
            let other = self.age(keys, within, new, unique).await?;
            if let (Some(mine), Some(other)) = (mine, other) {
                tracing::warn!(
                    table = keys.table,
                    "two rows have one name now; `tenantry doctor` lists them"
                );
                let (younger, key) =
                    if other <= mine { (old, shadow(new, old)) } else { (new, shadow(new, new)) };
                self.set(keys, within, younger, &key, unique).await?;
            }
        }
        self.set(keys, within, old, new, "TRUE").await
    }

    async fn age(
        &self,
        keys: &Keys,
        within: &[Value],
        key: &str,
        unique: &str,
    ) -> Result<Option<String>, DbErr> {
        // As text: RFC 3339 on SQLite, one spelling on Postgres; only two of one store are compared.
        let sql = format!(
            "SELECT CAST({} AS TEXT) AS age FROM {} WHERE $1 = $1 AND {} AND {unique} LIMIT 1",
            if self.postgres {
                format!("extract(epoch FROM {})::numeric(20,6)", keys.age)
            } else {
                keys.age.to_owned()
            },
            keys.table,
            Self::at(keys),
        );
        let values = ["".into(), key.into()].into_iter().chain(within.iter().cloned()).collect();
        let rows = self.query(sql, values).await?;
        rows.first().map(|row| row.try_get("", "age")).transpose()
    }

    async fn set(
        &self,
        keys: &Keys,
        within: &[Value],
        from: &str,
        to: &str,
        which: &str,
    ) -> Result<(), DbErr> {
        let sql =
            format!("UPDATE {} SET {} = $1 WHERE {} AND {which}", keys.table, keys.column, Self::at(keys));
        let values = [to.into(), from.into()].into_iter().chain(within.iter().cloned()).collect();
        self.execute(sql, values).await
    }

    /// The documents that are searched without case.
    async fn refold_documents(&self, table: &str) -> Result<(), DbErr> {
        // Beside foreign letters: white space at an end of a text, as each store writes a document.
        let may_change = match self.postgres {
            true => r#"folded::text ~ '[^ -~]|xn--|: " |[[] ?" |, " | "[],}]'"#,
            false => {
                r#"(folded GLOB '*[^ -~]*' OR folded LIKE '%xn--%' OR folded LIKE '%" %' OR folded LIKE '% "%')"#
            }
        };
        let mut after: (Uuid, Uuid, Uuid) = (Uuid::nil(), Uuid::nil(), Uuid::nil());
        loop {
            let sql = format!(
                "SELECT tenant_id, organization_id, id, folded FROM {table} \
                 WHERE (tenant_id, organization_id, id) > ($1, $2, $3) AND {may_change} \
                 ORDER BY tenant_id, organization_id, id LIMIT {PAGE}"
            );
            let rows = self.query(sql, vec![after.0.into(), after.1.into(), after.2.into()]).await?;
            for row in &rows {
                let id = |name: &str| row.try_get::<Uuid>("", name);
                after = (id("tenant_id")?, id("organization_id")?, id("id")?);
                let old: JsonValue = row.try_get("", "folded")?;
                let new = refolded(&old);
                if new != old {
                    let sql = format!(
                        "UPDATE {table} SET folded = $1 WHERE tenant_id = $2 AND organization_id = $3 AND id = $4"
                    );
                    let values = vec![new.into(), after.0.into(), after.1.into(), after.2.into()];
                    self.execute(sql, values).await?;
                }
            }
            if (rows.len() as u64) < PAGE {
                return Ok(());
            }
        }
    }
}

/// A searched document, with its texts folded anew. Moments in it are upper case, and stay so.
fn refolded(value: &JsonValue) -> JsonValue {
    match value {
        JsonValue::String(text) if text.is_ascii() && text.trim() == text && !text.contains("xn--") => {
            value.clone()
        }
        JsonValue::String(text) => fold(text).into(),
        JsonValue::Array(items) => items.iter().map(refolded).collect(),
        JsonValue::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), refolded(value))).collect()
        }
        other => other.clone(),
    }
}
