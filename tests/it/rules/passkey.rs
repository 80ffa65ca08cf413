//! Passkeys of an operator: a link is used once, and the twentieth is the last.

use serde_json::{Value, json};
use tests::{Authenticator, OperatorAccount};

use super::*;

pub(super) async fn passkeys() {
    let port = tests::free_port();
    let origin = format!("http://localhost:{port}");
    let public = origin.clone();
    let app = stage(move |config| {
        config.server.listen = format!("127.0.0.1:{port}").parse().expect("an address");
        config.server.public_url = public;
    })
    .await;
    let made: OperatorAccount = app
        .operator
        .post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"}))
        .await
        .created();
    let token = |made: &OperatorAccount| made.link().split_once("token=").expect("a token").1.to_owned();
    let begin = "/operator/enroll/begin";
    let anyone = app.anyone();
    let answer = async |token: &str, begun: Value| {
        let credential = Authenticator::new(&origin).create(&begun["options"]);
        json!({"token": token, "ceremony": begun["ceremony"], "credential": credential})
    };
    // The first one makes a row to copy.
    let first = token(&made);
    let begun = anyone.post(begin, json!({"token": first})).await.expect(200);
    anyone.post("/operator/enroll/finish", answer(&first, begun).await).await.expect(200);
    fill!(&app, platform, passkey_row, 19, |row, at| passkey_row::Model {
        id: new_id(),
        credential_id: vec![u8::try_from(at).expect("few"); 16],
        ..row
    });
    // A link is used once, however many ceremonies began with it; and the twentieth passkey is the last.
    let again: OperatorAccount =
        app.operator.post(&format!("/api/v1/operators/{}/enroll", made.id), json!({})).await.found();
    let second = token(&again);
    let mut asked = Vec::new();
    for _ in 0..WIDE {
        let begun = anyone.post(begin, json!({"token": second})).await.expect(200);
        asked.push(("/operator/enroll/finish".to_owned(), answer(&second, begun).await));
    }
    let replies = at_once(&anyone, Method::POST, asked).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{:?}", replies.first());
    assert_eq!(rows!(&app, platform, passkey_row), 20);
    let again: OperatorAccount =
        app.operator.post(&format!("/api/v1/operators/{}/enroll", made.id), json!({})).await.found();
    anyone.post(begin, json!({"token": token(&again)})).await.refused(403, "quota.exceeded");
    app.stop().await;
}
