//! Several organizations of a tenant: a person is one of them, found in each, and belongs where they are named.

use super::*;

#[actix_web::test]
async fn a_person_is_found_in_whichever_organization_their_directory_has_them() {
    let stage = Stage::set().await;
    let (eng, directory) = stage.organization("eng").await;
    let body = json!({"userName": "ann@x.test", "externalId": "ann-1"});
    let ann = directory.post(USERS, body).await.created_id();
    // Nobody has proven that the address is hers.
    stage.exchange(&stage.claims("other", "ann@x.test")).await.refused(409, "sso.link_required");
    for _ in 0..2 {
        let done: Exchanged = stage.exchange(&stage.claims("ann-1", "ann@x.test")).await.found();
        assert_eq!((&done.user.id, &done.organization_id), (&ann, &eng));
    }
    assert_eq!(stage.users().await.len(), 1);
    let slug_and_id = ["eng", eng.as_str()];
    for named in slug_and_id {
        let named = json!({"organization": named});
        stage.exchange_naming(&stage.claims("ann-1", "ann@x.test"), named).await.expect(200);
    }
    for (named, status, code) in
        [("default", 403, "sso.organization_other"), ("nobody", 404, "sso.organization_unknown")]
    {
        let reply =
            stage.exchange_naming(&stage.claims("ann-1", "ann@x.test"), json!({"organization": named})).await;
        reply.refused(status, code);
    }
    stage.stop().await;
}

#[actix_web::test]
async fn who_is_inactive_in_one_organization_gets_no_account_in_another() {
    let stage = Stage::set().await;
    let (_, directory) = stage.organization("eng").await;
    let push = async |name: &str| {
        let body = json!({"userName": format!("{name}@x.test"), "externalId": name});
        directory.post(USERS, body).await.created_id()
    };
    let switch_off = async |user: &str| {
        let change = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
        directory.patch(&format!("{USERS}/{user}"), change).await.expect(200);
    };
    let (known, unknown, gone) = (push("known").await, push("unknown").await, push("gone").await);
    stage.exchange(&stage.claims("known", "known@x.test")).await.expect(200);
    switch_off(&known).await;
    switch_off(&unknown).await;
    assert_eq!(directory.delete(&format!("{USERS}/{gone}")).await.status, 204);
    for name in ["known", "unknown", "gone"] {
        let address = format!("{name}@x.test");
        let by_subject = without(stage.claims(name, &address), "email");
        for claims in [stage.claims(name, &address), by_subject, stage.claims("b-77", &address)] {
            stage.exchange(&claims).await.refused(403, "user.deactivated");
        }
        let named = json!({"organization": "default"});
        let reply = stage.exchange_naming(&stage.claims("b-77", &address), named).await;
        reply.refused(403, "user.deactivated");
        let headers = [(EMAIL, address.as_str()), (VERIFIED, "true")];
        stage.by_gateway("b-77", &headers).await.refused(403, "user.deactivated");
    }
    assert_eq!(stage.users().await.len(), 2);
    stage.stop().await;
}

#[actix_web::test]
async fn somebody_new_belongs_to_the_organization_that_is_named() {
    let stage = Stage::set().await;
    let (eng, _) = stage.organization("eng").await;
    let default = stage.default_organization().await;
    let id = eng.as_str();
    let new = |name: &str| stage.claims(name, &format!("{name}@x.test"));
    for (named, belongs) in [
        (json!({}), &default),
        (json!({"organization": "default"}), &default),
        (json!({"organization": "eng"}), &eng),
        (json!({"organization": id}), &eng),
    ] {
        let name = format!("p-{}", stage.users().await.len());
        let done: Exchanged = stage.exchange_naming(&new(&name), named.clone()).await.found();
        assert_eq!(done.organization_id, *belongs, "{named}");
    }
    let nobody = json!({"organization": "nobody"});
    stage.exchange_naming(&new("x"), nobody).await.refused(404, "sso.organization_unknown");
    // A gateway names it in a header.
    for (at, (named, belongs)) in
        [(None, &default), (Some("eng"), &eng), (Some(id), &eng)].into_iter().enumerate()
    {
        let headers: Vec<(&str, &str)> = named.map(|name| (ORGANIZATION, name)).into_iter().collect();
        let done: Exchanged = stage.by_gateway(&format!("g-{at}"), &headers).await.found();
        assert_eq!(done.organization_id, *belongs, "{named:?}");
    }
    let reply = stage.by_gateway("g-1", &[(ORGANIZATION, "default")]).await;
    reply.refused(403, "sso.organization_other");
    let reply = stage.by_gateway("g-9", &[(ORGANIZATION, "nobody")]).await;
    reply.refused(404, "sso.organization_unknown");
    stage.stop().await;
}

