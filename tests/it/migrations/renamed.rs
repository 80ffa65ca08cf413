//! Names in the store that the glossary replaced: jobs, steps, events and states from before go on under their new names.

use sea_orm::Value;
use serde_json::json;

use super::before::Before;
use super::rows::*;

const NAMES: &str = "m20261202_000001_names";

/// Kinds of jobs, before and after.
const KINDS: [(&str, &str); 7] = [
    ("identity.converge", "identity.reconcile"),
    ("inbox.settle", "inbox.process"),
    ("instances.grow", "instances.scale_out"),
    ("mail.send", "mail.send"),
    ("scim.discard_rehearsal", "scim.discard_dry_run"),
    ("scim.prepare_rehearsal", "scim.prepare_dry_run"),
    ("session.tell_more", "session.notify_more"),
];

async fn jobs(before: &Before) {
    for (at, (kind, _)) in (1_u128..).zip(KINDS) {
        let row = vec![
            ("id", id(at).into()),
            ("kind", kind.into()),
            ("lane", "grow:pool:eu".into()),
            ("payload", json!({}).into()),
            ("status", "dead".into()),
            ("attempts", 1_i64.into()),
            ("attempts_max", 1_i64.into()),
            ("next_run_at", days_ago(1).into()),
            ("created_at", days_ago(1).into()),
            ("finished_at", days_ago(1).into()),
        ];
        before.insert("job", row).await;
    }
}

async fn run(before: &Before) {
    let run = vec![
        ("tenant_id", BETA.0.into()),
        ("id", id(1).into()),
        ("kind", "deprovision".into()),
        ("status", "running".into()),
        ("parameters", json!({}).into()),
        ("created_at", days_ago(1).into()),
    ];
    before.insert("tenant_run", run).await;
    for (at, name) in (0_i64..).zip(["cut_off", "recycle"]) {
        let step = vec![
            ("tenant_id", BETA.0.into()),
            ("run_id", id(1).into()),
            ("ordinal", at.into()),
            ("name", name.into()),
            ("status", "pending".into()),
            ("attempts", 0_i64.into()),
        ];
        before.insert("tenant_run_step", step).await;
    }
}

async fn events(before: &Before) {
    let endpoint = vec![
        ("id", id(1).into()),
        ("url", "https://hooks.example/".into()),
        ("event_types", json!(["directory.held", "user.arrived", "user.created"]).into()),
        ("secret", b"sealed".to_vec().into()),
    ];
    before.insert("webhook_endpoint", with(endpoint, made(days_ago(2)))).await;
    for (at, kind) in (1_i64..).zip(["billing.price_unknown", "directory.held", "user.arrived"]) {
        let event = id(u128::from(at.unsigned_abs()));
        let row = vec![
            ("id", event.into()),
            ("tenant_id", ACME.0.into()),
            ("type", kind.into()),
            ("data", json!({"planKept": "pro"}).into()),
            ("occurred_at", days_ago(1).into()),
            ("dispatched_at", days_ago(1).into()),
            ("sequence", at.into()),
        ];
        before.insert("outbox_event", row).await;
        let delivery = vec![
            ("id", event.into()),
            ("endpoint_id", id(1).into()),
            ("event_id", event.into()),
            ("tenant_id", ACME.0.into()),
            ("type", kind.into()),
            ("sequence", at.into()),
            ("status", "dead".into()),
            ("attempts", 1_i64.into()),
            ("next_attempt_at", days_ago(1).into()),
            ("created_at", days_ago(1).into()),
        ];
        before.insert("webhook_delivery", delivery).await;
    }
}

async fn mails(before: &Before) {
    for (at, status) in (1_u128..).zip(["kept", "sent"]) {
        let row = vec![
            ("tenant_id", ACME.0.into()),
            ("id", id(at).into()),
            ("dedupe_key", format!(":directory-held:ann@acme.example:{at}").into()),
            ("template", "directory-held".into()),
            ("locale", "en".into()),
            ("recipient", "ann@acme.example".into()),
            ("subject", "acme".into()),
            ("content", b"sealed".to_vec().into()),
            ("status", status.into()),
            ("created_at", days_ago(1).into()),
            ("send_at", days_ago(1).into()),
        ];
        before.insert("mail_message", row).await;
    }
}

async fn guards(before: &Before) {
    for (place, state) in [(ACME, "held"), (EMEA, "confirmed")] {
        let row = vec![
            ("tenant_id", place.0.into()),
            ("organization_id", place.1.into()),
            ("users_max", 10_i64.into()),
            ("window_seconds", 3600_i64.into()),
            ("state", state.into()),
            ("held_at", days_ago(1).into()),
            ("held_count", 3_i64.into()),
        ];
        before.insert("directory_guard", with(row, made(days_ago(2)))).await;
    }
}

#[actix_web::test]
async fn names_from_before_are_todays() {
    let before = Before::with_tenants(NAMES).await;
    jobs(&before).await;
    run(&before).await;
    events(&before).await;
    mails(&before).await;
    guards(&before).await;
    before.upgrade().await;
    let texts = async |sql: &str| before.texts(sql, Vec::<Value>::new()).await;
    assert_eq!(texts("SELECT kind FROM job ORDER BY id").await, KINDS.map(|(_, kind)| kind));
    let lanes = texts("SELECT lane FROM job WHERE lane LIKE 'scale_out:%'").await;
    assert_eq!(lanes, ["scale_out:pool:eu"], "only of the kind that has such lanes");
    let steps = texts("SELECT name FROM tenant_run_step ORDER BY ordinal").await;
    assert_eq!(steps, ["suspend_access", "recycle"]);
    let kinds = ["billing.price_unknown", "directory.blocked", "user.joined"];
    assert_eq!(texts("SELECT type FROM outbox_event ORDER BY sequence").await, kinds);
    assert_eq!(texts("SELECT type FROM webhook_delivery ORDER BY sequence").await, kinds);
    let data = texts("SELECT CAST(data AS TEXT) FROM outbox_event ORDER BY sequence").await;
    let renamed = data.iter().map(|data| data.contains("\"currentPlan\"")).collect::<Vec<_>>();
    assert_eq!(renamed, [true, false, false], "{data:?}");
    let heard = texts("SELECT CAST(event_types AS TEXT) FROM webhook_endpoint").await.remove(0);
    let heard: Vec<String> = serde_json::from_str(&heard).expect("a list");
    assert_eq!(heard, ["directory.blocked", "user.joined", "user.created"]);
    assert_eq!(texts("SELECT status FROM mail_message ORDER BY id").await, ["stored", "sent"]);
    let keys = texts("SELECT dedupe_key FROM mail_message ORDER BY id").await;
    assert_eq!(keys[0], ":directory-blocked:ann@acme.example:1");
    let states = texts("SELECT state FROM directory_guard ORDER BY state").await;
    assert_eq!(states, ["blocked", "confirmed"]);
    // Neither store takes the words from before.
    assert!(!before.takes("UPDATE mail_message SET status = 'kept'").await);
    assert!(!before.takes("UPDATE directory_guard SET state = 'held'").await);
}

#[actix_web::test]
async fn a_guard_that_blocked_before_blocks_after() {
    let before = Before::with_tenants(NAMES).await;
    guards(&before).await;
    let app = before.start().await;
    let guard = "/api/v1/tenants/acme/organizations/default/directory-guard";
    let shown = app.operator.get(guard).await.expect(200);
    assert_eq!((&shown["state"], &shown["blockedCount"]), (&json!("blocked"), &json!(3)));
    app.operator.post(&format!("{guard}/confirm"), json!({})).await.expect(200);
    app.stop().await;
}
