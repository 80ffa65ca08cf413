//! How a sign-in ended stays true, whatever comes after.

use super::guesses::{answers, mailed_code};
use super::mails::unlinked;
use super::*;

#[actix_web::test]
async fn a_sign_in_that_succeeded_is_not_failed_by_the_wrong_codes_sent_beside_the_right_one() {
    const PEOPLE: usize = 6;
    let (app, op) = (stage(|_| ()).await, OidcProvider::start().await);
    let (acme, module) = unlinked(&app, &op).await;
    let mut succeeded = 0;
    for person in 0..PEOPLE {
        let name = format!("p{person}");
        let email = format!("{name}@corp.example");
        acme.invite(&email, "viewer").await;
        app.accept_invitation(&email).await;
        let mut browser = Browser::default();
        let page = crate::sso::sign_in(&app, &mut browser, &module, &acme, &name).await;
        assert!(page.text.contains("Is this account yours?"), "{}", page.text);
        let right = mailed_code(&app, person + 1).await;
        let send = answers(&app, &browser, &page);
        let mut codes: Vec<String> =
            (0..).map(|at| format!("{at:06}")).filter(|code| *code != right).take(4).collect();
        codes.insert(2, right);
        let replies = join_all(codes.into_iter().map(send)).await;
        let came_in = replies.iter().any(|reply| !reply.status.is_client_error());
        let sign_in: SignIn = acme.admin.get("/api/v1/tenants/acme/sign-ins").await.first();
        let end = if came_in { ("succeeded", None) } else { ("failed", Some("sign_in.proof_wrong")) };
        assert_eq!((sign_in.status.as_str(), sign_in.reason.as_deref()), end, "{sign_in:?}");
        succeeded += usize::from(came_in);
    }
    assert!(succeeded > 0, "the right code never came before the last wrong one");
    app.stop().await;
}
