//! Which tenant a token means, and the tenant that it makes.

use tests::{RegisteredIssuer, TenantView};

use super::*;

#[actix_web::test]
async fn an_organization_that_nobody_knows_becomes_a_tenant_where_that_is_wanted() {
    let app = TestApp::with(|config| {
        config.section_mut::<exchange::Settings>().exchange.auto_provision = true;
        config.section_mut::<exchange::Settings>().exchange.plan = "pro".to_owned();
    })
    .await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let exchange =
        async |who: &str| app.operator.exchange(&issuer.token(who, "Org 42")).await.found::<Exchanged>();
    // Two of the same organization at the same moment: one tenant, one admin.
    let (ann, bob) = futures_util::future::join(exchange("ann"), exchange("bob")).await;
    assert_eq!(ann.tenant_id, bob.tenant_id);
    let mut roles = [ann.user.role, bob.user.role];
    roles.sort_unstable();
    assert_eq!(roles, ["admin", "viewer"]);
    let tenants: Vec<TenantView> = app.operator.get("/api/v1/tenants").await.items();
    let tenant = &tenants[0];
    assert_eq!(tenants.len(), 1);
    assert_eq!((tenant.plan.as_str(), tenant.identity.external_id.as_deref()), ("pro", Some("Org 42")));
    assert!(tenant.slug.starts_with("org-42-"));
    assert_eq!(exchange("carl").await.user.role, "viewer");
    // Its name is what a tenant's may be.
    let long = "a".repeat(255);
    let made: Exchanged = app.operator.exchange(&issuer.token("dora", &long)).await.found();
    let made = app.operator.tenant(&made.tenant_slug).await;
    assert_eq!((made.name.len(), made.identity.external_id), (200, Some(long)));
    let reply = app.operator.exchange(&issuer.token("eve", "Org\n43")).await;
    reply.refused(404, "sso.tenant_unknown");
    let tenants: Vec<TenantView> = app.operator.get("/api/v1/tenants").await.items();
    assert_eq!(tenants.len(), 2);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_token_names_its_tenant_by_claim_issuer_alias_or_organization() {
    let app = TestApp::start().await;
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"externalId": "org_acme", "idpAlias": "acme-entra"}});
    app.tenant_with(body).await;
    app.tenant("other").await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let registered = app.operator.get("/api/v1/issuers").await.first::<RegisteredIssuer>().id;
    let resolve_by = async |how: &str, claim: &str| {
        let body = json!({"issuer": issuer.url, "audience": tests::AUDIENCE, "tenantClaim": claim, "resolveBy": how});
        app.operator.put(&format!("/api/v1/issuers/{registered}"), body).await.expect(200);
    };
    let exchange = async |name: &str, value: Value| {
        let mut claims = issuer.claims("ann", "nothing");
        claims[name] = value;
        app.operator.exchange(&issuer.sign(&claims)).await
    };
    let slug = async |name: &str, value: Value| exchange(name, value).await.found::<Exchanged>().tenant_slug;
    assert_eq!(slug("org_id", json!("org_acme")).await, "acme");
    resolve_by("idp_alias", "x").await;
    assert_eq!(slug("idp_alias", json!("acme-entra")).await, "acme");
    exchange("idp_alias", json!("org_acme")).await.refused(404, "sso.tenant_unknown");
    resolve_by("organization", "organization").await;
    let organization = json!({"acme": {"id": "org_acme"}});
    assert_eq!(slug("organization", organization).await, "acme");
    // A bare alias counts only where the alias is ours: for organizations that we made at Keycloak.
    exchange("organization", json!(["acme"])).await.refused(404, "sso.tenant_unknown");
    exchange("organization", json!({"acme": {"id": "org_acme"}, "other": {"id": "org_other"}}))
        .await
        .refused(404, "sso.tenant_unknown");
    // An issuer that is nobody's own realm names nobody, whatever its tokens say.
    resolve_by("issuer", "org_id").await;
    exchange("org_id", json!("org_acme")).await.refused(404, "sso.tenant_unknown");
    app.operator
        .put(
            &format!("/api/v1/issuers/{registered}"),
            json!({"issuer": issuer.url, "audience": "a", "resolveBy": "guess"}),
        )
        .await
        .refused(400, "validation.failed");
    issuer.stop().await;
    app.stop().await;
}
