//! Mail that tells a person where they can sign in: only who reads the address' mail learns it.

use mail::NewMail;
use platform::Tx;
use serde_json::json;
use uuid::Uuid;
use web::{Caller, Problem};

use crate::ops::discovery;

/// Sends one mail for each tenant in which somebody has this address. Asked again within a minute, it sends nothing more.
pub(super) async fn send(caller: &Caller, email: &str, waiting: Option<Uuid>) -> Result<(), Problem> {
    let service = &caller.service;
    for tenant in discovery::tenants_of_address(service, email).await? {
        let work = async |tx: &mut Tx| {
            let row = tenancy::active(tx).await?;
            let request = waiting.map_or(String::new(), |id| format!("&request={id}"));
            let link = format!(
                "{}/login?tenant={}&login_hint={}{request}",
                service.config.public_url(),
                row.slug,
                url::form_urlencoded::byte_serialize(email.as_bytes()).collect::<String>(),
            );
            let minute = tx.now().timestamp() / 60;
            let values = json!({"link": link});
            let mail = NewMail::new("sign-in-link", email, minute.to_string(), values);
            platform::Work::record(tx, "sign_in.mail_link", platform::Target::new("tenant", row.id));
            mail::enqueue(tx, service, mail).await
        };
        service.db.write(&caller.ctx, tenant, work).await?;
    }
    Ok(())
}