#[actix_web::test]
async fn a_claim_of_the_token_names_the_organization_too() {
    let stage = Stage::set().await;
    let (eng, _) = stage.organization("eng").await;
    let claims = with(stage.claims("ann", "ann@x.test"), "tenant_organization", "eng");
    // Who is named to be in two is in neither.
    let reply = stage.exchange_naming(&claims, json!({"organization": "default"})).await;
    reply.refused(403, "sso.organization_other");
    let done: Exchanged = stage.exchange(&claims).await.found();
    assert_eq!(done.organization_id, eng);
    stage.exchange_naming(&claims, json!({"organization": "eng"})).await.expect(200);
    let other = with(claims.clone(), "tenant_organization", "default");
    stage.exchange(&other).await.refused(403, "sso.organization_other");
    let nobody = with(claims, "tenant_organization", "nobody");
    stage.exchange(&nobody).await.refused(404, "sso.organization_unknown");
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn the_claim_and_the_headers_have_the_names_that_are_configured() {
    let stage = Stage::with(None, |config| {
        let settings = config.section_mut::<exchange::Settings>();
        settings.organization_claim = "team".to_owned();
        settings.gateway_headers.organization = "X-Team".to_owned();
        settings.gateway_headers.email_verified = "X-Checked".to_owned();
    })
    .await;
    let (eng, _) = stage.organization("eng").await;
    let done: Exchanged =
        stage.exchange(&with(stage.claims("ann", "ann@x.test"), "team", "eng")).await.found();
    assert_eq!(done.organization_id, eng);
    let done: Exchanged = stage.by_gateway("g-1", &[("X-Team", "eng")]).await.found();
    assert_eq!(done.organization_id, eng);
    stage.invite("bob@x.test", "contributor").await;
    let unchecked = [(EMAIL, "bob@x.test"), (VERIFIED, "true")];
    stage.by_gateway("g-2", &unchecked).await.refused(409, "sso.link_required");
    let checked = [(EMAIL, "bob@x.test"), ("X-Checked", "true")];
    assert_eq!(stage.by_gateway("g-2", &checked).await.found::<Exchanged>().user.role, "contributor");
    stage.stop().await;
}

#[actix_web::test]
async fn somebody_new_whom_nothing_places_belongs_where_their_domain_does() {
    let stage = Stage::set().await;
    let (eng, _) = stage.organization("eng").await;
    let domains = format!("{ORGANIZATIONS}/eng/domains");
    let made: Domain = stage.acme.admin.post(&domains, json!({"domain": "eng.example"})).await.created();
    stage.app.dns.set(&made.record_name, &made.record_value);
    let verify = format!("{domains}/{}/verify", made.id);
    stage.acme.admin.post(&verify, json!({})).await.expect(200);
    let done: Exchanged = stage.exchange(&stage.claims("ann", "ann@eng.example")).await.found();
    assert_eq!(done.organization_id, eng);
    let unchecked = with(stage.claims("bob", "bob@eng.example"), "email_verified", false);
    let done: Exchanged = stage.exchange(&unchecked).await.found();
    assert_eq!(done.organization_id, stage.default_organization().await);
    stage.stop().await;
}
