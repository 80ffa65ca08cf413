//! Callers without a credential: they change nothing of anybody's, cause few mails, and learn nothing by how long it takes.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use platform::PlatformView;
use serde_json::json;
use tests::{Invitation, Invitations, RecordedMail, Reply, Tenant, TestApp, eventually};

const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";

/// A service without rate limits: those of a network would refuse before what is tested does.
async fn stage(adjust: impl FnOnce(&mut platform::config::Config)) -> TestApp {
    TestApp::with(|config| {
        config.rate_limit.enabled = false;
        adjust(config);
    })
    .await
}

/// Lets the people of a domain join the tenant.
pub(crate) async fn let_join(app: &TestApp, tenant: &Tenant, domain: &str) {
    crate::sso::prove_domain(app, tenant, domain).await;
    tenant
        .admin
        .put(&tenant.path(&format!("join-rules/{domain}")), json!({"mode": "auto", "role": "viewer"}))
        .await
        .expect(200);
}

async fn join(app: &TestApp, tenant: &str, email: &str) -> Reply {
    app.anyone().post("/api/v1/join", json!({"tenant": tenant, "email": email})).await
}

async fn login(app: &TestApp, email: &str) -> Reply {
    app.anyone().form("/login", &[("email", email)]).await
}

/// Spellings of an address in upper and lower case, none twice.
pub(crate) fn spellings(address: &str, count: usize) -> Vec<String> {
    let letters = address.bytes().filter(u8::is_ascii_alphabetic).count();
    assert!(1 << letters.min(20) >= count);
    let spell = |mask: usize| {
        let mut place = 0;
        let mut turn = |c: char| {
            let up = c.is_ascii_alphabetic() && mask >> place & 1 == 1;
            place += usize::from(c.is_ascii_alphabetic());
            if up { c.to_ascii_uppercase() } else { c }
        };
        address.chars().map(&mut turn).collect()
    };
    (0..count).map(spell).collect()
}

/// How many jobs of a kind there are, and how many of these are not done.
async fn jobs(app: &TestApp, kind: &str) -> (i64, i64) {
    let sql =
        "SELECT COUNT(*) AS n, COUNT(CASE WHEN status <> 'done' THEN 1 END) AS open FROM job WHERE kind = $1";
    let read = async |view: &PlatformView| {
        let rows = view.query(&platform::CrossTenantStatement::new(sql), vec![kind.into()]).await?;
        let of = |name: &str| rows.first().expect("a row").try_get("", name);
        Ok::<(i64, i64), platform::DbError>((of("n")?, of("open")?))
    };
    app.running.service.db.read_platform(read).await.expect("the jobs")
}

async fn answered(app: &TestApp, kind: &str, asked: i64) {
    eventually("every stranger's answer", async || (jobs(app, kind).await == (asked, 0)).then_some(())).await;
}

async fn mails(app: &TestApp, template: &str) -> Vec<RecordedMail> {
    app.anyone().mails().await.into_iter().filter(|mail| mail.template == template).collect()
}

#[actix_web::test]
async fn a_stranger_touches_nothing_that_an_admin_made() {
    let app = stage(|_| ()).await;
    let acme = app.tenant("acme").await;
    let_join(&app, &acme, "acme.example").await;
    let body = json!({"email": "zoe@acme.example", "role": "contributor", "message": "Hello"});
    let one = format!("{INVITATIONS}/{}", acme.admin.post(INVITATIONS, body).await.created_id());
    let before = acme.admin.get(&one).await;
    let token = app.invitation_token("zoe@acme.example").await;
    app.clock.advance(TimeDelta::hours(1));
    for spelling in spellings("zoe@acme.example", 40) {
        join(&app, "acme", &spelling).await.expect(200);
        login(&app, &spelling).await;
    }
    answered(&app, "invitations.join", 40).await;
    let after = acme.admin.get(&one).await;
    assert_eq!((after.text, after.headers.get("etag")), (before.text, before.headers.get("etag")));
    assert_eq!(app.anyone().mails().await.len(), 1, "the admin's, and no other");
    assert_eq!(app.audit("invitation.resend").await.len(), 0);
    let body = json!({"token": token});
    let accepted: Invitation = app.anyone().post("/api/v1/invitations/accept", body).await.found();
    assert_eq!((accepted.status.as_str(), accepted.role.as_str()), ("accepted", "contributor"));
    app.stop().await;
}

