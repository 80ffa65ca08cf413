//! Tenants that want the same place at the same moment.

use futures_util::future::join_all;

use super::*;

#[actix_web::test]
async fn of_many_that_move_to_the_last_place_one_does() {
    let app = TestApp::with(without_drain).await;
    let from = pool(&app.operator, "from").await;
    for number in 0..30 {
        app.operator.post("/api/v1/tenants", tenant(&format!("t{number}"))).await.expect(202);
    }
    for number in 0..30 {
        status(&app.operator, &format!("t{number}"), "active").await;
    }
    let last = json!({"name": "last", "mode": "shared", "capacity": 1});
    let last = instance(&app.operator, last).await;
    let all = (0..30).map(async |number| {
        let path = format!("/api/v1/tenants/t{number}/move");
        app.operator.post(&path, json!({"instanceId": last})).await.status
    });
    let begun = join_all(all).await;
    assert!(begun.iter().all(|status| [202, 409].contains(&status.as_u16())), "{begun:?}");
    eventually("all moves to end", async || {
        let mut open = 0;
        for number in 0..30 {
            let run = app.operator.get(&format!("/api/v1/tenants/t{number}/provisioning")).await.expect(200);
            open += usize::from(!["done", "failed"].contains(&run["status"].as_str().unwrap()));
        }
        (open == 0).then_some(())
    })
    .await;
    assert_eq!((count(&app.operator, &from).await, count(&app.operator, &last).await), (29, 1));
    app.stop().await;
}
