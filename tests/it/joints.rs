//! Where one room ends and the next begins: a rule that is asked at one door is asked at the other.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::{
    Browser, Exchanged, Invitation, JoinRequest, OidcProvider, Reply, Restore, ScimRequest, Tenant, TestApp,
    eventually,
};

use crate::inbox::{becomes, event, send, signed, stripe, told};
use crate::sso::{module, oidc_connection, prove_domain};

const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";
const USERS: &str = "/scim/v2/Users";

async fn in_grace() -> (TestApp, Tenant) {
    let app = TestApp::with(crate::inbox::configure).await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    (app, acme)
}

async fn resend(tenant: &Tenant, invitation: &Invitation) -> Reply {
    tenant.admin.post(&format!("{INVITATIONS}/{}/resend", invitation.id), json!({})).await
}

#[actix_web::test]
async fn while_a_payment_is_overdue_no_seat_is_had_by_any_door() {
    let (app, acme) = in_grace().await;
    let invited = acme.invite("ann@example.com", "viewer").await;
    stripe(&app, &event("evt_1", 1, "created", "past_due", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "pro", "grace")).await;
    app.clock.advance(TimeDelta::days(8));
    resend(&acme, &invited).await.refused(403, "billing.seat_blocked");
    for seat in ["users", "admins"] {
        let hold = json!({"tenantId": "acme", "resource": seat, "amount": 1});
        let held = app.operator.post("/api/internal/quotas/reservations", hold).await;
        held.refused(403, "billing.seat_blocked");
    }
    let hold = json!({"tenantId": "acme", "resource": "nodes", "amount": 1});
    app.operator.post("/api/internal/quotas/reservations", hold).await.expect(201);
    app.stop().await;
}

#[actix_web::test]
async fn who_is_a_member_by_now_is_sent_no_invitation_again_nor_who_is_deactivated() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let invited = acme.invite("ann@example.com", "viewer").await;
    app.clock.advance(TimeDelta::days(8));
    let again = acme.invite("ann@example.com", "contributor").await;
    let accepted = app.accept_invitation("ann@example.com").await;
    resend(&acme, &invited).await.refused(409, "invitation.member");
    resend(&acme, &again).await.refused(409, "invitation.not_pending");
    let user = format!("/api/v1/tenants/acme/users/{}", accepted.user_id.as_ref().unwrap());
    acme.admin.patch(&user, json!({"active": false})).await.expect(200);
    let asked = json!({"email": "ann@example.com", "role": "admin"});
    let refused = acme.admin.post(INVITATIONS, asked).await.refused(409, "invitation.member");
    assert_eq!(refused.fact("userId").as_str(), accepted.user_id.as_deref());
    app.stop().await;
}

#[actix_web::test]
async fn a_rehearsing_token_keeps_nobodys_directory() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro"})).await;
    let tokens = acme.path("scim-tokens");
    let made = acme.admin.post(&tokens, json!({"name": "dry run", "dryRun": true})).await.created_token();
    let rehearses = app.anyone().with(made);
    eventually("the copy to be ready", async || (rehearses.get(USERS).await.status == 200).then_some(()))
        .await;
    rehearses.post(USERS, json!({"userName": "bob@example.com"})).await.expect(201);
    acme.invite("ann@example.com", "viewer").await;
    // What is really pushed keeps it.
    acme.scim.post(USERS, json!({"userName": "kim@example.com"})).await.expect(201);
    let asked = json!({"email": "zoe@example.com", "role": "viewer"});
    eventually("the directory to be SCIM's", async || {
        let reply = acme.admin.post(INVITATIONS, asked.clone()).await;
        (reply.status == 409).then_some(reply)
    })
    .await
    .refused(409, "invitation.directory_managed");
    app.stop().await;
}

#[actix_web::test]
async fn a_code_that_is_out_is_worth_nothing_once_its_connection_is_off() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let connection = oidc_connection(&op, &acme, json!({})).await;
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
    let page = browser.at_oidc_provider(page, "alice").await;
    let code = page.parameter("code").expect("a code");
    let one = acme.path(&format!("connections/{}", connection.id));
    acme.admin.patch(&one, json!({"enabled": false})).await.expect(200);
    module.redeem(&app, &code).await.oauth_refused(400, "invalid_grant");
    app.stop().await;
}

