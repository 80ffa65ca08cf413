//! Look-ups of identity providers go by an index: the store's own plans, on both stores.

use directory::{Listing, Reach, Start};
use scim_core::Profile;
use scim_core::condition::Condition;
use scim_core::filter::Filter;
use scim_core::schema::{GROUPS, ResourceType, USERS};
use serde_json::{Value, json};
use tests::{Bulk, Organization, TestApp};
use uuid::Uuid;

/// Enough rows that a planner thinks of an index.
const ROWS: usize = 1_500;

#[actix_web::test]
async fn what_identity_providers_ask_for_is_found_by_an_index() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let unlimited =
        json!({"items": [{"resource": "users", "limit": null}, {"resource": "groups", "limit": null}]});
    app.operator.put(&format!("/api/v1/tenants/{}/quotas", acme.slug), unlimited).await.expect(200);
    let mut first = String::new();
    for begin in (0..ROWS).step_by(500) {
        let operations: Vec<Value> = (begin..begin + 500)
            .flat_map(|n| {
                let data = json!({"userName": format!("u{n}"), "externalId": format!("e{n}"), "emails": [{"value": format!("u{n}@x"), "type": "work"}]});
                [
                    json!({"method": "POST", "path": "/Users", "bulkId": format!("u{n}"), "data": data}),
                    json!({"method": "POST", "path": "/Groups", "bulkId": format!("g{n}"), "data": {"displayName": format!("g{n}"), "externalId": format!("e{n}"), "members": [{"value": format!("bulkId:u{n}")}]}}),
                ]
            })
            .collect();
        let done: Bulk = acme.scim.post("/scim/v2/Bulk", json!({"Operations": operations})).await.found();
        first = done.operations[0].id();
    }
    acme.group("outer", &[]).await;
    app.store.analyze().await;
    let service = &app.running.service;
    let tenant = Uuid::parse_str(&acme.id).expect("an id");
    let organizations = acme.admin.get(&format!("/api/v1/tenants/{}/organizations", acme.slug)).await;
    let organization = Uuid::parse_str(&organizations.first::<Organization>().id).expect("an id");
    let plan = async |kind: &ResourceType, text: &str| -> String {
        let filter = Filter::parse(text, Profile::Compat).expect("a filter");
        let condition = Condition::bind(kind, &filter, Profile::Compat).expect("a condition");
        // What it costs goes by the same.
        assert_eq!(directory::reach(kind, Some(&condition), None), Reach::Index, "{text}");
        let start = Start::Offset(0);
        let listing = Listing {
            kind,
            base: "",
            organization,
            condition: Some(&condition),
            sort: None,
            start: &start,
            limit: 100,
        };
        service
            .db
            .read(tenant, async |view| directory::explain(view, listing).await)
            .await
            .expect("a plan")
            .join("\n")
    };
    for (kind, text, index) in [
        (&*USERS, "userName eq \"U7\"".to_owned(), "directory_user_user_name_key"),
        (&*USERS, "externalId eq \"e7\"".to_owned(), "directory_user_external_id_key"),
        (&*USERS, "emails.value eq \"U7@x\"".to_owned(), "directory_user_email_value_idx"),
        (&*USERS, "emails[type eq \"work\"].value eq \"u7@x\"".to_owned(), "directory_user_email_value_idx"),
        (&*USERS, "userName eq \"u7\" and active eq true".to_owned(), "directory_user_user_name_key"),
        (
            &*USERS,
            format!(
                "id eq \"{first}\" and urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"x\""
            ),
            "directory_user_",
        ),
        (&*GROUPS, "displayName eq \"G7\"".to_owned(), "directory_group_display_name_key"),
        (&*GROUPS, "externalId eq \"e7\"".to_owned(), "directory_group_external_id_key"),
        (&*GROUPS, format!("members eq \"{first}\""), "directory_group_member_user_idx"),
        (&*GROUPS, format!("members[value eq \"{first}\"]"), "directory_group_member_user_idx"),
    ] {
        let plan = plan(kind, &text).await;
        assert!(plan.contains(index), "{text} doesn't use {index}:\n{plan}");
        let scans = plan.lines().any(|line| {
            line.contains("Seq Scan on directory_user r")
                || line.contains("Seq Scan on directory_group r")
                || line.trim() == "SCAN r"
        });
        assert!(!scans, "{text} reads everybody:\n{plan}");
    }
    app.stop().await;
}
