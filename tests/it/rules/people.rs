//! A person is made once, whichever doors they and their directory use at the same moment; one of all runs a tenant.

use super::*;

const EXCHANGE: &str = "/api/internal/sso/exchange";

async fn usage_of_users(app: &TestApp) -> (i64, i64) {
    let users = app.operator.quota("acme", "users").await;
    (users.used, users.limit.expect("a limit") - users.remaining.expect("a number"))
}

/// The exchange, the mailed token and the directory, all at once: with a seat for one.
pub(super) async fn people() {
    let app = stage(|_| ()).await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let acme = acme(&app).await;
    let quotas = json!({"items": [{"resource": "users", "limit": 1}]});
    app.operator.put("/api/v1/tenants/acme/quotas", quotas).await.expect(200);
    acme.invite("z@x.example", "contributor").await;
    let token = app.invitation_token("z@x.example").await;
    let mut claims = issuer.claims("z", "org_acme");
    claims["email"] = json!("Z@x.example");
    claims["email_verified"] = json!(true);
    let exchange = json!({"subjectToken": issuer.sign(&claims)});
    let accept = json!({"token": token});
    let push = json!({"userName": "z@x.example", "emails": [{"value": "z@x.example"}]});
    let ask = |at: usize| {
        let (client, path, body) = match at % 3 {
            0 => (app.operator.clone(), EXCHANGE, exchange.clone()),
            1 => (app.anyone(), "/api/v1/invitations/accept", accept.clone()),
            _ => (acme.scim.clone(), "/scim/v2/Users", push.clone()),
        };
        decided(client, Method::POST, path.to_owned(), body)
    };
    let replies = join_all((0..WIDE).map(ask)).await;
    let good =
        |at: usize| replies.iter().skip(at).step_by(3).filter(|reply| reply.status.is_success()).count();
    assert!(good(1) <= 1 && good(2) <= 1, "{} accepted, {} pushed", good(1), good(2));
    for reply in &replies {
        let expected = [200, 201, 409, 410];
        assert!(expected.contains(&reply.status.as_u16()), "{} {}", reply.status, reply.text);
    }
    let users = acme.admin.users("acme").await;
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(usage_of_users(&app).await, (1, 1));
    issuer.stop().await;
    app.stop().await;
}

/// Strangers of an organization that nobody knows, all at once: one of them runs its tenant.
pub(super) async fn first_user() {
    let app = stage(|config| {
        let settings = config.section_mut::<exchange::Settings>();
        settings.exchange.auto_provision = true;
        settings.exchange.plan = "enterprise".to_owned();
    })
    .await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let ask = |at: usize| {
        let body = json!({"subjectToken": issuer.token(&format!("p{at}"), "org_new")});
        decided(app.operator.clone(), Method::POST, EXCHANGE.to_owned(), body)
    };
    let replies = join_all((0..WIDE).map(ask)).await;
    let roles: Vec<String> = replies.into_iter().map(|reply| reply.found::<Exchanged>().user.role).collect();
    assert_eq!(roles.iter().filter(|role| *role == "admin").count(), 1, "{roles:?}");
    issuer.stop().await;
    app.stop().await;
}

/// Every door through which an admin can leave, all of them at once, for all admins that there are.
pub(super) async fn last_admin() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let mut people = Vec::new();
    for at in 0..WIDE {
        let body = json!({"userName": format!("u{at}"), "active": true});
        people.push(acme.scim.post("/scim/v2/Users", body).await.created_id());
    }
    // The last quarter are admins by a group.
    let (by_hand, by_group) = people.split_at(WIDE / 4 * 3);
    for id in by_hand {
        acme.admin
            .patch(&format!("/api/v1/tenants/acme/users/{id}"), json!({"role": "admin"}))
            .await
            .expect(200);
    }
    let members: Vec<&str> = by_group.iter().map(String::as_str).collect();
    let group = acme.group("admins", &members).await;
    let mappings = format!("{ORGANIZATIONS}/default/role-mappings");
    acme.admin.post(&mappings, json!({"groupId": group, "role": "admin"})).await.expect(201);
    assert_eq!(admins(&app).await, WIDE);
    let leave = people.iter().enumerate().map(|(at, id)| {
        let user = format!("/scim/v2/Users/{id}");
        let (client, method, path, body) = match (at / (WIDE / 4), &acme) {
            (0, acme) => (
                &acme.admin,
                Method::PATCH,
                format!("/api/v1/tenants/acme/users/{id}"),
                json!({"role": "viewer"}),
            ),
            (1, acme) => (&acme.scim, Method::DELETE, user, Value::Null),
            (2, acme) => (
                &acme.scim,
                Method::PATCH,
                user,
                json!({"Operations": [{"op": "replace", "value": {"active": false}}]}),
            ),
            (_, acme) => {
                let path = format!("members[value eq \"{id}\"]");
                (
                    &acme.scim,
                    Method::PATCH,
                    format!("/scim/v2/Groups/{group}"),
                    json!({"Operations": [{"op": "remove", "path": path}]}),
                )
            }
        };
        decided(client.clone(), method, path, body)
    });
    let replies = join_all(leave).await;
    assert_eq!(admins(&app).await, 1, "of {WIDE} who leave at once one stays");
    let refused: Vec<&Reply> = replies.iter().filter(|reply| !reply.status.is_success()).collect();
    let kept = app.audit("user.role_unchanged").await.len();
    assert_eq!(refused.len() + kept, 1, "{refused:?}");
    assert!(refused.iter().all(|reply| reply.status == 409), "{refused:?}");
    // The quota says what the rows say.
    assert_eq!(app.operator.quota("acme", "admins").await.used, 1);
    app.stop().await;
}

async fn admins(app: &TestApp) -> usize {
    let sql = "SELECT COUNT(*) AS n FROM directory_user WHERE role = 'admin' AND active = $1";
    let read = async |view: &PlatformView| {
        let rows = view.query(&platform::CrossTenantStatement::new(sql), vec![true.into()]).await?;
        let n: i64 = rows.first().expect("a row").try_get("", "n")?;
        Ok::<_, DbError>(n.unsigned_abs())
    };
    count(app, read).await
}

pub(super) async fn sessions() {
    let (app, issuer) = (stage(|_| ()).await, Issuer::start());
    issuer.register(&app.operator).await;
    acme(&app).await;
    let ann = json!({"subjectToken": issuer.token("ann", "org_acme")});
    let path = "/api/internal/sso/exchange";
    app.operator.post(path, ann.clone()).await.expect(200);
    fill!(&app, across, session, 100 - ROOM, |row, _| session::Model { id: new_id(), ..row });
    let replies =
        at_once(&app.operator, Method::POST, (0..WIDE).map(|_| (path.to_owned(), ann.clone()))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.first());
    let all = behind(&app, async |tx: &mut PlatformTx| tx.all(tx.across::<session::Entity>()).await).await;
    assert_eq!(all.len(), 100 - ROOM + WIDE);
    assert_eq!(all.iter().filter(|one| one.ended_at.is_none()).count(), 100);
    app.stop().await;
    issuer.stop().await;
}
