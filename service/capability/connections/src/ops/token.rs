//! The connection of an ID token that a customer's own provider signed.

use entity::connections::connection::{Column, Entity};
use entity::connections::states::ConnectionType;
use platform::PlatformView;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use uuid::Uuid;
use web::PlatformService;

use super::connections::Connection;
use crate::error::Error;

/// What an ID token says of its connection, and what its bearer says besides.
#[derive(Clone, Copy, Debug)]
pub struct OfToken<'a> {
    /// Its issuer.
    pub issuer: &'a str,
    /// Its audiences, of which our client id is one.
    pub audiences: &'a [String],
    /// The tenant that the bearer names.
    pub tenant: Option<Uuid>,
    /// The connection that the bearer names.
    pub connection: Option<Uuid>,
}

/// What is found for a token.
#[derive(Debug)]
pub enum Found {
    /// Its connection.
    Connection(Box<Connection>),
    /// Connections of its issuer, but none of its audience.
    OtherAudience,
    /// None of its issuer.
    Nothing,
}

/// The connection of an ID token. Of several that would take it, whose provider has answered comes first, then the oldest: what another
/// tenant makes afterwards changes nothing.
///
/// # Errors
/// [`Error::Store`], [`Error::Internal`]
pub async fn of_token(service: &PlatformService, token: OfToken<'_>) -> Result<Found, Error> {
    let of_issuer = |view: &PlatformView| {
        let select = view.across::<Entity>().filter(Column::Issuer.eq(token.issuer));
        select.filter(Column::Kind.eq(ConnectionType::Oidc))
    };
    let find = async |view: &PlatformView| {
        let mut select = of_issuer(view).filter(Column::ClientId.is_in(token.audiences));
        if let Some(tenant) = token.tenant {
            select = select.filter(Column::TenantId.eq(tenant));
        }
        if let Some(id) = token.connection {
            select = select.filter(Column::Id.eq(id));
        }
        let proven_first = Expr::col((Entity, Column::ProvenAt)).is_null();
        let select = select.order_by_asc(proven_first).order_by_asc(Column::ClaimedAt);
        view.one(select.order_by_asc(Column::Id)).await
    };
    if let Some(row) = service.db.read(find).await? {
        return Ok(Found::Connection(Box::new(Connection::of(row)?)));
    }
    let known = async |view: &PlatformView| view.one(of_issuer(view)).await;
    Ok(match service.db.read(known).await? {
        Some(_) => Found::OtherAudience,
        None => Found::Nothing,
    })
}
