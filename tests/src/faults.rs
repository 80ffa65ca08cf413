//! Faults below the store, and the books that show whether it lied.
//!
//! | module | gives |
//! |---|---|
//! | `preload` | calls on the store's files that fail: which, from when, how often, with what |
//! | `libfiu` | the same at random by Debian's libfiu, a second opinion that is not ours |
//! | `disk` | a small file system that can be full or read-only |
//! | `server` | a Postgres of one test's own, which can be stopped, hung and restarted |
//! | `ledger` | what was acknowledged and what was refused, compared with what is there |
//! | `locks` | somebody else who holds a lock |
//! | `mixed` | load of every kind with faults at random |

mod disk;
mod ledger;
mod libfiu;
mod locks;
pub mod mixed;
mod preload;
mod server;

use std::time::{Duration, Instant};

use crate::{Client, Process, Reply};

pub use disk::Disk;
pub use ledger::{Ledger, Outcome, Registers};
pub use libfiu::Libfiu;
pub use locks::{Lock, terminate_backends};
pub use preload::{Act, Call, Errno, Fault, Faults, Of};
pub use server::Server;

/// Longer than the service works on a request: what had no answer by then will not be done later either.
const PATIENCE: Duration = Duration::from_secs(40);

/// Sends a request; `None` where no answer came.
pub async fn ask(request: reqwest::RequestBuilder) -> Option<Reply> {
    let response = request.timeout(PATIENCE).send().await.ok()?;
    let (status, headers) = (response.status(), response.headers().clone());
    Some(Reply { status, headers, text: response.text().await.ok()? })
}

/// What `/health` says, and how long it took to say it; `silent` where it doesn't answer.
pub async fn health(client: &Client) -> (String, Duration) {
    let begun = Instant::now();
    let reply = ask(client.anonymous().request(reqwest::Method::GET, "/health")).await;
    let status = reply.and_then(|reply| reply.json()["status"].as_str().map(ToOwned::to_owned));
    (status.unwrap_or_else(|| "silent".to_owned()), begun.elapsed())
}

/// Waits up to `patience` for `/health` to say something that `wanted` accepts.
///
/// # Panics
/// Where it doesn't.
pub async fn health_until(client: &Client, patience: Duration, wanted: impl Fn(&str) -> bool) {
    let begun = Instant::now();
    loop {
        let (status, _) = health(client).await;
        if wanted(&status) {
            return;
        }
        if begun.elapsed() >= patience {
            let said = ask(client.anonymous().request(reqwest::Method::GET, "/health")).await;
            panic!("health is {status} after {patience:?}: {:?}", said.map(|said| said.text));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A tenant on the largest plan, and its identity provider's client.
pub async fn tenant(process: &Process, slug: &str) -> Client {
    let body = serde_json::json!({"slug": slug, "name": slug, "plan": "enterprise", "identity": {"externalId": format!("org_{slug}")}});
    process.operator.made_tenant(body).await;
    let path = format!("/api/v1/tenants/{slug}/organizations/default/scim-tokens");
    let made = process.operator.post(&path, serde_json::json!({"name": "idp"})).await.expect(201);
    process.operator.with(made["token"].as_str().expect("a token"))
}
