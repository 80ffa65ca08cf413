//! All tenants, one after the other and a page at a time: for what is done to each outside of any transaction.

use entity::tenancy::tenant;
use platform::db::Db;
use platform::{DbError, PlatformView};
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::model::Status;

/// Tenants of one page.
const PAGE: u64 = 200;

/// Does `work` to each tenant that is active or suspended and of which `which` is true, by id.
///
/// # Errors
/// If the store fails, or what `work` answers: the tenants after it are left out.
pub async fn each<E: From<DbError>>(
    db: &Db,
    which: SimpleExpr,
    mut work: impl AsyncFnMut(&tenant::Model) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = Uuid::nil();
    loop {
        let find = async |view: &PlatformView| {
            let select = view
                .across::<tenant::Entity>()
                .filter(tenant::Column::Id.gt(after))
                .filter(which.clone())
                .filter(tenant::Column::Status.is_in([Status::Active, Status::Suspended]));
            view.all(select.order_by_asc(tenant::Column::Id).limit(PAGE)).await
        };
        let page: Vec<tenant::Model> = db.read_platform(find).await?;
        for tenant in &page {
            work(tenant).await?;
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = last.id,
            _ => return Ok(()),
        }
    }
}
