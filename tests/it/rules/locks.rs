//! Locks have one order: of many who take several at once nobody waits for each other for ever. Postgres ends such a wait by
//! refusing one of them, which is answered 503.

use entity::by_name::ByName;
use entity::directory::states::{RoleSource, Source};
use entity::directory::user;
use policy_core::TenantRole;
use sea_orm::{ColumnTrait as _, QueryFilter as _};
use tests::faults::Lock;

use super::*;

async fn send(client: Client, method: Method, path: String, body: Value) -> Reply {
    Reply::read(client.request(method, &path).json(&body)).await
}

/// All of them did what was asked.
#[track_caller]
fn all_done(replies: &[Reply]) {
    let refused: Vec<_> =
        replies.iter().filter(|reply| !reply.status.is_success()).map(|reply| &reply.text).collect();
    assert!(refused.is_empty(), "{} of {}: {refused:?}", refused.len(), replies.len());
}

/// So many users who were made here, each third one an admin, and one more admin who stays.
async fn people(app: &TestApp, acme: &Tenant, count: usize) -> Vec<String> {
    // By SCIM nobody was made yet, so people can be invited.
    acme.invite("first@example.com", "viewer").await;
    app.accept_invitation("first@example.com").await;
    behind(app, async |tx: &mut PlatformTx| {
        let first = tx.one(tx.across::<user::Entity>()).await?.expect("a user to copy");
        let copy = |at: usize| user::Model {
            id: new_id(),
            user_name: format!("u{at}"),
            user_name_key: format!("u{at}"),
            source: Source::Jit,
            role: ByName(if at.is_multiple_of(3) { TenantRole::Admin } else { TenantRole::Viewer }),
            resource: json!({"userName": format!("u{at}"), "active": true}),
            ..first.clone()
        };
        tx.insert_all((0..=count).map(copy).collect()).await
    })
    .await;
    let all = behind(app, async |tx: &mut PlatformTx| tx.all(tx.across::<user::Entity>()).await).await;
    let made = all.iter().filter(|row| row.source == Source::Jit);
    let stays = made.clone().find(|row| row.role.0 == TenantRole::Admin).expect("an admin").id;
    // A seat for each of them, as if they had come one by one.
    behind(app, async |tx: &mut PlatformTx| {
        let sql = "UPDATE quota SET used = (SELECT COUNT(*) FROM directory_user u WHERE u.tenant_id = quota.tenant_id \
                   AND (u.role = 'admin' OR quota.resource = 'users')) WHERE resource IN ('users', 'admins')";
        tx.execute(&platform::CrossTenantStatement::new(sql), vec![]).await
    })
    .await;
    made.filter(|row| row.id != stays).map(|row| row.id.to_string()).collect()
}

fn of(id: &str) -> String {
    format!("/api/v1/tenants/acme/users/{id}")
}

async fn used(app: &TestApp) -> Vec<(String, i64)> {
    let of = async |name: &str| (name.to_owned(), app.operator.quota("acme", name).await.used);
    vec![of("admins").await, of("users").await]
}

async fn seats(app: &TestApp) -> Vec<(String, i64)> {
    let all = behind(app, async |tx: &mut PlatformTx| tx.all(tx.across::<user::Entity>()).await).await;
    let active: Vec<_> = all.iter().filter(|row| row.active).collect();
    let admins = active.iter().filter(|row| row.role.0 == TenantRole::Admin).count();
    vec![("admins".to_owned(), admins as i64), ("users".to_owned(), active.len() as i64)]
}

