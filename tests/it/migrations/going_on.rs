//! What was under way under the version before goes on: sign-ins, sessions, and roles that groups gave.

use platform::crypto::sha256;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tests::{Browser, Reply, Tokens};

use super::rows::*;
use super::world::*;
use crate::sso::{claims as claims_of, module};

const PIA: &str = "pia@corp.example";
const CODE: &str = "123456";

/// The browser that began before the upgrade.
async fn browser(request: RequestBuilder) -> Reply {
    Reply::read(request.header("Cookie", format!("tnt_browser={BROWSER}"))).await
}

fn is_signed_in(reply: &Reply) -> bool {
    let cookies = reply.headers.get_all("set-cookie").iter();
    cookies.filter_map(|cookie| cookie.to_str().ok()).any(|cookie| cookie.starts_with("tnt_session="))
}

/// What support sees of the sign-in that was under way: how it stands, and who it was.
async fn stands(world: &World) -> (String, Option<String>) {
    let one = world.app.operator.sign_in("ABCD-EFGH").await;
    (one.status, one.user_id)
}

#[actix_web::test]
async fn a_sign_in_that_was_begun_before_comes_back_after() {
    let old = Old::acme().await;
    old.user(person(ACME, 1, PIA)).await;
    old.link(ACME, 1, (&links_of(SAME), "pia"), (20, 15)).await;
    let secrets = json!({
        "oidc": {"nonce": "n", "verifier": "a verifier of forty-three characters or more"}, "profile": null,
        "proof_digest": null, "proof_user": null,
    });
    let secrets = seal("sign_in", id(8), secrets.to_string().as_bytes());
    old.before.insert("sign_in", begun(8, SAME, secrets)).await;
    let world = old.start().await;
    world.answers("pia", PIA);
    let callback = format!("{}/sso/oidc/{}/callback", world.app.operator.base, id(SAME));
    let query =
        [("client_id", "same"), ("nonce", "n"), ("state", STATE), ("redirect_uri", callback.as_str())];
    let at_provider = world.app.anyone().request(Method::GET, &format!("{}/authorize", world.corp.url));
    let back = Reply::read(at_provider.query(&query)).await;
    let reply = browser(world.app.anyone().request(Method::GET, back.header("location"))).await;
    assert!(is_signed_in(&reply), "{} {}", reply.status, reply.text);
    assert_eq!(stands(&world).await, ("succeeded".to_owned(), Some(id(1).to_string())));
    world.stop().await;
}

#[actix_web::test]
async fn a_code_that_was_mailed_before_proves_an_account_after() {
    let old = Old::acme().await;
    let role = vec![("role", "contributor".into()), ("source", "invitation".into())];
    old.user(with(person(ACME, 1, PIA), role)).await;
    let digest = sha256(&[id(8).as_bytes().as_slice(), CODE.as_bytes()].concat()).to_vec();
    let profile = json!({
        "subject": "pia", "email": PIA, "email_verified": true, "name": "Pia", "groups": ["dev"],
        "upstream_sid": null, "session_ends": null, "logout": null,
    });
    let secrets = json!({"oidc": null, "profile": profile, "proof_digest": digest, "proof_user": id(1)});
    let secrets = seal("sign_in", id(8), secrets.to_string().as_bytes());
    let row = with(begun(8, CHANGED, secrets), vec![("status", "proving".into())]);
    old.before.insert("sign_in", row).await;
    let world = old.start().await;
    let (tenant, sign_in) = (ACME.0.to_string(), id(8).to_string());
    let say = async |code: &str| {
        let form = [("tenant", tenant.as_str()), ("id", sign_in.as_str()), ("code", code)];
        browser(world.app.anyone().request(Method::POST, "/sso/proof").form(&form)).await
    };
    let wrong = say("654321").await;
    assert_eq!((wrong.status.as_u16(), is_signed_in(&wrong)), (403, false), "{}", wrong.text);
    let right = say(CODE).await;
    assert!(is_signed_in(&right), "{} {}", right.status, right.text);
    assert_eq!(stands(&world).await, ("succeeded".to_owned(), Some(id(1).to_string())));
    assert_eq!(world.before.links(1).await, [(links_at(CHANGED, &world.corp.url), "pia".to_owned())]);
    assert_eq!(came_in(world.by("changed", "pia", None).await), who(1, "contributor", ACME));
    world.stop().await;
}