#[actix_web::test]
async fn what_stood_for_somebodys_address_is_put_back_with_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let gateway = app.key("gateway", None).await;
    let come = gateway
        .request(Method::POST, "/api/internal/sso/exchange")
        .json(&json!({}))
        .header("X-User-ID", "u1")
        .header("X-Org-ID", "org_acme")
        .header("X-User-Email", "u1@example.com");
    let id = Reply::read(come).await.found::<Exchanged>().user.id;
    let proof = async || {
        let find = async |view: &platform::View| {
            let sql = "SELECT address_proof FROM directory_user WHERE tenant_id = $1";
            view.query(&platform::Statement::of_tenant(sql), Vec::new()).await
        };
        let rows = app.running.service.db.read(acme.id.parse().unwrap(), find).await.unwrap();
        rows.first().map(|row| row.try_get::<Option<String>>("", "address_proof").unwrap())
    };
    assert_eq!(proof().await, Some(Some("nothing".to_owned())));
    app.clock.advance(TimeDelta::minutes(1));
    let before = app.clock.now();
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(acme.scim.delete(&format!("{USERS}/{id}")).await.status, 204);
    assert_eq!(proof().await, None);
    app.clock.advance(TimeDelta::minutes(1));
    let restore = json!({"moment": before.to_rfc3339()});
    acme.admin.post(&acme.path("directory-restores"), restore).await.expect(202);
    eventually("the restore", async || {
        let restore: Restore = acme.admin.get(&acme.path("directory-restores")).await.first();
        (restore.status == "done").then_some(())
    })
    .await;
    assert_eq!(proof().await, Some(Some("nothing".to_owned())));
    app.stop().await;
}

#[actix_web::test]
async fn a_resource_that_is_used_later_has_its_plans_soft_limit_too() {
    let app = TestApp::start().await;
    let plan = json!({"key": "tight", "name": "Tight", "quotas": {"simulations": 10}, "softQuotas": {"runs": 2}, "rateMultiplier": 1});
    app.operator.post("/api/v1/plans", plan).await.expect(201);
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "tight"})).await;
    let later = json!({"key": "runs", "name": "Runs", "limits": {"tight": 10}});
    app.operator.post("/api/v1/quota-resources", later).await.expect(201);
    let hold = json!({"tenantId": "acme", "resource": "runs", "amount": 2});
    app.operator.post("/api/internal/quotas/reservations", hold).await.expect(201);
    assert_eq!(app.audit("quota.soft_limit").await.len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_gateway_names_the_highest_role_of_a_person() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let gateway = app.key("gateway", None).await;
    for (number, (names, role)) in
        [("viewer, admin", "admin"), ("auditor,contributor", "contributor"), ("service,guest", "guest")]
            .into_iter()
            .enumerate()
    {
        let come = gateway
            .request(Method::POST, "/api/internal/sso/exchange")
            .json(&json!({}))
            .header("X-User-ID", format!("u{number}"))
            .header("X-Org-ID", "org_acme")
            .header("X-User-Roles", names);
        assert_eq!(Reply::read(come).await.found::<Exchanged>().user.role, role, "{names}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn who_is_off_for_two_reasons_is_off_until_both_are_gone() {
    let zitadel = tests::Zitadel::start();
    let app = TestApp::with(|config| {
        crate::inbox::configure(config);
        zitadel.configure(config, &zitadel.url);
    })
    .await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "identity": {"backend": "zitadel"}})).await;
    let org = app.operator.tenant("acme").await.identity.external_id.unwrap();
    stripe(&app, &event("evt_1", 1, "created", "active", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "pro", "full")).await;
    let tell = async |number: u64, kind: &str| {
        let body = told(number, kind, &org, &org);
        let signature = signed("a-signing-key", app.clock.now().timestamp(), &body);
        let path = "/api/webhooks/zitadel";
        send(&app.operator, path, "zitadel-signature", &signature, &body).await.expect(200);
    };
    tell(1, "org.deactivated").await;
    becomes(&app, ("suspended", "pro", "full")).await;
    stripe(&app, &event("evt_2", 2, "updated", "unpaid", "pro_monthly")).await.expect(200);
    becomes(&app, ("suspended", "pro", "suspended")).await;
    tell(2, "org.reactivated").await;
    app.operator.inbox_is_through().await;
    becomes(&app, ("suspended", "pro", "suspended")).await;
    stripe(&app, &event("evt_3", 3, "updated", "active", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "pro", "full")).await;
    app.stop().await;
    zitadel.stop().await;
}

