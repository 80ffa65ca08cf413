//! What is looked at and remembered has an end.

use chrono::TimeDelta;

use super::*;

#[actix_web::test]
async fn a_long_name_is_cut() {
    let stage = Stage::set().await;
    let claims = with(stage.claims("ann", "ann@x.test"), "name", "n".repeat(300));
    let done: Exchanged = stage.exchange(&claims).await.found();
    assert_eq!(done.user.display_name.as_deref().map(str::len), Some(200));
    stage.stop().await;
}

#[actix_web::test]
async fn what_is_remembered_of_who_left_ends() {
    let stage = Stage::set().await;
    let bob = stage.push(json!({"userName": "bob@x.test", "emails": [{"value": "bob@x.test"}]})).await;
    stage.remove(&bob).await;
    let sweep = async || stage.app.sweep("directory_departed").await;
    let headers = [(EMAIL, "bob@x.test")];
    stage.app.clock.advance(TimeDelta::days(400) - TimeDelta::minutes(1));
    sweep().await;
    stage.by_gateway("b", &headers).await.refused(403, "user.deactivated");
    stage.app.clock.advance(TimeDelta::minutes(2));
    sweep().await;
    stage.by_gateway("b", &headers).await.expect(200);
    stage.stop().await;
}
