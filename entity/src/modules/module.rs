//! A downstream service: an OAuth client and a receiver of pushes.

use sea_orm::entity::prelude::*;

use super::states::PushProfile;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub base_url: String,
    pub redirect_uris: Json,
    pub profile: PushProfile,
    pub client_id: String,
    /// Argon2id, PHC string.
    pub client_secret_hash: String,
    /// HMAC of the secret under the lookup key; `None`: from before, until its first right use.
    pub secret_mac: Option<Vec<u8>>,
    /// Sealed.
    pub webhook_secret: Vec<u8>,
    /// Whether it can't keep a secret (RFC 6749, section 2.1).
    pub public: bool,
    pub post_logout_redirect_uris: Json,
    pub backchannel_logout_uri: Option<String>,
    pub frontchannel_logout_uri: Option<String>,
    /// Pushes that failed in a row.
    pub failures: i64,
    pub failing_since: Option<DateTimeUtc>,
    /// Left alone until then.
    pub paused_until: Option<DateTimeUtc>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
