//! The pages on which operators enrol a passkey, sign in by it or by a recovery code, and sign out.

use crate::settings::Settings;
use crate::{ops, pages, passkeys, sessions};
use actix_web::cookie::SameSite;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use entity::operators::operator::Model;
use entity::operators::operator_session;
use entity::operators::states::SignInMethod;
use platform::crypto::random;
use platform::{PlatformTx, PlatformView};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Body, Caller, Code, Form, Input, PlatformService, Problem, Query, Routes, Tools};

/// What a begun ceremony takes in the store, about.
const CEREMONY_BYTES: usize = 1024;
pub(super) fn routes() -> Routes {
    let link = Access::Public("the enrolment link's token is the credential");
    let passkey = Access::Public("the passkey, or a recovery code, is the credential");
    let guarded = |route: web::Route| route.counts_failures().body_bytes_max(64 << 10);
    Routes::new()
        .add_with(
            Method::GET,
            "/operator/enroll",
            link,
            "enroll_page: Show the page where an operator enrols a passkey.",
            enroll_page,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/enroll/begin",
            link,
            "begin_enrollment: Begin the enrolment of a passkey.",
            begin_enrollment,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/enroll/finish",
            link,
            "finish_enrollment: Finish the enrolment of a passkey.",
            finish_enrollment,
            guarded,
        )
        .add_with(
            Method::GET,
            "/operator/login",
            passkey,
            "operator_page: Show the operators' sign-in page, or who is signed in.",
            operator_page,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/login/begin",
            passkey,
            "begin_operator_login: Begin an operator's sign-in with a passkey.",
            begin_login,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/login/finish",
            passkey,
            "finish_operator_login: Finish an operator's sign-in with a passkey.",
            finish_login,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/recover",
            passkey,
            "recover_operator: Sign an operator in with a recovery code.",
            recover,
            guarded,
        )
        .add_with(
            Method::POST,
            "/operator/logout",
            passkey,
            "operator_logout: Sign an operator out.",
            logout,
            guarded,
        )
}

pub(super) fn set_cookie(tools: &Tools, response: &mut HttpResponse, value: &str, seconds: i64) {
    let cookie = (web::operator_cookie(tools), value);
    web::set_cookie(tools, response, cookie, SameSite::Strict, seconds);
}

/// Which enrolment.
#[derive(Debug, Deserialize)]
pub(crate) struct WithToken {
    #[serde(default)]
    token: String,
}

impl Input for WithToken {}

fn gone() -> Problem {
    Problem::detailed(Code::INVITATION_GONE, "The link was already used or has expired: ask for a new one.")
}

async fn enrolling(service: &PlatformService, token: &str) -> Result<Model, Problem> {
    let find = async |view: &PlatformView| ops::by_enrollment(view, token).await;
    service.db.read(find).await?.ok_or_else(gone)
}

async fn enroll_page(caller: Caller, Query(query): Query<WithToken>) -> Result<HttpResponse, Problem> {
    match enrolling(caller.platform(), &query.token).await {
        Ok(row) => {
            let values = json!({"name": row.name, "email": row.email, "token": query.token});
            Ok(pages::enroll(&values)?)
        }
        Err(problem) => Ok(::pages::refusal(&problem, &problem.detail)?),
    }
}

/// The enrolment of a passkey.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Enrollment {
    /// The token from the enrolment link.
    token: String,
    /// The id of the WebAuthn ceremony, as returned when it began.
    ceremony: Option<Uuid>,
    /// The WebAuthn credential that the browser created.
    #[schema(value_type = Option<Object>)]
    credential: Option<Value>,
    name: Option<String>,
}

impl Input for Enrollment {}

async fn begin_enrollment(caller: Caller, Body(input): Body<Enrollment>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let who = enrolling(service, &input.token).await?;
    let work = async |tx: &mut PlatformTx| passkeys::begin_registration(tx, service, &who).await;
    let (ceremony, options) = service.db.write(&caller.ctx, work).await?;
    Ok(HttpResponse::Ok().json(json!({"ceremony": ceremony, "options": options})))
}

async fn finish_enrollment(caller: Caller, Body(input): Body<Enrollment>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let credential = serde_json::from_value(input.credential.unwrap_or_default())
        .map_err(|_| Problem::invalid("/credential", "must be a credential"))?;
    let ceremony = input.ceremony.ok_or_else(|| Problem::invalid("/ceremony", "is required"))?;
    let name = input.name.as_deref().map(str::trim).filter(|name| !name.is_empty() && name.len() <= 200);
    let work = async |tx: &mut PlatformTx| {
        let who = ops::enrolling(tx, &input.token).await?.ok_or_else(gone)?;
        passkeys::finish_registration(tx, service, &who, ceremony, &credential, name.unwrap_or("Passkey"))
            .await?;
        let (codes, digests) = ops::recovery_codes(who.id);
        let id = who.id;
        let used = Model {
            enrollment_digest: None,
            enrollment_expires_at: None,
            recovery_codes: digests,
            version: who.version + 1,
            ..who
        };
        tx.update(used).await?;
        let (cookie, seconds) = sessions::open(tx, id, SignInMethod::Passkey).await?;
        Ok::<_, Problem>((codes, cookie, seconds))
    };
    let (codes, cookie, seconds) = service.db.write(&caller.ctx, work).await?;
    let mut response = HttpResponse::Ok().json(json!({"recoveryCodes": codes}));
    set_cookie(service, &mut response, &cookie, seconds);
    Ok(response)
}

