//! Rows of a version that compared names by their small letters, where two of them are one name now: both are kept as they are, the
//! younger is marked and listed, and nobody is somebody else afterwards.

use serde_json::{Value as Json, json};
use tests::{Client, Exchanged, Invitation, Reply, command};

use super::before::Before;
use super::rows::*;
use crate::sso::text;

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
const FOLDING: &str = "m20261126_000004_folding";
/// Stands in the key of a younger row, and in no name.
const MARK: char = '\u{1f}';
const ISSUER: &str = "gateway";

/// Users: where, as whom, made how many days ago; whether an older one of their organization has the name.
const PEOPLE: [(Place, &str, i64, bool); 8] = [
    (ACME, "straße@x.example", 30, false),
    (ACME, "STRASSE@x.example", 20, true),
    (ACME, "ﬁnn@x.example", 20, true),
    (ACME, "finn@x.example", 30, false),
    (ACME, "ｆinn@x.example", 10, true),
    (ACME, "ann@bücher.example", 20, true),
    (ACME, "ann@xn--bcher-kva.example", 30, false),
    // The only one of this name where they are.
    (EMEA, "straße@x.example", 10, false),
];
/// Two spellings of one mailbox, the older one first.
const ZOE: [&str; 2] = ["zoe@xn--bcher-kva.example", "zoe@bücher.example"];

fn made_then(days: i64) -> Row {
    vec![("created_at", days_ago(days).into()), ("updated_at", days_ago(days).into())]
}

async fn store() -> Before {
    let before = Before::with_tenants(FOLDING).await;
    for (at, (place, name, days, _)) in (1_u128..).zip(PEOPLE) {
        before.user(with(person(place, at, name), made_then(days))).await;
        let subject = format!("u{at}");
        let moments = (days_ago(days), days_ago(days));
        before.insert("user_identity", link(place, at, (ISSUER, &subject), moments)).await;
    }
    for (at, (email, days, left)) in (0x20_u128..).zip([(ZOE[0], 20, 1), (ZOE[1], 10, 5)]) {
        let row = invitation(ACME, at, (email, "contributor"), &format!("token {email}"));
        before.insert("invitation", with(row, made_then(days))).await;
        let row = expected(ACME, at, (email, "contributor"));
        before.insert("directory_expected", with(row, vec![("expires_at", days_ago(-left).into())])).await;
        let asked: Row = vec![
            ("tenant_id", ACME.0.into()),
            ("organization_id", ACME.1.into()),
            ("id", id(at).into()),
            ("email", email.into()),
            ("email_key", email.into()),
            ("role", "viewer".into()),
            ("status", "pending".into()),
            ("version", 1_i64.into()),
            ("created_at", days_ago(days).into()),
        ];
        before.insert("join_request", asked).await;
        let suppressed = vec![
            ("address_key", email.into()),
            ("reason", "manual".into()),
            ("created_at", days_ago(days).into()),
        ];
        before.insert("mail_suppression", suppressed).await;
        let operator = vec![
            ("id", id(at).into()),
            ("email", email.into()),
            ("name", email.into()),
            ("role", "auditor".into()),
            ("recovery_codes", json!([]).into()),
        ];
        before.insert("operator", with(with(operator, made(days_ago(days))), made_then(days))).await;
    }
    before
}

#[actix_web::test]
async fn rows_that_became_one_name_are_all_kept_and_the_younger_marked() {
    let before = store().await;
    let names = "SELECT user_name FROM directory_user ORDER BY created_at, user_name";
    let resources = "SELECT CAST(resource AS TEXT) FROM directory_user ORDER BY created_at, user_name";
    let old = (before.texts(names, Vec::new()).await, before.texts(resources, Vec::new()).await);
    before.upgrade().await;
    let new = (before.texts(names, Vec::new()).await, before.texts(resources, Vec::new()).await);
    assert_eq!(new, old, "what is shown is what was sent");
    for (at, (_, name, _, marked)) in (1_u128..).zip(PEOPLE) {
        let sql = "SELECT user_name_key FROM directory_user WHERE id = $1";
        let key = before.texts(sql, vec![id(at).into()]).await.remove(0);
        assert_eq!(key.contains(MARK), marked, "{name} {key:?}");
        let sql = "SELECT value_key FROM directory_user_email WHERE user_id = $1";
        let address = before.texts(sql, vec![id(at).into()]).await.remove(0);
        assert_eq!(
            key.split(MARK).next(),
            Some(address.as_str()),
            "an address is found however it is marked"
        );
        assert_eq!(before.links(at).await, [(ISSUER.to_owned(), format!("u{at}"))]);
    }
    for (table, key, order) in [
        ("invitation", "email_key", "created_at"),
        ("directory_expected", "email_key", "expires_at"),
        ("join_request", "email_key", "created_at"),
        ("mail_suppression", "address_key", "created_at"),
        ("operator", "email", "created_at"),
    ] {
        let keys = before.texts(&format!("SELECT {key} FROM {table} ORDER BY {order}"), Vec::new()).await;
        let [older, younger] = keys.as_slice() else { panic!("{table} {keys:?}") };
        // In one form, and the younger one's with a mark behind it.
        assert_eq!((older.as_str(), younger.split(MARK).next()), (ZOE[1], Some(ZOE[1])), "{table} {keys:?}");
        assert!(younger.contains(MARK), "{table} {keys:?}");
    }
    assert_eq!(before.upgrade().await, Vec::<String>::new());
}

