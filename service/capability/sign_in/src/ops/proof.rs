//! The proof that an account is one's own: a code, mailed to the address that the account has. It counts for this account, this
//! connection, this subject, this browser, and for nothing else.

use chrono::TimeDelta;
use connections::{Connection, Profile, Reason, Refused};
use directory::{MustProve, Outcome};
use entity::sign_in::attempt::Model;
use identity_core::Proof;
use mail::NewMail;
use platform::crypto::{random, same, sha256};
use platform::rules::{Allowance, Rule};
use platform::{Ctx, Target, Tx, Work};
use serde_json::json;
use uuid::Uuid;
use web::{TenantService, Tools};

use super::account_linking;
use super::outcome::{self, Failed, SignInOutcome};
use super::sign_in::{self, Secrets, Step};
use super::status::Status;
use crate::error::Error;

/// How long a code counts.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Codes that are mailed to one address within a day.
const CODES_PER_DAY: u64 = 5;

/// Six digits: five of them are compared, within fifteen minutes, for one who already signed in at the provider.
fn code() -> String {
    let number = u32::from_be_bytes(random()) % 1_000_000;
    format!("{number:06}")
}

fn digest(row: &Model, code: &str) -> Vec<u8> {
    sha256(&[row.id.as_bytes().as_slice(), code.as_bytes()].concat()).to_vec()
}

fn account(proof: &Proof) -> Option<Uuid> {
    match proof {
        Proof::Account(user) => Some(*user),
        Proof::Invitation(_) => None,
    }
}

fn invitation(proof: &Proof) -> Option<Uuid> {
    match proof {
        Proof::Account(_) => None,
        Proof::Invitation(invitation) => Some(*invitation),
    }
}

/// Mails a code and waits for it.
pub(crate) async fn ask(
    tx: &mut Tx,
    tools: &Tools,
    mut row: Model,
    MustProve { proof, address, .. }: &MustProve,
    profile: &Profile,
) -> Result<SignInOutcome, Error> {
    // Somebody who signed in at the provider could have codes mailed without end, and guess at each.
    let allowance = Allowance::a_day(CODES_PER_DAY);
    let key = directory::fold(address);
    if !tx.spend(Rule::CodeMails, &key, allowance).await? {
        return Err(Error::CodesUsedUp(tx.used_up(Rule::CodeMails, key, allowance).await?));
    }
    let code = code();
    let secrets = Secrets {
        profile: Some(profile.clone()),
        proof_digest: Some(digest(&row, &code)),
        proof_user: account(proof),
        proof_invitation: invitation(proof),
        oidc: None,
    };
    row.secrets = sign_in::seal(tools, row.id, &secrets)?;
    row.status = Status::Proving;
    row.expires_at = tx.now() + LIFETIME;
    let step = Step {
        name: Reason::ProofNeeded.name().to_owned(),
        at: tx.now(),
        ok: true,
        expected: None,
        got: None,
        detail: Some(json!({"userId": account(proof), "invitationId": invitation(proof)})),
    };
    sign_in::push(&mut row, step)?;
    let tenant = tenancy::get(tx).await?;
    let values = json!({"tenant": tenant.name, "code": code});
    let mail = NewMail::new("account-proof", address, row.id.to_string(), values);
    mail::enqueue(tx, tools, mail).await?;
    let id = row.id;
    let target = match proof {
        Proof::Account(user) => Target::new("user", user),
        Proof::Invitation(invitation) => Target::new("invitation", invitation),
    };
    tx.record("sign_in.ask_proof", target.with(json!({"signInId": id})));
    tx.update(row).await?;
    Ok(SignInOutcome::MustProve(id))
}

/// Counts a code before it is compared, in a transaction of its own: of many that come at once, only those that were counted
/// are compared. Answers the row with this one counted.
async fn count(service: &TenantService, ctx: &Ctx, row: &Model) -> Result<Model, Error> {
    let work = async |tx: &mut Tx| {
        let mut row = sign_in::locked(tx, row.id).await?;
        if row.status != Status::Proving || row.expires_at <= tx.now() {
            return Err(Error::StateUnknown);
        }
        if sign_in::proofs_left(&row) == 0 {
            return Err(Error::ProofWrong { left: 0 });
        }
        row.proof_attempts += 1;
        let step = Step {
            name: "proof.compared".to_owned(),
            at: tx.now(),
            ok: true,
            expected: None,
            got: None,
            detail: Some(json!({"number": row.proof_attempts})),
        };
        sign_in::push(&mut row, step)?;
        tx.housekeeping();
        tx.update(row.clone()).await?;
        Ok(row)
    };
    service.db.write(ctx, work).await
}

/// Takes a code.
pub(crate) async fn answer(
    service: &TenantService,
    ctx: &Ctx,
    connection: &Connection,
    row: &Model,
    code: &str,
    agent: Option<String>,
) -> Result<SignInOutcome, Failed> {
    let refused = |error| Failed { code: Some(row.code.clone()), error, refused: None };
    let row = count(service, ctx, row).await.map_err(refused)?;
    let secrets = sign_in::open(service, &row).map_err(refused)?;
    let by_account = secrets.proof_user.map(Proof::Account);
    let proof = by_account.or(secrets.proof_invitation.map(Proof::Invitation));
    let (Some(profile), Some(wanted), Some(proof)) = (secrets.profile, secrets.proof_digest, proof) else {
        return Err(refused(Error::internal("a proof without what it proves")));
    };
    let right = same(&digest(&row, code.trim()), &wanted);
    let work = async |tx: &mut Tx| {
        if !right {
            let target = Target::new("sign_in", row.id).with(json!({
                "organizationId": row.organization_id, "code": Error::ProofWrong { left: sign_in::proofs_left(&row) }.code_name(),
            }));
            tx.record_refused("sign_in.wrong_proof", target);
            return Ok(None);
        }
        let row = sign_in::locked(tx, row.id).await?;
        if row.status != Status::Proving {
            return Err(Error::StateUnknown);
        }
        match account_linking::admit(tx, connection, &profile, Some(proof)).await? {
            Outcome::In(admitted) => {
                outcome::open_session(tx, service, row, &admitted, &profile, agent.clone()).await.map(Some)
            }
            // What was proven is not enough any more: the connection was pointed elsewhere meanwhile, or the account is another one.
            Outcome::MustProve(..) => Err(Error::StateUnknown),
        }
    };
    match directory::again_after_race(Error::is_race, async || service.db.write(ctx, work).await).await {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) if sign_in::proofs_left(&row) > 0 => {
            Err(refused(Error::ProofWrong { left: sign_in::proofs_left(&row) }))
        }
        Ok(None) => Err(outcome::fail(service, ctx, &row, Refused::new(Reason::ProofWrong)).await),
        Err(error) => Err(outcome::refused_or_not(service, ctx, &row, error).await),
    }
}