/// The operator of the request's cookie, and the session.
pub(super) async fn signed_in(
    service: &PlatformService,
    request: &HttpRequest,
) -> Result<Option<(operator_session::Model, Model)>, Problem> {
    let Some(cookie) = request.cookie(&web::operator_cookie(service)) else { return Ok(None) };
    let find = async |view: &PlatformView| match sessions::find(view, cookie.value()).await? {
        Some(session) => {
            let who = ops::find(view, session.operator_id).await?;
            Ok(who.filter(|who| who.disabled_at.is_none()).map(|who| (session, who)))
        }
        None => Ok(None),
    };
    service.db.read(find).await
}

async fn operator_page(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    match signed_in(service, &request).await? {
        Some((session, who)) => operator_page_of(service, StatusCode::OK, &session, &who, false),
        None => login_page(service, ""),
    }
}

/// The page of one who is signed in.
pub(super) fn operator_page_of(
    tools: &Tools,
    status: StatusCode,
    session: &operator_session::Model,
    who: &Model,
    wrong: bool,
) -> Result<HttpResponse, Problem> {
    let may_set =
        tools.config.section::<Settings>().operator_passwords && session.method == SignInMethod::Passkey;
    let values = json!({"name": who.name, "role": who.role, "email": who.email, "wrong": wrong,
        "may_set_password": may_set, "has_password": who.password_hash.is_some()});
    Ok(pages::operator(status, &values)?)
}

/// The page on which operators sign in; `wrong` is what wasn't taken.
pub(super) fn login_page(tools: &Tools, wrong: &str) -> Result<HttpResponse, Problem> {
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let passwords = tools.config.section::<Settings>().operator_passwords;
    Ok(pages::login(status, &json!({"wrong": wrong, "passwords": passwords}))?)
}

/// A sign-in with a passkey.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    email: Option<String>,
    /// The id of the WebAuthn ceremony, as returned when it began.
    ceremony: Option<Uuid>,
    /// The WebAuthn assertion from the browser.
    #[schema(value_type = Option<Object>)]
    credential: Option<Value>,
}

impl Input for Login {}

async fn begin_login(caller: Caller, Body(input): Body<Login>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let email = input.email.unwrap_or_default();
    service.strangers.begin(&caller.ctx, CEREMONY_BYTES)?;
    // Whose address isn't an operator's gets a challenge of the same shape, which nothing answers.
    let instead = decoy(service, &email)?;
    let work = async |tx: &mut PlatformTx| {
        let begun = match ops::by_email(tx, &email).await? {
            Some(who) => passkeys::begin_authentication(tx, service, &who).await?,
            None => None,
        };
        match begun {
            Some(begun) => Ok(begun),
            None => Ok((passkeys::begin_nothing(tx, service).await?, instead.clone())),
        }
    };
    let (ceremony, options) = service.db.write::<_, Problem>(&caller.ctx, work).await?;
    Ok(HttpResponse::Ok().json(json!({"ceremony": ceremony, "options": options})))
}

fn decoy(tools: &Tools, email: &str) -> Result<Value, Problem> {
    let url = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let origin = url::Url::parse(&tools.config.public_url()).map_err(Problem::internal)?;
    // The same address, the same credential id, or asking twice would tell.
    let secret = tools.envelope.mark("operator decoy", identity_core::fold(email).as_bytes());
    Ok(json!({"publicKey": {
        "challenge": url(&random::<32>()), "timeout": 300_000, "rpId": origin.host_str(),
        "allowCredentials": [{"type": "public-key", "id": url(&secret)}], "userVerification": "required",
    }}))
}

async fn finish_login(caller: Caller, Body(input): Body<Login>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let credential = serde_json::from_value(input.credential.unwrap_or_default())
        .map_err(|_| Problem::invalid("/credential", "must be a credential"))?;
    let ceremony = input.ceremony.ok_or_else(|| Problem::invalid("/ceremony", "is required"))?;
    let work = async |tx: &mut PlatformTx| {
        let operator = passkeys::finish_authentication(tx, service, ceremony, &credential).await?;
        let who = ops::find(tx, operator).await?;
        if who.is_none_or(|who| who.disabled_at.is_some()) {
            return Err(Problem::new(Code::AUTH_INVALID));
        }
        Ok::<_, Problem>(sessions::open(tx, operator, SignInMethod::Passkey).await?)
    };
    let (cookie, seconds) = service.db.write(&caller.ctx, work).await?;
    let mut response = HttpResponse::NoContent().finish();
    set_cookie(service, &mut response, &cookie, seconds);
    Ok(response)
}

/// A sign-in with a recovery code.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Recovery {
    email: String,
    code: String,
}

async fn recover(caller: Caller, Form(input): Form<Recovery>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let work = async |tx: &mut PlatformTx| match ops::recover(tx, &input.email, &input.code).await? {
        Some(who) => Ok(Some(sessions::open(tx, who.id, SignInMethod::RecoveryCode).await?)),
        None => Ok::<_, Problem>(None),
    };
    match service.db.write(&caller.ctx, work).await? {
        Some((cookie, seconds)) => {
            let mut response =
                HttpResponse::SeeOther().insert_header((header::LOCATION, "/operator/login")).finish();
            set_cookie(service, &mut response, &cookie, seconds);
            Ok(response)
        }
        None => {
            let target = platform::Target::new("operator", "recovery");
            caller.record_denied(None, "operator.recover", target).await;
            login_page(service, "recovery code")
        }
    }
}

async fn logout(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    if let Some(cookie) = request.cookie(&web::operator_cookie(service)) {
        let work = async |tx: &mut PlatformTx| sessions::end(tx, cookie.value()).await;
        service.db.write(&caller.ctx, work).await?;
    }
    let mut response = HttpResponse::SeeOther().insert_header((header::LOCATION, "/operator/login")).finish();
    set_cookie(service, &mut response, "", 0);
    Ok(response)
}
