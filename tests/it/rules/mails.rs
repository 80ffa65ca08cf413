//! Invitations and mails, of which there are so many a day.

use super::*;

pub(super) async fn invitations() {
    let app =
        stage(|config| config.section_mut::<invitations::Settings>().per_organization_per_day = ROOM as u64)
            .await;
    let acme = acme(&app).await;
    let one = |at: usize| json!({"email": format!("p{at}@example.com"), "role": "viewer"});
    let asked = (0..WIDE).map(|at| (INVITATIONS.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 429, "invitation.limited");
    let there: Invitations = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.found();
    assert_eq!(there.counts.pending, ROOM as u64);
    app.stop().await;
}

pub(super) async fn invitation_batches() {
    let app = stage(|_| ()).await;
    let free = json!({"slug": "acme", "name": "Acme", "identity": {"externalId": "org_acme"}});
    let acme = app.tenant_with(free).await;
    // 20 a day on this plan. The lines are no addresses: nobody is invited.
    let bulk = format!("{INVITATIONS}/bulk");
    let one = |at: usize| (bulk.clone(), json!({"invitations": [{"email": format!("nobody {at}")}]}));
    only(&at_once(&acme.admin, Method::POST, (0..20 - ROOM).map(one)).await, 20 - ROOM, 429, "");
    only(&at_once(&acme.admin, Method::POST, (0..WIDE).map(one)).await, ROOM, 429, "invitation.limited");
    let (path, body) = one(0);
    let refused = acme.admin.post(&path, body).await.refused(429, "invitation.limited");
    assert!(*refused.fact("per") == "tenant" && refused.detail.contains("batches"), "{refused:?}");
    app.stop().await;
}

pub(super) async fn invitation_mails() {
    let app = stage(|config| config.section_mut::<invitations::Settings>().per_recipient_per_day = 5).await;
    let acme = acme(&app).await;
    fill!(&app, across, organization, WIDE, |row, at| organization::Model {
        id: new_id(),
        slug: format!("o{at}"),
        ..row
    });
    // One address, spelled in many ways, from as many organizations.
    let one = |at: usize| {
        let mask = at * 37;
        let email: String = "zoe@example.com"
            .chars()
            .enumerate()
            .map(|(place, c)| if mask >> (place % 12) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        let organization = if at == 0 { "default".to_owned() } else { format!("o{at}") };
        (INVITATIONS.to_owned(), json!({"email": email, "role": "viewer", "organization": organization}))
    };
    only(&at_once(&acme.admin, Method::POST, (0..WIDE).map(one)).await, 5, 429, "invitation.limited");
    let to_zoe = app.anyone().mails().await.iter().filter(|mail| mail.template == "invitation").count();
    assert_eq!(to_zoe, 5);
    app.stop().await;
}

/// A tenant in which Alice has an account that nobody is linked to yet, and an identity provider that knows her.
pub(super) async fn unlinked(app: &TestApp, op: &OidcProvider) -> (Tenant, crate::sso::Module) {
    let acme = acme(app).await;
    let module = crate::sso::module(app, "app", json!({})).await;
    crate::sso::oidc_connection(op, &acme, json!({})).await;
    acme.invite("alice@corp.example", "viewer").await;
    app.accept_invitation("alice@corp.example").await;
    (acme, module)
}

pub(super) async fn code_mails() {
    let (app, op) = (stage(|_| ()).await, OidcProvider::start().await);
    let (acme, module) = unlinked(&app, &op).await;
    // All of them are back from the provider but for the last step.
    let walk = async |_: usize| {
        let mut browser = Browser::default();
        crate::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await
    };
    let pages = join_all((0..WIDE).map(walk)).await;
    let asked = pages.iter().filter(|page| page.text.contains("Is this account yours?")).count();
    assert_eq!(asked, 5, "{:?}", pages.iter().map(|page| page.status).collect::<Vec<_>>());
    for refused in pages.into_iter().filter(|page| !page.text.contains("Is this account yours?")) {
        refused.refused("mail.limited");
    }
    let mails = app.anyone().mails().await.iter().filter(|mail| mail.template == "account-proof").count();
    assert_eq!(mails, 5);
    app.stop().await;
}

pub(super) async fn stranger_mails() {
    // Twenty times one, on the plan enterprise.
    let app = stage(|config| config.section_mut::<mail::Limits>().stranger_mails_per_day = 1).await;
    let acme = acme(&app).await;
    crate::strangers::let_join(&app, &acme, "acme.example").await;
    let mails =
        async || app.anyone().mails().await.iter().filter(|mail| mail.template == "invitation").count();
    let ask = async |emails: Vec<String>, sent: usize| {
        let asked = emails
            .into_iter()
            .map(|email| ("/api/v1/join".to_owned(), json!({"tenant": "acme", "email": email})));
        let replies = at_once(&app.anyone(), Method::POST, asked).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.first());
        let idle = "SELECT id FROM job WHERE kind = 'invitations.join' AND status <> 'done'";
        tests::eventually("the answers", async || {
            let read = async |view: &PlatformView| {
                Ok::<_, DbError>(
                    view.query(&platform::CrossTenantStatement::new(idle), vec![]).await?.len() as u64
                )
            };
            (count(&app, read).await == 0).then_some(())
        })
        .await;
        assert_eq!(mails().await, sent);
    };
    ask(crate::strangers::spellings("zoe@acme.example", WIDE), 1).await;
    ask((0..WIDE).map(|at| format!("p{at}@acme.example")).collect(), 20).await;
    app.stop().await;
}

pub(super) async fn tenant_mails() {
    // Twenty times one, on the plan enterprise.
    let app = stage(|config| config.section_mut::<mail::Limits>().mails_per_day = 1).await;
    let acme = acme(&app).await;
    let one = |at: usize| json!({"email": format!("p{at}@example.com"), "role": "viewer"});
    for at in 0..20 - ROOM {
        acme.admin.post(INVITATIONS, one(1000 + at)).await.expect(201);
    }
    let asked = (0..WIDE).map(|at| (INVITATIONS.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 429, "mail.limited");
    let there: Invitations = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.found();
    assert_eq!(there.counts.pending, 20, "who gets no mail is not invited");
    // Of a file no line is half done: who gets no mail has no invitation and holds no seat.
    let lines: Vec<Value> = (3000..3003).map(one).collect();
    let file = json!({"invitations": lines});
    let made: InvitationBatch = app.operator.post(&format!("{INVITATIONS}/bulk"), file).await.accepted();
    let batch = format!("{INVITATIONS}/bulk/{}", made.id);
    tests::eventually("the file to be worked off", async || {
        let batch: InvitationBatch = app.operator.get(&batch).await.found();
        (batch.status == "done").then_some(())
    })
    .await;
    let lines: Vec<BatchLine> = app.operator.get(&format!("{batch}/lines")).await.items();
    let codes: Vec<Option<&str>> = lines.iter().map(|line| line.code.as_deref()).collect();
    assert_eq!(codes, [Some("mail.limited"); 3]);
    let there: Invitations = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.found();
    assert_eq!(there.counts.pending, 20);
    // The day after there is room again.
    app.clock.advance(chrono::TimeDelta::hours(25));
    acme.admin.post(INVITATIONS, one(2000)).await.expect(201);
    // What was spent is remembered for 7 days.
    let spent = async |view: &PlatformView| {
        let sql = platform::CrossTenantStatement::new("SELECT key FROM allowance");
        Ok::<_, DbError>(view.query(&sql, vec![]).await?.len() as u64)
    };
    app.sweep("allowance").await;
    assert!(count(&app, spent).await > 0);
    app.clock.advance(chrono::TimeDelta::days(7));
    app.sweep("allowance").await;
    assert_eq!(count(&app, spent).await, 0);
    app.stop().await;
}
