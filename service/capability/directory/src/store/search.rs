//! Lists of users and groups: a page of those for which a condition holds, in an order, with the total.
//!
//! A page begins at an offset, or behind a [`Mark`]: the last row of the page before. Behind a mark nobody is missed when
//! others are removed meanwhile.

use entity::directory::{group, user};
use scim_core::ScimError;
use scim_core::condition::Condition;
use scim_core::resource;
use scim_core::schema::ResourceType;
use scim_core::search::Sort;
use sea_orm::{FromQueryResult, QueryResult, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use platform::{DbError, Statement, View};

use super::condition::{Writer, table};
use super::order::Key;

/// Bytes of attributes at which a page ends before it is full.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Rows of a page that are read at once.
pub const ROWS_AT_ONCE: u64 = 100;
/// Rows that are read at once where those before were small.
const SMALL_ROWS_AT_ONCE: u64 = 300;
/// Bytes up to which a row is small.
const ROW_BYTES_SMALL: usize = 2 << 10;

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
        "r.user_name, r.user_name_key, r.external_id, r.display_name, r.email, r.active, r.role, r.role_source, r.role_under, r.source"
    };
    format!(
        "r.tenant_id, r.organization_id, r.id, {own}, r.resource, {} AS folded, r.version, r.created_at, r.updated_at",
        view.sql().json_empty()
    )
}

/// A list in the store's language.
struct Written {
    /// The page.
    page: String,
    /// How many there are, behind the mark if there is one.
    count: String,
    values: Vec<Value>,
    sorted: bool,
    /// Rows that were passed before the mark.
    before: u64,
    offset: u64,
    limit: u64,
}

impl Written {
    fn of(view: &View, listing: Listing<'_>) -> Result<Self, ScimError> {
        let table = table(listing.kind);
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
        Ok(Self {
            page,
            count,
            values: writer.values,
            sorted: key.is_some(),
            before,
            offset,
            limit: listing.limit,
        })
    }

    /// The place of the last row that was found.
    fn mark(&self, row: Option<&QueryResult>) -> Result<Option<Mark>, DbError> {
        let Some(row) = row else { return Ok(None) };
        let key = self.sorted.then(|| row.try_get("", "sort_key")).transpose()?;
        Ok(Some(Mark { id: row.try_get("", "id")?, key: key.flatten() }))
    }

    async fn count(&self, view: &View) -> Result<u64, DbError> {
        let rows = view.query(&Statement::built(self.count.clone())?, self.values.clone()).await?;
        let n = rows.first().map(|row| row.try_get::<i64>("", "n")).transpose().map_err(DbError::from)?;
        Ok(u64::try_from(n.unwrap_or(0)).unwrap_or(0))
    }
}

/// A row of a list.
pub trait Listable: FromQueryResult {
    /// Its attributes.
    fn resource(&self) -> &serde_json::Value;
}

impl Listable for user::Model {
    fn resource(&self) -> &serde_json::Value {
        &self.resource
    }
}

impl Listable for group::Model {
    fn resource(&self) -> &serde_json::Value {
        &self.resource
    }
}

/// A page of a list. It ends where it has as many rows as asked for, or `PAGE_BYTES_MAX` bytes: rows are read some at a
/// time, so that a page of large ones is never held whole. A page that isn't full is the last one, so its total needs no
/// count.
///
/// # Errors
/// `validation.failed` (`invalidFilter`, `invalidPath`) for what can't be searched or sorted by.
pub async fn search<R: Listable>(view: &View, listing: Listing<'_>) -> Result<Listed<R>, Error> {
    let some = |limit: u64, at_once: u64| Listing { limit: limit.min(at_once), ..listing };
    let first = Written::of(view, some(listing.limit, ROWS_AT_ONCE))?;
    let (before, offset) = (first.before, first.offset);
    if listing.limit == 0 {
        let total = before + first.count(view).await?;
        return Ok(Listed { rows: Vec::new(), total, last: None });
    }
    let (mut rows, mut bytes, mut last) = (Vec::new(), 0, None);
    let mut next = None;
    let ended = loop {
        let part = next.as_ref().unwrap_or(&first);
        let found = view.query(&Statement::built(part.page.clone())?, part.values.clone()).await?;
        last = part.mark(found.last())?.or(last);
        for row in &found {
            let row = R::from_query_result(row, "").map_err(DbError::from)?;
            bytes += row.resource().as_object().map_or(0, resource::bytes);
            rows.push(row);
        }
        let (shown, found) = (count(rows.len()), count(found.len()));
        let left = listing.limit.saturating_sub(shown);
        match &last {
            _ if found < part.limit => break shown > 0 || offset == 0,
            Some(mark) if left > 0 && bytes < PAGE_BYTES_MAX => {
                let start = Start::Behind(0, mark.clone());
                let small = bytes / rows.len().max(1) < ROW_BYTES_SMALL;
                let at_once = if small { SMALL_ROWS_AT_ONCE } else { ROWS_AT_ONCE };
                next = Some(Written::of(view, Listing { start: &start, ..some(left, at_once) })?);
            }
            _ => break false,
        }
    };
    let total = if ended { before + offset + count(rows.len()) } else { before + first.count(view).await? };
    Ok(Listed { rows, total, last })
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// How the store would find a page: its plan, a line each. A test reads it, so that a filter which lost its index is seen.
///
/// # Errors
/// The same as [`search`].
pub async fn explain(view: &View, listing: Listing<'_>) -> Result<Vec<String>, Error> {
    let written = Written::of(view, listing)?;
    let (explain, column) = view.sql().explain();
    let statement = Statement::built(format!("{explain} {}", written.page))?;
    let rows = view.query(&statement, written.values).await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get("", column)).collect();
    Ok(lines.map_err(DbError::from)?)
}
