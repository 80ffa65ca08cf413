//! A module that is nothing yet: for the tests of whoever reads one.

use entity::modules::module::Model;
use entity::modules::states::PushProfile;
use platform::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// A confidential client without a name, an address or a secret; a test says what it needs of it.
#[doc(hidden)]
pub fn blank() -> Model {
    Model {
        id: Uuid::nil(),
        name: String::new(),
        base_url: String::new(),
        redirect_uris: json!([]),
        profile: PushProfile::Tenantry,
        client_id: String::new(),
        client_secret_hash: String::new(),
        secret_mac: None,
        webhook_secret: Vec::new(),
        public: false,
        post_logout_redirect_uris: json!([]),
        backchannel_logout_uri: None,
        frontchannel_logout_uri: None,
        failures: 0,
        failing_since: None,
        paused_until: None,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
