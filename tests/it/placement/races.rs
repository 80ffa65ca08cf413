//! Tenants that want the same place at the same moment.

use futures_util::future::join_all;

use super::*;

#[actix_web::test]
async fn of_many_that_move_to_the_last_place_one_does() {
    let app = TestApp::with(without_drain).await;
    let from = app.operator.pool("from").await;
    for number in 0..30 {
        app.operator.post("/api/v1/tenants", tenant(&format!("t{number}"))).await.expect(202);
    }
    for number in 0..30 {
        status(&app.operator, &format!("t{number}"), "active").await;
    }
    let last = json!({"name": "last", "mode": "shared", "capacity": 1});
    let last = app.operator.instance(last).await;
    let all = (0..30).map(async |number| {
        let path = format!("/api/v1/tenants/t{number}/move");
        app.operator.post(&path, json!({"instanceId": last})).await.status
    });
    let begun = join_all(all).await;
    assert!(begun.iter().all(|status| [202, 409].contains(&status.as_u16())), "{begun:?}");
    eventually("all moves to end", async || {
        let mut open = 0;
        for number in 0..30 {
            let run = app.operator.run(&format!("t{number}")).await;
            open += usize::from(!["done", "failed"].contains(&run.status.as_str()));
        }
        (open == 0).then_some(())
    })
    .await;
    assert_eq!((app.operator.tenant_count(&from).await, app.operator.tenant_count(&last).await), (29, 1));
    app.stop().await;
}
