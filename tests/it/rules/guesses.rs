//! Who guesses many at once has no more tries than who guesses one after the other.

use super::mails::unlinked;
use super::*;

/// Codes and mails of the newest proof.
pub(super) async fn mailed_code(app: &TestApp, number: usize) -> String {
    tests::eventually("the proof's mail", async || {
        let mails = app.anyone().mails().await;
        let all: Vec<&RecordedMail> = mails.iter().filter(|mail| mail.template == "account-proof").collect();
        let newest = all.first().filter(|_| all.len() == number)?;
        Some(newest.code())
    })
    .await
}

/// Sends codes on a page that asks for one, in its browser, as many at once as there are.
pub(super) fn answers(
    app: &TestApp,
    browser: &Browser,
    page: &Page,
) -> impl Fn(String) -> LocalBoxFuture<'static, Reply> + use<> {
    let (url, fields) = page.form();
    let cookie = browser.cookie(url.as_str(), "tnt_browser").expect("a cookie of the browser");
    let anyone = app.anyone();
    move |code| {
        let mut fields = fields.clone();
        fields.retain(|(name, _)| name != "code");
        fields.push(("code".to_owned(), code));
        let request = anyone.request(Method::POST, url.as_str());
        Reply::read(request.header("cookie", format!("tnt_browser={cookie}")).form(&fields)).boxed_local()
    }
}

#[actix_web::test]
async fn of_a_hundred_and_fifty_codes_at_once_five_are_compared() {
    let (app, op) = (stage(|_| ()).await, OidcProvider::start().await);
    let (acme, module) = unlinked(&app, &op).await;
    let mut browser = Browser::default();
    let page = crate::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await;
    assert!(page.text.contains("Is this account yours?"), "{}", page.text);
    let right = mailed_code(&app, 1).await;
    let send = answers(&app, &browser, &page);
    let wrong = (0..150).map(|at| format!("{at:06}")).filter(|code| *code != right);
    let replies = join_all(wrong.map(&send)).await;
    assert!(replies.iter().all(|reply| reply.status.is_client_error()), "{:?}", replies.first());
    let sign_in: SignIn = acme.admin.get("/api/v1/tenants/acme/sign-ins").await.first();
    let compared = sign_in.steps.iter().filter(|step| step.name == "proof.compared").count();
    assert_eq!(compared, 5, "{sign_in:?}");
    assert_eq!((sign_in.status.as_str(), sign_in.reason.as_deref()), ("failed", Some("sign_in.proof_wrong")));
    let stored = behind(&app, async |tx: &mut PlatformTx| tx.all(tx.across::<sign_in::Entity>()).await).await;
    assert_eq!(stored.iter().map(|row| row.proof_attempts).collect::<Vec<_>>(), [5]);
    // The right one comes too late; a new one counts.
    assert!(send(right).await.status.is_client_error());
    let mut browser = Browser::default();
    let page = crate::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await;
    let code = mailed_code(&app, 2).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    app.stop().await;
}

#[actix_web::test]
async fn of_many_wrong_passwords_at_once_no_more_are_compared_than_may_be_wrong() {
    const PASSWORD: &str = "a horse, correct; and a battery";
    let app = stage(|config| config.section_mut::<operators::Settings>().operator_passwords = true).await;
    let made = app.operator.post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"})).await;
    let id: Uuid = made.created_id().parse().expect("a UUID");
    let hash = app.running.service.secrets.hash_password(id, PASSWORD).await.expect("a hash");
    let set = async |failures: i64| {
        behind(&app, async |tx: &mut PlatformTx| {
            let row = tx.one(tx.platform::<operator::Entity>()).await?.expect("an operator");
            let password_hash = Some(hash.clone());
            tx.update(operator::Model { password_hash, password_failures: failures, ..row }).await
        })
        .await;
    };
    let failures = async || {
        behind(&app, async |tx: &mut PlatformTx| tx.one(tx.platform::<operator::Entity>()).await)
            .await
            .expect("an operator")
            .password_failures
    };
    let anyone = app.anyone();
    let enter = async |password: &str| loop {
        let form = [("email", "o@example.com"), ("password", password)];
        let reply = anyone.form("/operator/login", &form).await;
        // Argon2 has few places for one account.
        if !matches!(reply.status.as_u16(), 429 | 503) {
            return reply.status.as_u16();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    set(95).await;
    let tries: Vec<String> = (0..WIDE).map(|at| format!("a horse, wrong, number {at}")).collect();
    let answers = join_all(tries.iter().map(|password| enter(password))).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    assert_eq!(failures().await, 100, "five were compared, the others were not");
    assert_eq!(enter(PASSWORD).await, 401, "the right one comes too late");
    // One that is set anew counts, and is wrong as often as before.
    set(0).await;
    assert_eq!(enter("a horse, wrong, once more").await, 401);
    assert_eq!(failures().await, 1);
    assert_eq!(enter(PASSWORD).await, 303);
    assert_eq!(failures().await, 0);
    app.stop().await;
}