/// Sends both, the second once the first waits for what is held on Postgres, which is let go once both do. SQLite has one writer: there
/// they are sent at once.
async fn one_behind_the_other(
    app: &TestApp,
    held: &str,
    both: [LocalBoxFuture<'static, Reply>; 2],
) -> [Reply; 2] {
    let mut lock = match &app.store.superuser_url {
        Some(url) => Some(Lock::rows(url, held).await.expect("nobody else has it")),
        None => None,
    };
    let mut under_way = Vec::new();
    for (one, waiting) in both.into_iter().zip(1..) {
        under_way.push(actix_web::rt::spawn(one));
        if let Some(lock) = &mut lock {
            lock.waited_for(waiting).await;
        }
    }
    if let Some(lock) = lock {
        lock.release().await;
    }
    let replies = join_all(under_way).await.into_iter().map(|reply| reply.expect("an answer"));
    replies.collect::<Vec<_>>().try_into().expect("both")
}

#[actix_web::test]
async fn admins_who_come_and_admins_who_go_do_not_wait_for_each_other_for_ever() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let people = people(&app, &acme, WIDE * 2).await;
    let goes = |id: &String| send(acme.admin.clone(), Method::PATCH, of(id), json!({"active": false}));
    let invited = |at: usize| {
        let body = json!({"email": format!("p{at}@example.com"), "role": "admin"});
        send(acme.admin.clone(), Method::POST, INVITATIONS.to_owned(), body)
    };
    // Whoever was switched off comes back as an admin.
    let (off, on) = people.split_at(WIDE);
    all_done(&join_all(off.iter().map(goes)).await);
    let comes = |id: &String| {
        send(acme.admin.clone(), Method::PATCH, of(id), json!({"active": true, "role": "admin"}))
    };
    let all: Vec<_> = on.iter().zip(off).enumerate().collect();
    // No more at once than have their turn in time on a slow machine.
    for some in all.chunks(WIDE / 3 + 1) {
        let mixed = some.iter().map(|(at, (on, off))| async move {
            let (gone, come, invited) = tokio::join!(goes(on), comes(off), invited(*at));
            [gone, come, invited]
        });
        let replies: Vec<Reply> = join_all(mixed).await.into_iter().flatten().collect();
        all_done(&replies);
    }
    assert_eq!(used(&app).await, seats(&app).await);
    app.stop().await;
}

#[actix_web::test]
async fn a_restore_and_those_who_go_meanwhile_do_not_wait_for_each_other_for_ever() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let people = people(&app, &acme, WIDE * 2).await;
    app.clock.advance(chrono::TimeDelta::seconds(10));
    let moment = app.clock.now();
    app.clock.advance(chrono::TimeDelta::seconds(10));
    let goes = |id: &String| send(acme.admin.clone(), Method::PATCH, of(id), json!({"active": false}));
    // Every other one goes before: what is put back stands between those who go meanwhile.
    let (first, meanwhile): (Vec<_>, Vec<_>) = people.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let first: Vec<&String> = first.into_iter().map(|(_, id)| id).collect();
    all_done(&join_all(first.iter().map(|id| goes(id))).await);
    app.clock.advance(chrono::TimeDelta::seconds(10));
    let restores = format!("{ORGANIZATIONS}/default/directory-restores");
    let begin =
        send(acme.admin.clone(), Method::POST, restores.clone(), json!({"moment": moment.to_rfc3339()}));
    let (begun, gone) = tokio::join!(begin, join_all(meanwhile.iter().map(|(_, id)| goes(id))));
    assert_eq!(begun.status, 202, "{}", begun.text);
    all_done(&gone);
    tests::eventually("the restore", async || {
        (acme.admin.get(&restores).await.first::<Restore>().status == "done").then_some(())
    })
    .await;
    let sql = "SELECT attempts FROM job WHERE kind = 'directory.restore'";
    let attempts: Vec<i64> = behind(&app, async |tx: &mut PlatformTx| {
        let rows = tx.query(&platform::CrossTenantStatement::new(sql), vec![]).await?;
        Ok(rows.iter().map(|row| row.try_get("", "attempts")).collect::<Result<_, _>>()?)
    })
    .await;
    assert_eq!(attempts, [1], "nothing had to be tried again");
    for id in first.iter().step_by(16) {
        assert!(acme.admin.user("acme", id).await.active);
    }
    assert_eq!(used(&app).await, seats(&app).await);
    app.stop().await;
}

#[actix_web::test]
async fn groups_that_give_roles_take_the_same_people_in_at_once() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let people = people(&app, &acme, 8).await;
    let mut groups = Vec::new();
    for at in 0..8 {
        let made = acme.group(&format!("g{at}"), &[]).await;
        let role = if at % 2 == 0 { "admin" } else { "contributor" };
        let mapping = json!({"groupId": made, "role": role});
        acme.admin.post(&format!("{ORGANIZATIONS}/default/role-mappings"), mapping).await.expect(201);
        groups.push(made);
    }
    for op in ["add", "remove", "add"] {
        // Each group its own order, so that nobody is first everywhere.
        let change = |at: usize, group: &String| {
            let mut members: Vec<Value> = people.iter().map(|id| json!({"value": id})).collect();
            members.rotate_left(at);
            let operation = json!({"op": op, "path": "members", "value": members});
            let body = json!({"Operations": [operation]});
            send(acme.scim.clone(), Method::PATCH, format!("/scim/v2/Groups/{group}"), body)
        };
        all_done(&join_all(groups.iter().enumerate().map(|(at, group)| change(at, group))).await);
    }
    let all = behind(&app, async |tx: &mut PlatformTx| tx.all(tx.across::<user::Entity>()).await).await;
    let of_groups = all
        .iter()
        .filter(|row| row.role.0 == TenantRole::Admin && row.role_source == RoleSource::Group)
        .count();
    assert_eq!(of_groups, 8);
    assert_eq!(used(&app).await, seats(&app).await);
    app.stop().await;
}