#[actix_web::test]
async fn a_session_goes_on_and_is_of_the_connection_that_opened_it() {
    let old = Old::acme().await;
    // People come in by this connection only: sessions of other doors were over before, too.
    let only = vec![("enforced", true.into()), ("connection_id", id(CHANGED).into())];
    old.before.insert("sso_policy", with(policy(), only)).await;
    let issuer = old.issuer.url.clone();
    let table = [
        (1, links_of(CHANGED), "tnt_rt_changed", true),
        (2, links_of(SAME), "tnt_rt_same", false),
        (3, issuer, "tnt_rt_issuer", false),
    ];
    for (user, issuer, token, _) in &table {
        old.user(person(ACME, *user, &format!("u{user}@x.test"))).await;
        old.link(ACME, *user, (issuer, "subject"), (20, 15)).await;
        old.before.insert("session", session(0x20 + user, *user, issuer)).await;
        let refresh = vec![
            ("tenant_id", ACME.0.into()),
            ("session_id", id(0x20 + user).into()),
            ("digest", sha256(token.as_bytes()).to_vec().into()),
            ("created_at", days_ago(1).into()),
            ("expires_at", days_ago(-6).into()),
        ];
        old.before.insert("refresh_token", refresh).await;
    }
    let world = old.start().await;
    for (user, issuer, token, goes_on) in &table {
        let form = [("grant_type", "refresh_token"), ("refresh_token", *token)];
        let reply = world.app.anyone().form("/oauth2/token", &form).await;
        assert_eq!(reply.status.as_u16(), if *goes_on { 200 } else { 400 }, "{issuer} {}", reply.text);
        if *goes_on {
            let claims = claims_of(&reply.found::<Tokens>().access_token);
            assert_eq!(claims["sub"], id(*user).to_string());
        }
    }
    world.stop().await;
}

#[actix_web::test]
async fn a_role_that_groups_gave_goes_with_them_and_one_that_somebody_gave_stays() {
    let old = Old::acme().await;
    old.before.insert("sso_policy", policy()).await;
    for (user, name) in [(1, "by-group"), (2, "by-hand")] {
        let admin = vec![("role", "admin".into())];
        old.user(with(person(ACME, user, &format!("{name}@x.test")), admin)).await;
        old.link(ACME, user, (&links_of(SAME), name), (30, 15)).await;
    }
    old.before.insert("audit_event", role_changed(0x30, 2, "key")).await;
    let world = old.start().await;
    // Nothing is said of groups, then some that give nothing, then nothing again.
    for (groups, of_groups) in
        [(json!(null), "admin"), (json!(["canteen"]), "viewer"), (json!(null), "viewer")]
    {
        for (user, name, role) in [(1, "by-group", of_groups), (2, "by-hand", "admin")] {
            let mut claims = world.claims("same", name, None);
            if !groups.is_null() {
                claims["groups"] = groups.clone();
            }
            let done = world.exchange(&world.corp, &claims).await;
            assert_eq!(came_in(done), who(user, role, ACME), "{name} {groups}");
        }
    }
    world.stop().await;
}

#[actix_web::test]
async fn who_ran_the_tenant_before_still_does_when_they_come_by_a_connection() {
    let old = Old::acme().await;
    old.before.insert("sso_policy", policy()).await;
    let admin = || vec![("role", "admin".into())];
    // The first of a tenant that the exchange made; another admin is there, so that nothing else keeps her one.
    old.user(with(person(ACME, 1, PIA), admin())).await;
    old.user(with(person(ACME, 2, "otto@corp.example"), admin())).await;
    let issuer = old.issuer.url.clone();
    old.link(ACME, 1, (&issuer, "pia"), (20, 15)).await;
    let world = old.start().await;
    let module = module(&world.app, "app", json!({})).await;
    world.corp.misbehave(|mischief| {
        mischief.claims = Some(Box::new(|claims: &mut serde_json::Value| {
            claims["sub"] = json!("p-1");
            claims["email"] = json!(PIA);
            claims["groups"] = json!(["canteen"]);
        }));
    });
    let connection = id(SAME).to_string();
    let mut browser = Browser::default();
    let page = browser
        .open(module.authorize(&world.app, &[("tenant", "acme"), ("connection", &connection)]))
        .await
        .expect(200);
    let code = world.mailed_code(PIA).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
    assert_eq!(came_in(world.by_issuer("pia", None, false).await), who(1, "admin", ACME));
    assert_eq!(came_in(world.by("same", "p-1", None).await), who(1, "admin", ACME));
    world.stop().await;
}
