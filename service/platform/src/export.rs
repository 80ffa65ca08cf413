//! Rows of any table of a tenant as JSON, a page at a time, without what is secret.
//!
//! What columns a table has, and which of them are its key, is asked of the store's own catalogue, so that a new column is exported
//! without anybody thinking of it. Bytes that are no ids are secrets or digests of secrets here, and are left out.

use sea_orm::{QueryResult, Value};

use crate::tx::{Statement, View};
use crate::{DbError, sql::Sql};

/// A column of a table.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// As the store's catalogue calls its type.
    kind: String,
    /// Its place in the primary key, from 1; 0: none.
    key: i64,
}

/// A table of a tenant.
#[derive(Clone, Debug)]
pub struct Table {
    name: &'static str,
    columns: Vec<Column>,
}

/// Where a page ends: the last row's key, as text.
pub type Mark = Vec<String>;

impl Table {
    /// Asks the catalogue about a table, without the columns in `hidden`.
    pub async fn describe(view: &View, name: &'static str, hidden: &[&str]) -> Result<Self, DbError> {
        let rows = view.query_raw(&view.sql().catalogue(name), Vec::new()).await?;
        let column = |row: &QueryResult| {
            Ok::<_, sea_orm::DbErr>(Column {
                name: row.try_get("", "name")?,
                kind: row.try_get("", "kind")?,
                key: row.try_get("", "key")?,
            })
        };
        let mut columns = rows.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        columns.retain(|column| column.key > 0 || !hidden.contains(&column.name.as_str()));
        Ok(Self { name, columns })
    }

    /// The key without the tenant, which is the same in all rows.
    fn key(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> =
            self.columns.iter().filter(|column| column.key > 0 && column.name != "tenant_id").collect();
        key.sort_by_key(|column| column.key);
        key
    }

    fn select(&self, sql: Sql, after: bool, limit: u64) -> String {
        let shown = self.columns.iter().filter(|column| !sql.is_secret(&column.name, &column.kind));
        let fields: Vec<String> = shown
            .map(|column| format!("'{}', {}", column.name, sql.to_json(&column.name, &column.kind)))
            .collect();
        let key = self.key();
        // A table of which a tenant has one row has no key beside the tenant.
        let first = if key.is_empty() { Some("tenant_id") } else { None };
        let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).chain(first).collect();
        let marks: String = key
            .iter()
            .enumerate()
            .map(|(at, column)| format!(", {} AS mark_{at}", sql.to_text(&column.name, &column.kind)))
            .collect();
        let behind: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(at, column)| sql.of_text(&format!("${}", at + 2), &column.kind))
            .collect();
        let behind = if after {
            format!(" AND ({}) > ({})", names.join(", "), behind.join(", "))
        } else {
            String::new()
        };
        format!(
            "SELECT {} AS line{marks} FROM \"{}\" WHERE tenant_id = $1{behind} ORDER BY {} LIMIT {limit}",
            sql.object(&fields),
            self.name,
            names.join(", ")
        )
    }

    /// Up to `limit` rows behind `after`, each a JSON text, and where to go on; `None`: these were the last ones.
    pub async fn page(
        &self,
        view: &View,
        after: Option<&Mark>,
        limit: u64,
    ) -> Result<(Vec<String>, Option<Mark>), DbError> {
        let sql = self.select(view.sql(), after.is_some(), limit);
        let values = after.into_iter().flatten().map(|text| Value::from(text.clone())).collect();
        let rows = view.query(&Statement::built(sql)?, values).await?;
        let lines: Vec<String> = rows.iter().map(|row| row.try_get("", "line")).collect::<Result<_, _>>()?;
        let last = rows.last().filter(|_| rows.len() as u64 == limit);
        let mark = |row: &QueryResult| {
            let texts = (0..self.key().len()).map(|at| row.try_get("", &format!("mark_{at}")));
            texts.collect::<Result<Mark, _>>()
        };
        Ok((lines, last.map(mark).transpose()?))
    }
}