#[actix_web::test]
async fn who_asks_to_join_again_gets_the_same_link_and_few_mails() {
    let app = stage(|_| ()).await;
    let acme = app.tenant("acme").await;
    let_join(&app, &acme, "acme.example").await;
    for spelling in spellings("eve@acme.example", 40) {
        join(&app, "acme", &spelling).await.expect(200);
    }
    answered(&app, "invitations.join", 40).await;
    assert_eq!(mails(&app, "invitation").await.len(), 1, "one a minute, however the address is spelled");
    // A plus tag is another mailbox.
    join(&app, "acme", "eve+tag@acme.example").await.expect(200);
    answered(&app, "invitations.join", 41).await;
    assert_eq!(mails(&app, "invitation").await.len(), 2);
    for minute in 0..10 {
        app.clock.advance(TimeDelta::minutes(2));
        join(&app, "acme", "Eve@ACME.example").await.expect(200);
        answered(&app, "invitations.join", 42 + minute).await;
    }
    let to_eve = mails(&app, "invitation").await;
    let to_eve: Vec<&RecordedMail> =
        to_eve.iter().filter(|mail| mail.recipient == "eve@acme.example").collect();
    assert_eq!(to_eve.len(), 5, "five a day");
    let links: std::collections::BTreeSet<&str> = to_eve.iter().map(|mail| mail.links[0].as_str()).collect();
    assert_eq!(links.len(), 1, "who asked first is not locked out by who asks later");
    // Another process of the same store counts on.
    let (client, other) = app.replica().await;
    app.clock.advance(TimeDelta::minutes(2));
    let body = json!({"tenant": "acme", "email": "eve@acme.example"});
    client.anonymous().post("/api/v1/join", body.clone()).await.expect(200);
    answered(&app, "invitations.join", 52).await;
    other.stop().await;
    assert_eq!(mails(&app, "invitation").await.len(), 6);
    app.clock.advance(TimeDelta::hours(25));
    join(&app, "acme", "eve@acme.example").await.expect(200);
    answered(&app, "invitations.join", 53).await;
    assert_eq!(mails(&app, "invitation").await.len(), 7, "a new day");
    let token = links.first().unwrap().split_once("token=").unwrap().1;
    app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.expect(200);
    app.stop().await;
}

#[actix_web::test]
async fn where_to_sign_in_is_mailed_to_the_address_that_is_stored_and_seldom() {
    let app = stage(|_| ()).await;
    let acme = app.tenant("acme").await;
    for address in ["ann@elsewhere.example", "strasse@elsewhere.example"] {
        let body = json!({"userName": address, "emails": [{"value": address}]});
        acme.scim.post("/scim/v2/Users", body).await.expect(201);
    }
    let said = login(&app, "ann@elsewhere.example").await;
    assert!(said.status == 200 && said.text.contains("ann@elsewhere.example"), "{}", said.text);
    for spelling in spellings("ann@elsewhere.example", 60) {
        login(&app, &spelling).await;
    }
    answered(&app, "sso.links", 61).await;
    assert_eq!(mails(&app, "sign-in-link").await.len(), 1);
    for minute in 0..8 {
        app.clock.advance(TimeDelta::minutes(2));
        login(&app, "ANN@elsewhere.example").await;
        answered(&app, "sso.links", 62 + minute).await;
    }
    assert_eq!(mails(&app, "sign-in-link").await.len(), 5);
    // Another mailbox whose name folds to the same: its owner gets nothing.
    login(&app, "straße@elsewhere.example").await;
    answered(&app, "sso.links", 70).await;
    let all = mails(&app, "sign-in-link").await;
    assert_eq!((all.len(), all[0].recipient.as_str()), (6, "strasse@elsewhere.example"));
    // Who reads the queue learns nobody's address.
    let queue = app.operator.get("/api/v1/jobs?limit=200").await;
    assert!(queue.status == 200 && !queue.text.contains("elsewhere.example"));
    app.stop().await;
}

