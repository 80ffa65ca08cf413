//! SCIM: resources and what is said about them.

use serde_json::json;
use tests::TestApp;

use super::answer_is;
use crate::sso::text;

#[actix_web::test]
async fn a_user_and_a_group() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": "ann", "externalId": "e-1", "active": true, "name": {"givenName": "Ann", "familyName": "Example"},
        "emails": [{"value": "ann@acme.example", "type": "work", "primary": true}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Research"},
    });
    let made = acme.scim.post("/scim/v2/Users", body).await;
    answer_is("scim_user_created", &made);
    let ann = text(&made.json(), "id");
    let group = json!({"displayName": "staff", "members": [{"value": ann}]});
    answer_is("scim_group_created", &acme.scim.post("/scim/v2/Groups", group).await);
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "name.familyName", "value": "Other"}]});
    answer_is("scim_user_patched", &acme.scim.patch(&format!("/scim/v2/Users/{ann}"), patch).await);
    answer_is("scim_users_found", &acme.scim.find("/scim/v2/Users", "userName eq \"ANN\"").await);
    // One thing only that another user has: of several, each store names the one that it finds first.
    let same_name = json!({"userName": "ANN"});
    answer_is("scim_error_uniqueness", &acme.scim.post("/scim/v2/Users", same_name).await);
    answer_is("scim_error_filter", &acme.scim.find("/scim/v2/Users", "userName eq").await);
    answer_is("scim_error_not_found", &acme.scim.get("/scim/v2/Users/nobody").await);
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
        {"method": "DELETE", "path": "/Users/nobody"}]});
    answer_is("scim_bulk", &acme.scim.post("/scim/v2/Bulk", bulk).await);
    app.stop().await;
}

#[actix_web::test]
async fn what_the_service_says_of_itself() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    answer_is("scim_service_provider_config", &acme.scim.get("/scim/v2/ServiceProviderConfig").await);
    answer_is("scim_resource_types", &acme.scim.get("/scim/v2/ResourceTypes").await);
    answer_is(
        "scim_schema_of_users",
        &acme.scim.get("/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").await,
    );
    answer_is(
        "scim_schema_of_groups",
        &acme.scim.get("/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").await,
    );
    app.stop().await;
}
