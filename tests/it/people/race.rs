//! One person at every door at once, 64 wide: one user, one seat, an invitation that is accepted once.

use futures_util::future::{join, join_all};

use super::*;
use crate::sso::prove_domain;

/// How many at once.
const WIDE: usize = 64;

const ZOE: &str = "zoe@x.example";

/// Asks until somebody decides: a process that is busy says 503 and that it may be asked again.
async fn decided(client: &Client, method: Method, path: &str, body: Value) -> Reply {
    eventually("a decision", async || {
        let reply = Reply::read(client.request(method.clone(), path).json(&body)).await;
        (!matches!(reply.status.as_u16(), 429 | 503)).then_some(reply)
    })
    .await
}

/// How often a status came by one of three doors.
fn count(replies: &[Reply], door: usize, status: u16) -> usize {
    replies.iter().skip(door).step_by(3).filter(|reply| reply.status == status).count()
}

#[actix_web::test]
async fn one_person_who_comes_by_three_doors_at_once_is_one_user_on_one_seat() {
    for proven in [false, true] {
        let stage = Stage::set().await;
        if proven {
            prove_domain(&stage.app, &stage.acme, "x.example").await;
        }
        let invitation = stage.invite(ZOE, "contributor").await;
        let token = stage.app.invitation_token(ZOE).await;
        let subject = stage.issuer.sign(&stage.claims("zoe-1", ZOE));
        let anyone = stage.app.anyone();
        let come = |at: usize| match at % 3 {
            0 => decided(&stage.app.operator, Method::POST, EXCHANGE, json!({"subjectToken": subject})),
            1 => decided(&anyone, Method::POST, ACCEPT, json!({"token": token})),
            _ => decided(&stage.acme.scim, Method::POST, USERS, json!({"userName": ZOE})),
        };
        let replies = join_all((0..WIDE).map(come)).await;
        let all: Vec<(u16, &str)> =
            replies.iter().map(|reply| (reply.status.as_u16(), reply.text.as_str())).collect();
        for (door, (good, bad)) in [(200, 409), (200, 410), (201, 409)].into_iter().enumerate() {
            let (won, lost) = (count(&replies, door, good), count(&replies, door, bad));
            assert_eq!(won + lost, (0..WIDE).skip(door).step_by(3).count(), "door {door}: {all:?}");
            // She is made once and accepts once; she signs in as often as she likes.
            assert!(door == 0 || won <= 1, "door {door}: {all:?}");
        }
        let users = stage.users().await;
        let active = users.iter().filter(|user| user.active).count();
        assert_eq!((users.len(), active), (1, 1), "{all:?}");
        assert_eq!(stage.seats().await, (1, 0), "{all:?}");
        assert_eq!(users[0].role, "contributor", "{all:?}");
        let ended = stage.invitation(&invitation).await;
        assert_eq!(
            (ended.status.as_str(), ended.user_id.as_ref()),
            ("accepted", Some(&users[0].id)),
            "{all:?}"
        );
        let accepted = stage.app.audit("invitation.accept").await;
        assert_eq!(accepted.iter().filter(|record| record.outcome == "success").count(), 1);
        let done: Exchanged = stage.exchange(&stage.claims("zoe-1", ZOE)).await.found();
        assert_eq!(done.user.id, users[0].id);
        stage.stop().await;
    }
}

#[actix_web::test]
async fn of_many_whom_the_directory_removes_while_they_come_none_is_left_with_an_account() {
    let stage = Stage::set().await;
    let mut people = Vec::new();
    for at in 0..WIDE / 2 {
        let (name, address) = (format!("p{at}"), format!("p{at}@x.test"));
        let user = stage.push(json!({"userName": address, "externalId": name})).await;
        let token = stage.issuer.sign(&stage.claims(&name, &address));
        people.push((json!({"subjectToken": token}), format!("{USERS}/{}", user.id)));
    }
    let (operator, scim) = (&stage.app.operator, &stage.acme.scim);
    let comes = people.iter().map(|(body, _)| decided(operator, Method::POST, EXCHANGE, body.clone()));
    let goes = people.iter().map(|(_, user)| decided(scim, Method::DELETE, user, Value::Null));
    let (came, gone) = join(join_all(comes), join_all(goes)).await;
    assert!(gone.iter().all(|reply| reply.status == 204), "{:?}", gone.first());
    for reply in came.into_iter().filter(|reply| reply.status != 200) {
        reply.refused(403, "user.deactivated");
    }
    assert_eq!((stage.users().await.len(), stage.seats().await), (0, (0, 0)));
    for (body, _) in &people {
        operator.post(EXCHANGE, body.clone()).await.refused(403, "user.deactivated");
    }
    stage.stop().await;
}
