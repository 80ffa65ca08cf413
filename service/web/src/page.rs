//! Lists: `limit`, opaque cursors, `{"items": […], "nextCursor": …}`.

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::scope::{PlatformOwned, TenantOwned};
use platform::crypto::sha256;
use sea_orm::{
    ColumnTrait, ColumnType, EntityTrait, ModelTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, Value,
};
use serde::{Deserialize, Serialize};

use crate::caller::{PlatformCaller, TenantCaller};
use crate::input::{FieldErrors, Input};
use crate::{Code, Problem};

/// Items on a page, unless asked.
const LIMIT_DEFAULT: u64 = 50;
/// Items on a page at most.
const LIMIT_MAX: u64 = 200;

/// `limit` and `cursor`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// How many items; at most 200.
    pub limit: Option<u64>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl Input for ListQuery {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.limit.is_none_or(|limit| (1..=LIMIT_MAX).contains(&limit)),
            "?limit",
            "must be from 1 to 200",
        );
    }
}

/// Where a list goes on: after this key. Bound to the list's own query, so that a cursor of another list is refused.
#[derive(Clone, Debug)]
pub struct Position {
    /// How many items the page has.
    pub limit: u64,
    /// The last key of the page before.
    pub after: Option<String>,
    binding: [u8; 8],
}

impl Position {
    /// Reads the position in the list that `binding` (pattern, filters, tenant) names.
    ///
    /// # Errors
    /// `validation.cursor` for a cursor of another list.
    pub fn of(query: &ListQuery, binding: &str) -> Result<Self, Problem> {
        let invalid = || Problem::new(Code::CURSOR_INVALID);
        let mut bound = [0; 8];
        bound.iter_mut().zip(sha256(binding.as_bytes())).for_each(|(to, from)| *to = from);
        let after = match &query.cursor {
            None => None,
            Some(cursor) => {
                let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
                let (seen, key) = bytes.split_at_checked(8).ok_or_else(invalid)?;
                if seen != bound {
                    return Err(invalid());
                }
                Some(String::from_utf8(key.to_vec()).map_err(|_| invalid())?)
            }
        };
        Ok(Self { limit: query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX), after, binding: bound })
    }

    /// The same, for keys that are ids.
    ///
    /// # Errors
    /// `validation.cursor` if the key isn't one.
    pub fn after_id(&self) -> Result<Option<uuid::Uuid>, Problem> {
        let parse = |key: &String| uuid::Uuid::parse_str(key).map_err(|_| Problem::new(Code::CURSOR_INVALID));
        self.after.as_ref().map(parse).transpose()
    }

    /// Makes the page from rows, of which one more than `limit` was asked for.
    pub fn page<R, T>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> String, item: impl Fn(R) -> T) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| URL_SAFE_NO_PAD.encode([self.binding.as_slice(), key(last).as_bytes()].concat()));
        Page { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Responder for Page<T> {
    type Body = BoxBody;
    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self)
    }
}

/// A list by its key: an id, or the text that names a row.
struct ByKey<C> {
    key: C,
    position: Position,
    after: Option<Value>,
}

impl<C: ColumnTrait> ByKey<C> {
    fn of(query: &ListQuery, binding: &str, key: C) -> Result<Self, Problem> {
        let position = Position::of(query, binding)?;
        let after = match key.def().get_column_type() {
            ColumnType::Uuid => position.after_id()?.map(Value::from),
            _ => position.after.clone().map(Value::from),
        };
        Ok(Self { key, position, after })
    }

    fn cut<E: EntityTrait<Column = C>>(&self, mut select: Select<E>) -> Select<E> {
        if let Some(after) = &self.after {
            select = select.filter(self.key.gt(after.clone()));
        }
        select.order_by_asc(self.key).limit(self.position.limit + 1)
    }

    fn page<E: EntityTrait<Column = C>, T>(
        &self,
        rows: Vec<E::Model>,
        item: impl Fn(E::Model) -> T,
    ) -> Page<T> {
        let key = |row: &E::Model| match row.get(self.key) {
            Value::Uuid(Some(id)) => id.to_string(),
            Value::String(Some(text)) => text.to_string(),
            _ => String::new(),
        };
        self.position.page(rows, key, item)
    }
}

impl PlatformCaller {
    /// A page of a table of the platform, by its key.
    ///
    /// # Errors
    /// `validation.cursor`.
    pub async fn page<E: PlatformOwned, T>(
        &self,
        query: &ListQuery,
        key: E::Column,
        item: impl Fn(E::Model) -> T,
    ) -> Result<Page<T>, Problem> {
        let list = ByKey::of(query, E::default().table_name(), key)?;
        let rows = self.read(async |view| view.all(list.cut(view.platform::<E>())).await).await?;
        Ok(list.page::<E, T>(rows, item))
    }
}

impl TenantCaller {
    /// A page of a table of the tenant, by its key.
    ///
    /// # Errors
    /// `validation.cursor`.
    pub async fn page<E: TenantOwned, T>(
        &self,
        query: &ListQuery,
        key: E::Column,
        item: impl Fn(E::Model) -> T,
    ) -> Result<Page<T>, Problem> {
        let list = ByKey::of(query, &format!("{} {}", E::default().table_name(), self.tenant()), key)?;
        let rows = self.read(async |view| view.all(list.cut(view.select::<E>())).await).await?;
        Ok(list.page::<E, T>(rows, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_where_the_page_ended_and_fits_no_other_list() {
        let query = ListQuery { limit: Some(2), cursor: None };
        let first = Position::of(&query, "list a").unwrap().page(vec![1, 2, 3], ToString::to_string, |n| n);
        assert_eq!(first.items, [1, 2]);
        let query = ListQuery { limit: Some(2), cursor: first.next_cursor };
        let next = Position::of(&query, "list a").unwrap();
        assert_eq!(next.after.as_deref(), Some("2"));
        assert!(Position::of(&query, "list b").is_err());
        assert!(next.page(vec![3], ToString::to_string, |n| n).next_cursor.is_none());
    }
}
