//! Killed around each delivery: nothing is lost, and nothing comes twice as something else.

use tests::Event;

use super::*;

#[actix_web::test]
async fn nothing_is_lost_or_doubled_around_each_delivery() {
    let store = Store::new().await;
    let (module, endpoint) = (Receiver::start(), Receiver::start());
    let mut smtp = SmtpServer::start().await;
    let url = smtp.url();
    let settings = [("TENANTRY_SMTP_URL", url.as_str())];
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    process.operator.post("/api/v1/webhook-endpoints", json!({"url": endpoint.url})).await.expect(201);
    process.operator.module("m", &module.url).await;
    process.operator.flag("f").await;
    process.operator.active_tenant(json!({"slug": "acme", "name": "Acme", "plan": "pro"})).await;
    process.kill().await;
    let places = [
        "outbox.dispatched",
        "flags.before_push",
        "flags.after_push",
        "webhook.before_send",
        "webhook.after_send",
        "mail.before_send",
        "mail.after_send",
    ];
    for (number, place) in places.into_iter().enumerate() {
        let mut dying = Process::start(PROGRAM, &store, Some(place), &settings).await;
        let variant = if number % 2 == 0 { "on" } else { "off" };
        // The process may die before either is answered: what was not acknowledged is asked again below.
        let _ = dying
            .operator
            .request(reqwest::Method::PUT, "/api/v1/tenants/acme/flags/f")
            .json(&json!({"variant": variant}))
            .send()
            .await;
        let invite = json!({"email": format!("z{number}@example.com"), "role": "viewer"});
        let _ = dying
            .operator
            .request(reqwest::Method::POST, "/api/v1/tenants/acme/invitations")
            .json(&invite)
            .send()
            .await;
        dying.killed().await;
        let process = Process::start(PROGRAM, &store, None, &settings).await;
        let set = process
            .operator
            .put("/api/v1/tenants/acme/flags/f", json!({"variant": variant}))
            .await
            .expect(200);
        module.until("the flags", |push| push.body["flags"]["f"] == set["value"]).await;
        let invited = process.operator.post("/api/v1/tenants/acme/invitations", invite).await;
        assert!(matches!(invited.status.as_u16(), 201 | 409), "{}", invited.text);
        process.kill().await;
    }
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    // The list has what was told: an event of the last process may still wait for this one to tell it.
    eventually("every event to be told and delivered", async || {
        let events: Vec<Event> = process.operator.get("/api/v1/events?limit=200").await.items();
        let invitations = events.iter().filter(|event| event.kind == "invitation.created").count();
        assert!(invitations <= places.len(), "an invitation is told once");
        let came: std::collections::BTreeSet<String> = endpoint.all().into_iter().map(|one| one.id).collect();
        let delivered = events.iter().all(|event| came.contains(&event.id));
        (delivered && invitations == places.len()).then_some(())
    })
    .await;
    let mut bodies: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for one in endpoint.all() {
        // Each process here has a port of its own, and so another `source`.
        let body = json!([one.body["type"], one.body["time"], one.body["sequence"], one.body["data"]]);
        bodies.entry(one.id).or_default().insert(body.to_string());
    }
    assert!(bodies.values().all(|bodies| bodies.len() == 1), "one id, one body, however often it came");
    let mut versions = BTreeMap::new();
    for push in module.all() {
        let flags =
            versions.entry(push.body["version"].as_i64()).or_insert_with(|| push.body["flags"].clone());
        assert_eq!(*flags, push.body["flags"], "a version is one snapshot");
    }
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    while messages.len() < places.len() {
        let mail = smtp.0.next().await;
        // A killed process breaks its connection off; the server says so.
        let Some(raw) = mail["raw"].as_str() else { continue };
        let id = raw.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("an id");
        *messages.entry(format!("{} {id}", mail["to"][0])).or_default() += 1;
    }
    // Each came, and a receiver that honours Message-ID sees each once: what a kill made come twice has the same id.
    let recipients: std::collections::BTreeSet<&str> =
        messages.keys().map(|key| key.split(' ').next().unwrap()).collect();
    assert_eq!(recipients.len(), messages.len(), "{messages:?}");
    process.kill().await;
    module.stop().await;
    endpoint.stop().await;
}