#[actix_web::test]
async fn who_comes_into_a_group_while_it_gets_a_role_or_loses_it_has_what_the_group_gives() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let person = people(&app, &acme, 1).await.remove(0);
    let mappings = format!("{ORGANIZATIONS}/default/role-mappings");
    let add = |id: &str| json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
    let patch =
        |group: &str, body| send(acme.scim.clone(), Method::PATCH, format!("/scim/v2/Groups/{group}"), body);
    // The person comes into a group below the one that gives the role.
    let (above, below) = (acme.group("above", &[]).await, acme.group("below", &[]).await);
    all_done(&[patch(&above, add(&below)).await]);
    // Each comes after the other has begun: whoever comes into a group waits where somebody has the person's row.
    let beside = async |other: LocalBoxFuture<'static, Reply>| {
        let select = format!("SELECT 1 FROM directory_user WHERE id = '{person}' FOR UPDATE");
        let replies = one_behind_the_other(&app, &select, [patch(&below, add(&person)).boxed_local(), other]);
        let replies = replies.await;
        all_done(&replies);
        let row = behind(&app, async |tx: &mut PlatformTx| {
            let by_id =
                tx.across::<user::Entity>().filter(user::Column::Id.eq(person.parse::<Uuid>().unwrap()));
            tx.one(by_id).await
        });
        let row = row.await.expect("the person");
        let [_, other] = replies;
        (other, row.role, row.role_source)
    };
    let map = json!({"groupId": above, "role": "contributor"});
    let map = send(acme.admin.clone(), Method::POST, mappings.clone(), map).boxed_local();
    let (mapped, role, source) = beside(map).await;
    assert_eq!((role.0, source), (TenantRole::Contributor, RoleSource::Group));
    let gone = json!({"Operations": [{"op": "remove", "path": "members"}]});
    all_done(&[patch(&below, gone).await]);
    let mapping = format!("{mappings}/{}", mapped.created_id());
    let unmap = send(acme.admin.clone(), Method::DELETE, mapping, Value::Null).boxed_local();
    let (_, role, source) = beside(unmap).await;
    assert_eq!((role.0, source), (TenantRole::Viewer, RoleSource::Local), "no group gives a role any more");
    app.stop().await;
}

#[actix_web::test]
async fn who_comes_into_a_group_while_that_comes_into_another_has_what_the_other_gives() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let people = people(&app, &acme, 4).await;
    let add = |id: &str| json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
    let patch =
        |group: &str, body| send(acme.scim.clone(), Method::PATCH, format!("/scim/v2/Groups/{group}"), body);
    for (at, person) in people.iter().enumerate() {
        let mut groups = Vec::new();
        for name in ["above", "below"] {
            groups.push(acme.group(&format!("{name}{at}"), &[]).await);
        }
        let mapping = json!({"groupId": groups[0], "role": "contributor"});
        acme.admin.post(&format!("{ORGANIZATIONS}/default/role-mappings"), mapping).await.expect(201);
        let (nest, come) = (patch(&groups[0], add(&groups[1])), patch(&groups[1], add(person)));
        let mut both = [nest.boxed_local(), come.boxed_local()];
        if at % 2 == 1 {
            both.reverse();
        }
        // What either says to others comes last: there both wait for each other's end, or one for the other. Whoever tells what was said
        // before would wait there too, and be taken for one of them.
        app.all_is_told().await;
        all_done(&one_behind_the_other(&app, "LOCK TABLE outbox_event IN SHARE MODE", both).await);
        let person = acme.admin.user("acme", person).await;
        assert_eq!(person.role, "contributor", "{at}: {person:?}");
    }
    app.stop().await;
}