/// Somebody of whom the gateway says that it has checked the address, if they have one.
async fn by_gateway(gateway: &Client, subject: &str, email: Option<&str>) -> Reply {
    let request = gateway.request(reqwest::Method::POST, "/api/internal/sso/exchange").json(&json!({}));
    let request = request.header("X-User-ID", subject).header("X-Org-ID", "org_acme");
    Reply::read(match email {
        Some(email) => request.header("X-User-Email", email).header("X-User-Email-Verified", "true"),
        None => request,
    })
    .await
}

/// What `tenantry doctor` says of names.
async fn doctor(before: &Before) -> String {
    let mut command = command(PROGRAM, &before.store);
    command.args(["doctor", "--json"]).env("TENANTRY_LOG", "error");
    let output = command.output().await.expect("it runs");
    let said: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let checks = said["checks"].as_array().expect("a list");
    text(checks.iter().find(|one| one["part"] == "names").expect("a check of names"), "detail")
}

#[actix_web::test]
async fn people_of_one_name_stay_who_they_are_and_an_admin_is_told_of_them() {
    let before = store().await;
    let app = before.start().await;
    let gateway = app.key("gateway", None).await;
    for (at, (place, name, ..)) in (1_u128..).zip(PEOPLE) {
        for email in [None, Some("strasse@x.example"), Some("finn@x.example")] {
            let done: Exchanged = by_gateway(&gateway, &format!("u{at}"), email).await.found();
            assert_eq!(
                (done.user.id, done.organization_id),
                (id(at).to_string(), place.1.to_string()),
                "{name} {email:?}"
            );
        }
    }
    for email in ["strasse@x.example", "finn@x.example"] {
        by_gateway(&gateway, "a stranger", Some(email)).await.refused(409, "sso.subject_other");
    }
    let mut names: Vec<String> =
        app.operator.users("acme").await.into_iter().map(|user| user.user_name).collect();
    let mut all = PEOPLE.map(|(_, name, ..)| name.to_owned()).to_vec();
    names.sort();
    all.sort();
    assert_eq!(names, all);
    let said = doctor(&before).await;
    // Four users, and the younger of two of each other kind; one that is expected ends by itself.
    assert!(said.starts_with("8 "), "{said}");
    for kind in
        ["acme invitation", "acme request to join", "platform operator", "platform suppressed address"]
    {
        assert_eq!(said.matches(kind).count(), 1, "{kind}: {said}");
    }
    for (at, (_, name, _, marked)) in (1_u128..).zip(PEOPLE) {
        assert_eq!(said.contains(&id(at).to_string()), marked, "{name} {said}");
    }
    // Each invitation of the mailbox can be accepted: by one person, whose mailbox it is.
    let pending = "/api/v1/tenants/acme/invitations?status=pending";
    assert_eq!(app.operator.get(pending).await.count(), 2);
    let mut accepted = Vec::new();
    for email in ZOE {
        let token = json!({"token": format!("token {email}")});
        let done: Invitation = app.anyone().post("/api/v1/invitations/accept", token).await.found();
        accepted.push((done.status, done.role, done.user_id.unwrap()));
    }
    assert_eq!(accepted[0], accepted[1]);
    assert_eq!((accepted[0].0.as_str(), accepted[0].1.as_str()), ("accepted", "contributor"));
    app.stop().await;
}
