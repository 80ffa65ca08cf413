//! Lists of users and groups: a page of those for which a condition holds, in an order, with the total.
//!
//! A page begins at an offset, or behind a [`Mark`]: the last row of the page before. Behind a mark nobody is missed when
//! others are removed meanwhile.

use scim_core::condition::Condition;
use scim_core::schema::ResourceType;
use scim_core::search::Sort;
use sea_orm::{FromQueryResult, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::Problem;

use platform::{DbError, View};

use super::condition::Writer;
use super::order::Key;

/// What a list shows.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Users or groups.
    pub kind: &'a ResourceType,
    /// The base of locations.
    pub base: &'a str,
    /// The organization.
    pub organization: Uuid,
    /// Which.
    pub condition: Option<&'a Condition>,
    /// In which order; by id, which is the order in which they were made, if not said.
    pub sort: Option<&'a Sort>,
    /// From where.
    pub start: &'a Start,
    /// How many at most; 0 counts only.
    pub limit: u64,
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// After so many rows.
    Offset(u64),
    /// Behind this row, which is the so many-th.
    Behind(u64, Mark),
}

/// A row's place in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    id: Uuid,
    key: Option<String>,
}

/// A page.
#[derive(Debug)]
pub struct Listed<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// How many there are in all. Behind a mark: those before it as counted then, and those behind it as counted now.
    pub total: u64,
    /// The last row's place.
    pub last: Option<Mark>,
}

/// Columns of a row in a list; the searched document stays in the store.
fn columns(view: &View, kind: &ResourceType) -> String {
    let own = if kind.has_members() {
        "r.display_name, r.display_name_key, r.external_id"
    } else {
        "r.user_name, r.user_name_key, r.external_id, r.display_name, r.email, r.active, r.role, r.role_source, r.source"
    };
    format!(
        "r.tenant_id, r.organization_id, r.id, {own}, r.resource, {} AS folded, r.version, r.created_at, r.updated_at",
        view.sql().json_empty()
    )
}

/// A list in the store's language.
struct Statement {
    /// The page.
    page: String,
    /// How many there are, behind the mark if there is one.
    count: String,
    values: Vec<Value>,
    sorted: bool,
    /// Rows that were passed before the mark.
    before: u64,
    offset: u64,
}

impl Statement {
    fn of(view: &View, listing: Listing<'_>) -> Result<Self, Problem> {
        let table = if listing.kind.has_members() { "directory_group" } else { "directory_user" };
        let mut writer = Writer::new(view.sql(), listing.kind, listing.base, listing.organization);
        let mut tests = "r.tenant_id = $1 AND r.organization_id = $2".to_owned();
        if let Some(condition) = listing.condition {
            tests = format!("{tests} AND {}", writer.write(condition)?);
        }
        let key = listing.sort.map(|sort| Key::of(&mut writer, sort)).transpose()?;
        let (before, offset) = match listing.start {
            Start::Offset(offset) => (0, *offset),
            Start::Behind(before, mark) => {
                let behind = match &key {
                    None => format!("r.id > {}", writer.bind(mark.id)),
                    Some(key) => key.behind(&mut writer, mark.id, mark.key.as_deref()),
                };
                tests = format!("{tests} AND {behind}");
                (*before, 0)
            }
        };
        let (order, shown) = match &key {
            None => ("r.id".to_owned(), String::new()),
            Some(key) => (key.order(), format!(", {} AS sort_key", key.text)),
        };
        let page = format!(
            "SELECT {}{shown} FROM {table} r WHERE {tests} ORDER BY {order} LIMIT {} OFFSET {offset}",
            columns(view, listing.kind),
            listing.limit
        );
        let count = format!("SELECT COUNT(*) AS n FROM {table} r WHERE {tests}");
        Ok(Self { page, count, values: writer.values, sorted: key.is_some(), before, offset })
    }

    async fn count(&self, view: &View) -> Result<u64, Problem> {
        let rows = view.query(&self.count, self.values.clone()).await?;
        let n = rows.first().map(|row| row.try_get::<i64>("", "n")).transpose().map_err(DbError::from)?;
        Ok(u64::try_from(n.unwrap_or(0)).unwrap_or(0))
    }
}

/// A page of a list. A page that isn't full is the last one, so its total needs no count.
///
/// # Errors
/// `validation.failed` (`invalidFilter`, `invalidPath`) for what can't be searched or sorted by.
pub async fn search<R: FromQueryResult>(view: &View, listing: Listing<'_>) -> Result<Listed<R>, Problem> {
    let statement = Statement::of(view, listing)?;
    let (before, offset) = (statement.before, statement.offset);
    if listing.limit == 0 {
        let total = before + statement.count(view).await?;
        return Ok(Listed { rows: Vec::new(), total, last: None });
    }
    let found = view.query(&statement.page, statement.values.clone()).await?;
    let last = match found.last() {
        None => None,
        Some(row) => {
            let id = row.try_get("", "id").map_err(DbError::from)?;
            let key =
                statement.sorted.then(|| row.try_get("", "sort_key")).transpose().map_err(DbError::from)?;
            Some(Mark { id, key: key.flatten() })
        }
    };
    let rows = found.iter().map(|row| R::from_query_result(row, "")).collect::<Result<Vec<R>, _>>();
    let rows = rows.map_err(DbError::from)?;
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let ended = shown < listing.limit && (shown > 0 || offset == 0);
    let total = if ended { before + offset + shown } else { before + statement.count(view).await? };
    Ok(Listed { rows, total, last })
}

/// How the store would find a page: its plan, a line each. A test reads it, so that a filter which lost its index is seen.
///
/// # Errors
/// The same as [`search`].
pub async fn explain(view: &View, listing: Listing<'_>) -> Result<Vec<String>, Problem> {
    let statement = Statement::of(view, listing)?;
    let (explain, column) = view.sql().explain();
    let rows = view.query(&format!("{explain} {}", statement.page), statement.values).await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get("", column)).collect();
    Ok(lines.map_err(DbError::from)?)
}
