//! Operators at their own pages: by passkey, password and recovery code.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tests::{Authenticator, Client, Reply};

use super::Route;
use crate::operators::{invite, stage_with};

const PASSWORD: &str = "a horse, correct; and a battery";

pub(super) async fn walk() -> BTreeSet<Route> {
    let (app, origin) = stage_with(true).await;
    let client = Client { base: origin.clone(), ..app.anyone() };
    let link = invite(&app).await.link();
    let token = link.split_once("token=").expect("a token").1;
    let passkey = Authenticator::new(&origin);
    let begun = client.post("/operator/enroll/begin", json!({"token": token})).await.expect(200);
    let credential = passkey.create(&begun["options"]);
    let made = json!({"token": token, "ceremony": begun["ceremony"], "credential": credential});
    let made = client.post("/operator/enroll/finish", made).await;
    let cookie = made.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let code = made.expect(200)["recoveryCodes"][0].as_str().expect("a code").to_owned();
    let post = async |path: &str, form: &[(&str, &str)]| {
        let request = client.request(Method::POST, path).header("cookie", &cookie).header("origin", &origin);
        let reply = Reply::read(request.form(form)).await;
        assert_eq!(reply.status, 303, "{path}: {}", reply.text);
    };
    let email = "ops@example.com";
    post("/operator/password", &[("password", PASSWORD)]).await;
    post("/operator/login", &[("email", email), ("password", PASSWORD)]).await;
    post("/operator/recover", &[("email", email), ("code", &code)]).await;
    let begun = client.post("/operator/login/begin", json!({"email": email})).await.expect(200);
    let credential = passkey.get(&begun["options"]);
    let shown = json!({"ceremony": begun["ceremony"], "credential": credential});
    super::gone(&client.post("/operator/login/finish", shown).await);
    post("/operator/password", &[("password", "")]).await;
    post("/operator/logout", &[]).await;
    let called = crate::guards::records::left_by(&app).await;
    app.stop().await;
    called
}
