//! Groups that a provider names at a sign-in: they give a role, and take it back when they are named no more.

use futures_util::future::join;
use tests::ExchangedUser;
use tests::faults::Lock;

use super::*;

/// A tenant with a connection whose group `admins` makes admins, and everybody else guests.
async fn mapped() -> (Stage, Issuer) {
    let (stage, corp) = (Stage::set().await, Issuer::start());
    connected(&stage.acme, &corp, "c1", json!({})).await;
    let policy = json!({"defaultRole": "guest", "groupRoles": [{"group": "admins", "role": "admin"}]});
    stage.acme.admin.put(&stage.acme.path("sso-policy"), policy).await.expect(200);
    (stage, corp)
}

/// Signs Ann in with these groups, or without a word about groups.
async fn come(stage: &Stage, corp: &Issuer, groups: Option<Value>) -> ExchangedUser {
    let claims = id_claims(corp, "c1", "ann", "ann@x.test");
    let claims = match groups {
        Some(groups) => with(claims, "groups", groups),
        None => claims,
    };
    present(&stage.app, corp, &claims, json!({})).await.found::<Exchanged>().user
}

#[actix_web::test]
async fn groups_that_a_provider_names_give_a_role_and_take_it_back() {
    let (stage, corp) = mapped().await;
    stage.invite("root@x.test", "admin").await;
    stage.accept("root@x.test").await.expect(200);
    for (groups, role) in [
        (Some(json!(["admins"])), "admin"),
        (Some(json!(["staff"])), "guest"),
        (None, "guest"),
        (Some(json!(["staff", "admins"])), "admin"),
        (None, "admin"),
        (Some(json!([])), "guest"),
    ] {
        let ann = come(&stage, &corp, groups.clone()).await;
        assert_eq!(ann.role, role, "{groups:?}");
        assert_eq!(stage.user(&ann.id).await.role, role, "{groups:?}");
        let admins = if role == "admin" { 2 } else { 1 };
        assert_eq!(stage.quota("admins").await, (admins, 0), "{groups:?}");
    }
    assert_eq!(stage.users().await.len(), 2);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_role_that_an_admin_gave_is_not_taken_by_groups_that_give_none() {
    let (stage, corp) = mapped().await;
    let ann = come(&stage, &corp, Some(json!(["staff"]))).await;
    assert_eq!(ann.role, "guest");
    stage.edit(&ann.id, json!({"role": "contributor"})).await;
    for groups in [Some(json!(["staff"])), Some(json!([])), None] {
        assert_eq!(come(&stage, &corp, groups).await.role, "contributor");
    }
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn the_last_admin_stays_one_whatever_groups_say() {
    let (stage, corp) = mapped().await;
    assert_eq!(come(&stage, &corp, Some(json!(["admins"]))).await.role, "admin");
    assert_eq!(come(&stage, &corp, Some(json!([]))).await.role, "admin");
    assert_eq!(stage.app.audit("user.role_unchanged").await.len(), 1);
    stage.stop().await;
    corp.stop().await;
}

/// An admin gives Ann a role after it was decided that her groups take theirs back. SQLite has one writer.
#[actix_web::test]
async fn whose_role_is_changed_after_the_decision_is_decided_about_again() {
    let (stage, corp) = mapped().await;
    stage.invite("root@x.test", "admin").await;
    stage.accept("root@x.test").await.expect(200);
    let ann = come(&stage, &corp, Some(json!(["admins"]))).await;
    let Some(url) = stage.app.store.superuser_url.clone() else {
        stage.stop().await;
        return corp.stop().await;
    };
    let given = format!(
        "UPDATE directory_user SET role = 'contributor', role_source = 'local', role_under = NULL WHERE id = '{}'",
        ann.id
    );
    let admin = Lock::rows(&url, &given).await.expect("a lock");
    let (comes, ()) = join(come(&stage, &corp, Some(json!(["staff"]))), admin.commit_when_waited_for()).await;
    assert_eq!(comes.role, "contributor", "what an admin gave");
    assert_eq!(stage.user(&ann.id).await.role, "contributor");
    stage.stop().await;
    corp.stop().await;
}