#[actix_web::test]
async fn mail_reaches_whose_user_name_is_their_address() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro"})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let guard = acme.path("directory-guard");
    acme.admin.put(&guard, json!({"usersMax": 1, "windowSeconds": 600})).await.expect(200);
    let mut made = Vec::new();
    for name in ["ann@acme.example", "bob", "kim"] {
        made.push(acme.user(name).await);
    }
    let user = format!("/api/v1/tenants/acme/users/{}", made[0]);
    acme.admin.patch(&user, json!({"role": "admin"})).await.expect(200);
    let mail = async |template: &str| {
        app.mail(&format!("{template} for her"), |mail| mail.is_for(template, "ann@acme.example")).await;
    };
    // Where she belongs, at the sign-in page.
    let mut browser = Browser::default();
    let page = browser.open(format!("{}/login", app.operator.base)).await.expect(200);
    browser.submit(&page, &[("email", "Ann@acme.example")]).await.expect(200);
    mail("sign-in-link").await;
    // What admins are told.
    assert_eq!(acme.scim.delete(&format!("{USERS}/{}", made[1])).await.status, 204);
    assert_eq!(acme.scim.delete(&format!("{USERS}/{}", made[2])).await.status, 503);
    mail("directory-blocked").await;
    // Replaying what was refused is refused as the directory would be, whatever the admin may do.
    let log = acme.path("scim-requests");
    let find = async || {
        let found = acme.admin.get(&format!("{log}?method=DELETE&status=503")).await;
        found.items::<ScimRequest>().into_iter().next().map(|one| one.id)
    };
    let refused = eventually("the request's record", find).await;
    let replay = acme.admin.post(&format!("{log}/{refused}/replay"), json!({})).await.expect(200);
    assert_eq!((&replay["status"], &replay["changes"]), (&json!(503), &json!([])), "{replay}");
    app.stop().await;
}

#[actix_web::test]
async fn an_admins_invitation_goes_before_what_was_asked_for_in_somebodys_name() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    prove_domain(&app, &acme, "acme.example").await;
    let rule = acme.path("join-rules/acme.example");
    acme.admin.put(&rule, json!({"mode": "request", "role": "viewer"})).await.expect(200);
    let asks = async |email: &str| {
        let ask = json!({"tenant": "acme", "email": email});
        app.anyone().post("/api/v1/join", ask).await.expect(200);
        app.invitation_token(email).await
    };
    let accept =
        async |token: &str| app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await;
    // A link that anybody can have made is not in an admin's way.
    let stranger = asks("boss@acme.example").await;
    acme.invite("boss@acme.example", "admin").await;
    accept(&stranger).await.refused(410, "invitation.gone");
    // Who asked and is invited before the admins look: one person, one seat, the higher role.
    accept(&asks("kim@acme.example").await).await.expect(200);
    let invited = acme.invite("kim@acme.example", "contributor").await;
    let asked: JoinRequest = acme.admin.get("/api/v1/tenants/acme/join-requests").await.first();
    let request = format!("/api/v1/tenants/acme/join-requests/{}", asked.id);
    let approved: JoinRequest = acme.admin.post(&format!("{request}/approve"), json!({})).await.found();
    assert_eq!(acme.admin.user("acme", &approved.user_id.unwrap()).await.role, "contributor");
    let one: Invitation = acme.admin.get(&format!("{INVITATIONS}/{}", invited.id)).await.found();
    assert_eq!(one.status, "accepted");
    let users = acme.admin.quota("acme", "users").await;
    assert_eq!((users.used, users.reserved), (1, 1), "kim, and the boss to come");
    app.stop().await;
}