#[actix_web::test]
async fn all_strangers_together_have_their_share_of_a_tenants_mails() {
    let app = stage(|config| config.section_mut::<mail::Limits>().stranger_mails_per_day = 1).await;
    // Five times one, on the plan pro.
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let_join(&app, &acme, "acme.example").await;
    let_join(&app, &other, "other.example").await;
    for at in 0..12 {
        join(&app, "acme", &format!("p{at}@acme.example")).await.expect(200);
    }
    join(&app, "other", "p@other.example").await.expect(200);
    answered(&app, "invitations.join", 13).await;
    assert_eq!(mails(&app, "invitation").await.len(), 5 + 1, "of another tenant's nothing is used up");
    let there: Invitations = acme.admin.get(&format!("{INVITATIONS}?limit=50")).await.found();
    assert_eq!(there.counts.pending, 5, "who gets no mail leaves nothing behind");
    // The admins' mails are their own.
    acme.invite("x@example.com", "viewer").await;
    app.stop().await;
}

#[actix_web::test]
async fn a_network_that_asks_too_much_waits_whomever_it_names() {
    let app = TestApp::start().await;
    let mut last = None;
    for at in 0..40 {
        let reply = join(&app, "nobody", &format!("p{at}@acme.example")).await;
        if reply.status == 429 {
            last = Some((at, reply));
            break;
        }
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let (at, refused) = last.expect("a refusal");
    assert!(at <= 30 && !refused.header("retry-after").is_empty());
    refused.refused(429, "rate.limited");
    let page = login(&app, "p@acme.example").await;
    assert_eq!(page.status, 429, "one allowance for all doors");
    assert_eq!(jobs(&app, "invitations.join").await.0, at);
    app.stop().await;
}

/// What of an answer doesn't differ from request to request.
fn shape(reply: &Reply) -> (u16, String, Vec<(String, String)>) {
    let own = ["date", "x-request-id", "set-cookie"];
    let headers = reply.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    (reply.status.as_u16(), reply.text.clone(), headers)
}

#[actix_web::test]
async fn whether_anybody_is_there_shows_in_no_answer_and_no_time() {
    let app = stage(|_| ()).await;
    let acme = app.tenant("acme").await;
    let_join(&app, &acme, "acme.example").await;
    acme.invite("zoe@acme.example", "viewer").await;
    let asked = [
        ("an invitation", "acme", "zoe@acme.example"),
        ("a person of the domain", "acme", "new@acme.example"),
        ("a stranger", "acme", "new@elses.example"),
        ("no tenant", "nobody", "zoe@acme.example"),
    ];
    const ROUNDS: usize = 25;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); asked.len()];
    let mut said = Vec::new();
    let mut count = 0;
    // Interleaved, each when all is quiet: what the machine does besides hits all of them alike.
    for _ in 0..ROUNDS {
        for (at, (_, tenant, email)) in asked.iter().enumerate() {
            let begun = Instant::now();
            let reply = join(&app, tenant, email).await;
            took[at].push(begun.elapsed());
            said.push(shape(&reply));
            count += 1;
            answered(&app, "invitations.join", count).await;
        }
    }
    assert!(said.windows(2).all(|two| two[0] == two[1]), "{said:?}");
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let medians: Vec<Duration> = took.iter_mut().map(median).collect();
    let (fast, slow) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    println!("medians: {medians:?}");
    assert!(
        slow.as_secs_f64() < fast.as_secs_f64() * 2.0,
        "{:?}",
        asked.iter().zip(&medians).collect::<Vec<_>>()
    );
    // The same of /login, for domains that nobody has proven.
    acme.scim
        .post("/scim/v2/Users", json!({"userName": "a", "emails": [{"value": "ann@elses.example"}]}))
        .await
        .expect(201);
    let pages: Vec<_> = [login(&app, "ann@elses.example").await, login(&app, "bob@elses.example").await]
        .iter()
        .map(|reply| {
            let (status, text, headers) = shape(reply);
            (status, text.replace("bob@", "ann@"), headers)
        })
        .collect();
    assert_eq!(pages[0], pages[1]);
    app.stop().await;
}
