//! Passwords of operators, where `sso.operator_passwords` is on: set by one who came in by a passkey, and good for a sign-in alone.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use entity::operators::states::SignInMethod;
use platform::crypto::{id_of, sha256};
use platform::{PlatformTx, Target};
use serde::Deserialize;
use utoipa::ToSchema;
use web::{Access, Caller, Code, Form, Problem, Routes, Tools};

use super::pages::{login_page, operator_page_of, set_cookie, signed_in};
use crate::ops;
use crate::settings::Settings;

/// NIST SP 800-63B-4, section 3.1.1.2: what is used alone has at least 15 characters.
const CHARACTERS_MIN: usize = 15;
/// Bytes at most.
const BYTES_MAX: usize = 256;
/// A password that nobody has: an address that isn't an operator's takes as long as one that is.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4uLg$3mTqMVIj0bQk0JY7cV0c7bq3n6p3P8T5vXrQm9g8l2E";

pub(super) fn routes() -> Routes {
    let guarded = |route: web::Route| route.counts_failures().body_bytes_max(4 << 10);
    Routes::new()
        .add_with(
            Method::POST,
            "/operator/login",
            Access::Public("the password is the credential"),
            "operator_password_login: Sign an operator in with a password, where passwords are enabled.",
            password_login,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/password",
            Access::Public("the session's cookie is the credential"),
            "set_operator_password: Set or remove the password of the signed-in operator.",
            set_password,
            guarded,
        )
}

fn switched_on(tools: &Tools) -> Result<(), Problem> {
    if tools.config.section::<Settings>().operator_passwords {
        Ok(())
    } else {
        Err(Problem::new(Code::NOT_FOUND))
    }
}

/// The new password; an empty one removes the password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    #[serde(default)]
    password: String,
}

async fn set_password(
    caller: Caller,
    request: HttpRequest,
    Form(input): Form<NewPassword>,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    switched_on(service)?;
    let (session, who) =
        signed_in(service, &request).await?.ok_or_else(|| Problem::new(Code::AUTH_REQUIRED))?;
    if session.method != SignInMethod::Passkey || !web::is_from_own_page(service, &request) {
        let target = Target::new("operator", who.id);
        caller.record_denied(None, "operator.password_set", target).await;
        return Err(Problem::detailed(
            Code::AUTH_INSUFFICIENT,
            "An operator must sign in with a passkey and use the page of this service.",
        ));
    }
    let fits = input.password.chars().count() >= CHARACTERS_MIN && input.password.len() <= BYTES_MAX;
    let hash = match input.password.as_str() {
        "" => None,
        _ if !fits => return operator_page_of(service, StatusCode::BAD_REQUEST, &session, &who, true),
        password => Some(service.secrets.hash_password(who.id, password).await?),
    };
    let work = async |tx: &mut PlatformTx| ops::set_password(tx, who.id, hash.clone()).await;
    service.db.write(&caller.ctx, work).await?;
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "/operator/login")).finish())
}

/// A sign-in with a password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordLogin {
    email: String,
    password: String,
}

async fn password_login(caller: Caller, Form(input): Form<PasswordLogin>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    switched_on(service)?;
    let attempt = async |tx: &mut PlatformTx| ops::attempt(tx, &input.email).await;
    let who = service.db.write(&caller.ctx, attempt).await?;
    let hash = who.as_ref().and_then(|who| who.password_hash.as_deref()).unwrap_or(NOBODYS);
    // Strangers wait in Argon2's queue as operators do: by the address that was given, not by whose it is.
    let account = id_of(&sha256(identity_core::fold(&input.email).as_bytes()));
    let compared = match input.password.len() {
        0..=BYTES_MAX => service.secrets.verify_password(account, &input.password, hash).await,
        _ => Ok(false),
    };
    if let (Err(_), Some(who)) = (&compared, &who) {
        // Argon2 had no place for it: what was not compared was not wrong.
        let take_back = async |tx: &mut PlatformTx| ops::take_back_attempt(tx, who.id).await;
        if let Err(error) = service.db.write(&caller.ctx, take_back).await {
            tracing::warn!(error = %platform::chain(&error), "a successful sign-in is still counted as a failed attempt");
        }
    }
    let fits = compared?;
    let work = async |tx: &mut PlatformTx| match &who {
        Some(who) if fits => ops::enter_by_password(tx, who).await,
        _ => {
            platform::Work::housekeeping(tx);
            Ok(None)
        }
    };
    let opened = service.db.write(&caller.ctx, work).await?;
    let Some((cookie, seconds)) = opened else {
        let target = Target::new("operator", "password");
        caller.record_denied(None, "operator.sign_in", target).await;
        return login_page(service, "password");
    };
    let mut response = HttpResponse::SeeOther().insert_header((header::LOCATION, "/operator/login")).finish();
    set_cookie(service, &mut response, &cookie, seconds);
    Ok(response)
}
