//! The proof that an account is one's own: a code, mailed to the address that the account has. It counts for this account, this
//! connection, this subject, this browser, and for nothing else.

use chrono::TimeDelta;
use entity::directory::user;
use entity::sso::sign_in::Model;
use mail::NewMail;
use platform::crypto::{random, same, sha256};
use platform::{Ctx, Target, Tx, Work};
use serde_json::json;
use web::{Code, Problem, Service};

use super::admission;
use super::arrival::{self, Came, Failed};
use super::connections::Connection;
use super::sign_in::{self, Secrets, Step};
use crate::refusal::{Reason, Refused};
use crate::settings::Profile;

/// How long a code counts.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Six digits: five tries in fifteen minutes, for one who already signed in at the provider.
fn code() -> String {
    let number = u32::from_be_bytes(random()) % 1_000_000;
    format!("{number:06}")
}

fn digest(row: &Model, code: &str) -> Vec<u8> {
    sha256(&[row.id.as_bytes().as_slice(), code.as_bytes()].concat()).to_vec()
}

/// Mails a code and waits for it.
pub(crate) async fn ask(
    tx: &mut Tx,
    service: &Service,
    mut row: Model,
    user: &user::Model,
    profile: &Profile,
) -> Result<Came, Problem> {
    let address =
        user.email.clone().or_else(|| Some(user.user_name.clone()).filter(|name| web::is_email(name)));
    // An account without an address has nowhere to be proven: its directory must link it.
    let Some(address) = address else { return Err(Problem::new(Code::LinkRequired)) };
    let code = code();
    let secrets = Secrets {
        profile: Some(profile.clone()),
        proof_digest: Some(digest(&row, &code)),
        proof_user: Some(user.id),
        oidc: None,
    };
    row.secrets = sign_in::seal(service, row.id, &secrets)?;
    row.status = "proving".to_owned();
    row.expires_at = tx.now() + LIFETIME;
    let step = Step {
        name: Reason::ProofNeeded.name().to_owned(),
        at: tx.now(),
        ok: true,
        expected: None,
        got: None,
        detail: Some(json!({"userId": user.id})),
    };
    sign_in::push(&mut row, step)?;
    let tenant = tenancy::get(tx).await?;
    let values = json!({"tenant": tenant.name, "code": code});
    let mail = NewMail::new("account-proof", &address, row.id.to_string(), values);
    mail::enqueue(tx, service, mail).await?;
    let id = row.id;
    tx.record("sign_in.ask_proof", Target::new("user", user.id).with(json!({"signInId": id})));
    tx.update(row).await?;
    Ok(Came::MustProve(id))
}

/// Takes a code.
pub(crate) async fn answer(
    service: &Service,
    ctx: &Ctx,
    connection: &Connection,
    row: &Model,
    code: &str,
    agent: Option<String>,
) -> Result<Came, Failed> {
    let work = async |tx: &mut Tx| {
        let row = sign_in::find(tx, row.id).await?;
        if row.status != "proving" || row.expires_at <= tx.now() {
            return Err(Problem::new(Code::SsoStateUnknown));
        }
        let secrets = sign_in::open(service, &row)?;
        let (Some(profile), Some(wanted), Some(user)) =
            (secrets.profile, secrets.proof_digest, secrets.proof_user)
        else {
            return Err(Problem::internal("a proof without what it proves"));
        };
        if same(&digest(&row, code.trim()), &wanted) {
            let user = admission::link_proven(tx, connection, user, &profile).await?;
            return arrival::open_session(tx, service, row, &user, &profile, agent.clone()).await.map(Some);
        }
        let row = Model { proof_attempts: row.proof_attempts + 1, ..row };
        tx.record("sign_in.wrong_proof", Target::new("sign_in", row.id));
        tx.update(row).await?;
        Ok(None)
    };
    match service.db.write(ctx, row.tenant_id, work).await {
        Ok(Some(came)) => Ok(came),
        Ok(None) if sign_in::proofs_left(row) > 1 => Err(Failed {
            code: Some(row.code.clone()),
            problem: Problem::new(Code::SsoProofWrong).fact("left", sign_in::proofs_left(row) - 1),
            refused: None,
        }),
        Ok(None) => Err(arrival::fail(service, ctx, row, Refused::new(Reason::ProofWrong)).await),
        Err(problem) => Err(Failed { code: Some(row.code.clone()), problem, refused: None }),
    }
}
