//! A receiver that is deleted while results of what was sent to it are written: neither transaction waits for who waits for it.

use chrono::TimeDelta;
use futures_util::future::join;
use platform::{CrossTenantStatement, PlatformView};
use reqwest::Method;
use serde_json::{Value, json};
use tests::faults::Lock;
use tests::{Job, Receiver, TestApp, eventually};

/// What makes results, and where they are written.
struct Kind {
    collection: &'static str,
    body: Value,
    /// The member of the body that says where the receiver is.
    url: &'static str,
    /// The table of a receiver's results.
    table: &'static str,
    job: &'static str,
}

/// On Postgres, holds one of the results, so that whoever writes them comes to a stop between two of them.
async fn hold(app: &TestApp, table: &str) -> Option<Lock> {
    let url = app.store.superuser_url.as_ref()?;
    let one = format!("SELECT 1 FROM {table} LIMIT 1 FOR UPDATE");
    Some(Lock::rows(url, &one).await.expect("nobody else has it"))
}

async fn goes_while_results_come_in(kind: Kind) {
    let app = TestApp::with(|config| config.section_mut::<delivery::Settings>().retry_base_ms = 60_000).await;
    let receiver = Receiver::start();
    receiver.answer(500);
    app.operator.flag("beta").await;
    let mut body = kind.body.clone();
    body[kind.url] = json!(receiver.url);
    let id = app.operator.post(kind.collection, body).await.created_id();
    for slug in ["acme", "beta"] {
        app.tenant(slug).await;
        let path = format!("/api/v1/tenants/{slug}/flags/beta");
        app.operator.put(&path, json!({"variant": "on"})).await.expect(200);
    }
    let path = format!("{}/{id}", kind.collection);
    let failed = format!("SELECT 1 FROM {} WHERE last_error IS NOT NULL", kind.table);
    eventually("both to have failed", async || {
        let sql = CrossTenantStatement::built(failed.clone());
        let read = async |view: &PlatformView| view.query(&sql, Vec::new()).await;
        let rows = app.running.service.db.read_platform(read).await.expect("rows");
        (rows.len() >= 2).then_some(())
    })
    .await;
    let (before, holder) = (receiver.all().len(), hold(&app, kind.table).await);
    receiver.answer(200);
    app.clock.advance(TimeDelta::hours(1));
    eventually("both to be sent again", async || (receiver.all().len() >= before + 2).then_some(())).await;
    let delete = tests::Reply::read(app.operator.request(Method::DELETE, &path));
    let release = async {
        let Some(mut holder) = holder else { return };
        holder.waited_for(2).await;
        holder.release().await;
    };
    let (gone, ()) = join(delete, release).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let done = eventually("the job to be done", async || {
        let jobs = app.operator.jobs(&format!("kind={}", kind.job)).await;
        jobs.iter().all(|job| job.status == "done").then_some(jobs)
    })
    .await;
    let disturbed: Vec<&Job> = done.iter().filter(|job| job.last_error.is_some()).collect();
    assert!(disturbed.is_empty(), "{disturbed:?}");
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_module_goes_while_results_come_in() {
    goes_while_results_come_in(Kind {
        collection: "/api/v1/modules",
        body: json!({"name": "m"}),
        url: "baseUrl",
        table: "flag_push",
        job: "flags.push",
    })
    .await;
}

#[actix_web::test]
async fn an_endpoint_goes_while_results_come_in() {
    goes_while_results_come_in(Kind {
        collection: "/api/v1/webhook-endpoints",
        body: json!({"eventTypes": ["flag.*"]}),
        url: "url",
        table: "webhook_delivery",
        job: "webhook.deliver",
    })
    .await;
}
