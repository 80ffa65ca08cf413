//! Hand-written SQL, with its scope checked before it runs: where a statement is a constant, while the program is compiled.

use std::borrow::Cow;

use sea_orm::DbErr;

use crate::DbError;

/// A statement over the rows of one tenant. `$1` is the tenant, which the transaction that runs it puts in; the caller's values
/// begin at `$2`.
#[derive(Clone, Debug)]
pub struct Statement {
    sql: Cow<'static, str>,
}

impl Statement {
    /// For a constant with a name.
    ///
    /// # Panics
    /// If the text has no scope; in a constant, that stops the compiler.
    #[must_use]
    pub const fn of_tenant(sql: &'static str) -> Self {
        assert!(is_scoped(sql), "a statement of a tenant compares tenant_id with $1, or inserts it");
        Self { sql: Cow::Borrowed(sql) }
    }

    /// For a text that is put together while the program runs. It consists of constants; values are always parameters.
    ///
    /// # Errors
    /// [`DbError::Sql`] if the text has no scope.
    pub fn built(sql: String) -> Result<Self, DbError> {
        if is_scoped(&sql) {
            return Ok(Self { sql: Cow::Owned(sql) });
        }
        Err(DbError::Sql(DbErr::Custom(format!("a statement without scope: {sql}"))))
    }

    pub(super) fn text(&self) -> &str {
        &self.sql
    }
}

/// A statement over the rows of all tenants, or over tables of the platform. Values begin at `$1`.
#[derive(Clone, Debug)]
pub struct CrossTenantStatement {
    sql: Cow<'static, str>,
}

impl CrossTenantStatement {
    /// For a constant with a name.
    #[must_use]
    pub const fn new(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql) }
    }

    /// For a text that is put together while the program runs. It consists of constants; values are always parameters.
    #[must_use]
    pub fn built(sql: String) -> Self {
        Self { sql: Cow::Owned(sql) }
    }

    pub(super) fn text(&self) -> &str {
        &self.sql
    }
}

/// Whether a text compares `tenant_id` with `$1`, or inserts `$1` as the first column, `tenant_id`.
const fn is_scoped(sql: &str) -> bool {
    has(sql, "tenant_id = $1")
        || has(sql, "INSERT INTO ") && has(sql, "(tenant_id, ") && has(sql, "VALUES ($1")
}

/// Whether `text` has `part`, and no digit behind it: `$10` isn't `$1`.
const fn has(text: &str, part: &str) -> bool {
    let mut rest = text.as_bytes();
    loop {
        if begins(rest, part.as_bytes()) {
            return true;
        }
        match rest {
            [_, behind @ ..] => rest = behind,
            [] => return false,
        }
    }
}

const fn begins(text: &[u8], part: &[u8]) -> bool {
    match (text, part) {
        ([digit, ..], []) => !digit.is_ascii_digit(),
        ([], []) => true,
        ([one, text @ ..], [other, part @ ..]) if *one == *other => begins(text, part),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_the_tenant_first() {
        let table = [
            ("SELECT id FROM session WHERE tenant_id = $1 AND id = $2", true),
            ("DELETE FROM session WHERE id = $2 AND session.tenant_id = $1", true),
            ("INSERT INTO session (tenant_id, id) VALUES ($1, $2)", true),
            ("INSERT INTO session (tenant_id, id) SELECT $1, id FROM other WHERE tenant_id = $1", true),
            ("INSERT INTO session (tenant_id, id) SELECT $1, id FROM other", false),
            ("INSERT INTO session (id, tenant_id) VALUES ($1, $2)", false),
            ("INSERT INTO session (tenant_id, id) VALUES ($10, $2)", false),
            ("SELECT id FROM session WHERE tenant_id = $10", false),
            ("SELECT id FROM session WHERE tenant_id = $2 AND id = $1", false),
            ("SELECT id FROM session", false),
            ("", false),
        ];
        for (sql, is_scoped) in table {
            assert_eq!(Statement::built(sql.to_owned()).is_ok(), is_scoped, "{sql}");
        }
    }
}
