//! What comes back from identity providers: `/sso/oidc/{connection}/…` and `/sso/saml/{connection}/…`.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use connections::{
    Connection, Kind, OidcSettings, Profile, Reason, Refused, Upstream, of_path, profile_of_assertion, saml,
};
use entity::ids::OrganizationId;
use entity::sessions::browser_session;
use entity::sign_in::attempt as row;
use platform::View;
use saml_core::{Reason as SamlReason, Refusal};
use serde_json::json;
use uuid::Uuid;
use web::{Access, Caller, Code, FormText, Ids, Problem, Routes, Shared, TenantCaller, Tools};

use super::browser::{self, Failed, Jar};
use crate::codes;
use crate::error::Error;
use crate::ops::authorize::Continues;
use crate::ops::outcome::{self, Onward, SignInOutcome, SignedIn};
use crate::ops::parameters::{self, Parameters};
use crate::ops::sign_in::{self, Secrets};
use crate::ops::status::Status;
use crate::ops::{once, proof};

/// Bytes of a response in a form: 256 KB in base64, percent-encoded at worst.
pub const RESPONSE_BYTES_MAX: usize = 512 << 10;

pub(super) fn routes() -> Routes {
    let provider = Access::Public("an identity provider answers through the browser; its answer is verified");
    let proof = Access::Public("the browser that began the sign-in proves an account with a mailed code");
    let sp = Access::Public("identity providers read it before they know anything");
    let answer = |route: web::Route| route.counts_failures_of_sign_ins().body_bytes_max(RESPONSE_BYTES_MAX);
    Routes::new()
        .add_with(
            Method::GET,
            "/sso/oidc/{connection}/callback",
            provider,
            "oidc_callback: Receive an OpenID Provider's authorization response.",
            oidc_callback,
            answer,
        )
        .add(
            Method::GET,
            "/sso/saml/{connection}/metadata",
            sp,
            "saml_metadata: Get the SAML service provider metadata of a connection.",
            saml_metadata,
        )
        .add_with(
            Method::POST,
            "/sso/saml/{connection}/acs",
            provider,
            "saml_acs: Receive a SAML response (assertion consumer service).",
            saml_acs,
            answer,
        )
        .add_with(
            Method::GET,
            "/sso/saml/{connection}/continue",
            provider,
            "saml_continue: Continue after a SAML response, in the browser that began the sign-in.",
            saml_continue,
            answer,
        )
        .add_with(
            Method::POST,
            "/sso/proof",
            proof,
            "prove_account: Prove ownership of an account with a code that was sent by mail.",
            prove_account,
            |route| route.counts_failures().body_bytes_max(16 << 10),
        )
}

pub(super) fn page(result: Result<HttpResponse, Failed>) -> Result<HttpResponse, Problem> {
    match result {
        Ok(response) => Ok(response),
        Err(failed) => browser::failed(failed),
    }
}

async fn oidc_callback(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    page(take_oidc(&caller, &ids, &request, &upstream).await)
}

async fn take_oidc(
    caller: &TenantCaller,
    ids: &Ids,
    request: &HttpRequest,
    upstream: &Upstream,
) -> Result<HttpResponse, Failed> {
    let service = caller.service();
    let connection = of_path(caller, ids).await?;
    let Kind::Oidc(settings) = connection.kind.clone() else {
        return Err(Problem::new(Code::NOT_FOUND).into());
    };
    let parameters = parameters::read(request.query_string())?;
    let state = parameters.get("state").map_or("", String::as_str);
    let row = own_row(caller, request, &connection, state).await?;
    match oidc_profile(service, upstream, &connection, &settings, &row, &parameters).await {
        Ok(profile) => complete(caller, request, &connection, &row, profile).await,
        Err(refused) => Err(outcome::fail_unproven(service, &caller.ctx, &row, refused).await.into()),
    }
}

/// The row that an answer names, if this browser began it. It is used up either way: whoever sends somebody else's answer
/// doesn't leave it to be tried again.
async fn own_row(
    caller: &TenantCaller,
    request: &HttpRequest,
    connection: &Connection,
    state: &str,
) -> Result<row::Model, Failed> {
    let service = caller.service();
    let row = answered(caller, request, connection, state).await?;
    if sign_in::same_browser(&row, Jar::Browser.get(service, request).as_deref()) {
        return Ok(row);
    }
    Err(outcome::fail_unproven(service, &caller.ctx, &row, Refused::new(Reason::BrowserOther)).await.into())
}

/// The row that an answer names, used up by it.
async fn answered(
    caller: &TenantCaller,
    request: &HttpRequest,
    connection: &Connection,
    state: &str,
) -> Result<row::Model, Failed> {
    match sign_in::take(caller.service(), connection.row.id, state).await {
        Err(Error::StateUnknown) => {
            Err(stray(caller, request, connection, Refused::new(Reason::StateUnknown)).await)
        }
        taken => Ok(taken?),
    }
}

/// Refuses what answers no sign-in under way, with a trace of its own: support is asked about these too.
async fn stray(
    caller: &TenantCaller,
    request: &HttpRequest,
    connection: &Connection,
    refused: Refused,
) -> Failed {
    let service = caller.service();
    if !service.strangers.may_leave_trace(&caller.ctx) {
        return outcome::Failed::untraced(refused).into();
    }
    let (browser, _) = sign_in::browser_cookie(Jar::Browser.get(service, request).as_deref());
    match begun_here(caller, connection, &browser).await {
        Ok(row) => outcome::fail(service, &caller.ctx, &row, refused).await.into(),
        Err(problem) => problem.into(),
    }
}

/// A row for an answer to no request, as far as strangers may begin one more.
async fn begun_here(
    caller: &TenantCaller,
    connection: &Connection,
    browser: &str,
) -> Result<row::Model, Problem> {
    caller.tools().strangers.begin(&caller.ctx, sign_in::begun_bytes(&Continues::Home)?)?;
    Ok(sign_in::unsolicited(caller.service(), &caller.ctx, connection, browser).await?)
}

async fn oidc_profile(
    tools: &Tools,
    upstream: &Upstream,
    connection: &Connection,
    settings: &OidcSettings,
    row: &row::Model,
    parameters: &Parameters,
) -> Result<Profile, Refused> {
    // Whose answer it is comes before what it says (RFC 9207, section 2.4).
    let iss = parameters.get("iss").map(String::as_str);
    upstream.providers.check_iss(tools, connection, settings, iss).await?;
    if let Some(error) = parameters.get("error") {
        let description = parameters.get("error_description").cloned().unwrap_or_default();
        return Err(Refused::new(Reason::ProviderError).got(format!("{error} {description}")));
    }
    let code = parameters.get("code").ok_or_else(|| Refused::new(Reason::CodeMissing))?;
    let internal = || Refused::new(Reason::Internal);
    let secrets = sign_in::open(tools, row).map_err(|_| internal())?;
    let secrets = secrets.oidc.ok_or_else(internal)?;
    let secret = connections::client_secret(tools, connection).map_err(|_| internal())?;
    upstream.providers.finish(tools, connection, settings, secret.as_deref(), code.clone(), secrets).await
}

async fn complete(
    caller: &TenantCaller,
    request: &HttpRequest,
    connection: &Connection,
    row: &row::Model,
    profile: Profile,
) -> Result<HttpResponse, Failed> {
    let agent = browser::agent(request);
    let outcome = outcome::complete(caller.service(), &caller.ctx, connection, row, profile, agent).await?;
    respond(caller, request, row, outcome).await
}

/// Where the browser goes now that it is known who is there.
async fn respond(
    caller: &TenantCaller,
    request: &HttpRequest,
    row: &row::Model,
    outcome: SignInOutcome,
) -> Result<HttpResponse, Failed> {
    let service = caller.service();
    match outcome {
        SignInOutcome::Tested(profile) => {
            let values = json!({"profile": *profile, "code": row.code});
            Ok(browser::html(StatusCode::OK, "test_result.html", &values)?)
        }
        SignInOutcome::MustProve(id) => {
            let values = json!({"id": id, "tenant": row.tenant_id, "wrong": false});
            Ok(browser::html(StatusCode::OK, "proof.html", &values)?)
        }
        SignInOutcome::In(signed_in) => {
            let SignedIn { session, cookie, tenant, onward } = *signed_in;
            let mut response = match onward {
                Onward::Module(asked, code) => {
                    let fields = asked.success(code);
                    if asked.form_post {
                        browser::post(&asked.redirect_uri, &fields)?
                    } else {
                        browser::redirect(&asked.url(&fields))
                    }
                }
                Onward::Here { name } => signed_in_page(&tenant.name, &name)?,
            };
            let seconds = browser::seconds_until(service, session.expires_at);
            Jar::Session.set(service, &mut response, &cookie, seconds);
            remember_tenant(service, request, &mut response, &tenant.slug);
            Ok(response)
        }
    }
}

/// Puts the tenant in front of those that this browser's chooser shows.
fn remember_tenant(tools: &Tools, request: &HttpRequest, response: &mut HttpResponse, slug: &str) {
    let known = Jar::Tenants.get(tools, request).unwrap_or_default();
    let others = known.split('.').filter(|other| web::is_slug(other) && *other != slug).take(4);
    let all: Vec<&str> = std::iter::once(slug).chain(others).collect();
    Jar::Tenants.set(tools, response, &all.join("."), 180 * 86_400);
}

/// Who is signed in here.
pub(super) async fn signed_in(
    caller: &TenantCaller,
    session: &browser_session::Model,
) -> Result<HttpResponse, Problem> {
    let find = async |view: &View| {
        let user = directory::user(view, OrganizationId(session.organization_id), session.user_id).await?;
        Ok::<_, Problem>((tenancy::get(view).await?, user))
    };
    let (tenant, user) = caller.read(find).await?;
    signed_in_page(&tenant.name, user.as_ref().map(directory::name_of).unwrap_or_default())
}

fn signed_in_page(tenant: &str, name: &str) -> Result<HttpResponse, Problem> {
    browser::html(StatusCode::OK, "signed_in.html", &json!({"tenant": tenant, "name": name}))
}

async fn saml_metadata(
    caller: TenantCaller,
    ids: Ids,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let connection = of_path(&caller, &ids).await?;
    if !matches!(connection.kind, Kind::Saml(..)) {
        return Err(Problem::new(Code::NOT_FOUND));
    }
    let xml = saml::metadata(caller.service(), &upstream.saml, &connection.row).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/samlmetadata+xml")
        .insert_header((header::CONTENT_DISPOSITION, "inline; filename=\"metadata.xml\""))
        .body(xml))
}

async fn saml_acs(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    page(take_saml(&caller, &ids, &request, &form, &upstream).await)
}

/// One parameter of a form that may be long; twice is never.
///
/// # Errors
/// [`Problem`]: it came twice.
pub fn long_parameter(form: &str, name: &str) -> Result<Option<String>, Problem> {
    let mut found = url::form_urlencoded::parse(form.as_bytes()).filter(|(one, _)| one == name);
    match (found.next(), found.next()) {
        (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
        _ => Err(Problem::detailed(Code::VALIDATION_FAILED, "A parameter was sent more than once.")),
    }
}

async fn take_saml(
    caller: &TenantCaller,
    ids: &Ids,
    request: &HttpRequest,
    form: &str,
    upstream: &Upstream,
) -> Result<HttpResponse, Failed> {
    let service = caller.service();
    let connection = of_path(caller, ids).await?;
    let Kind::Saml(settings, known) = &connection.kind else {
        return Err(Problem::new(Code::NOT_FOUND).into());
    };
    let encoded = long_parameter(form, "SAMLResponse")?
        .ok_or_else(|| Problem::detailed(Code::VALIDATION_FAILED, "SAMLResponse is missing."))?;
    // Which request it claims to answer is read without trust, only to find the attempt in whose trace the rest is written.
    let read = saml_core::from_post(&encoded)
        .and_then(|xml| saml_core::claimed_request(&xml).map(|claimed| (xml, claimed)));
    let (xml, claimed) = match read {
        Ok(read) => read,
        Err(refusal) => return Err(stray(caller, request, &connection, refusal.into()).await),
    };
    let (row, fresh_browser) = match &claimed {
        Some(request_id) => (answered(caller, request, &connection, request_id).await?, None),
        None => unsolicited(caller, request, &connection, settings.allow_idp_initiated).await?,
    };
    let provider = (settings, known.as_ref());
    let accepted =
        saml::accept(service, &upstream.saml, &connection, provider, &xml, claimed.as_deref()).await;
    let profile = match &accepted {
        Ok(accepted) => profile_of_assertion(&settings.attribute_mapping, accepted),
        Err(refused) => Err(refused.clone()),
    };
    let (accepted, profile) = match (accepted, profile) {
        (Ok(accepted), Ok(profile)) => (accepted, profile),
        (Err(refused), _) | (_, Err(refused)) => {
            return Err(outcome::fail_unproven(service, &caller.ctx, &row, refused).await.into());
        }
    };
    let store = async |tx: &mut platform::Tx| {
        platform::Work::housekeeping(tx);
        // The index decides, not a cache: of two replicas that get the same assertion, one takes it.
        if !once::take_once(tx, connection.row.id, &accepted.assertion_id, accepted.replay_until).await? {
            return Ok(false);
        }
        let mut row = sign_in::locked(tx, row.id).await?;
        if row.status != Status::Answered {
            return Err(Error::StateUnknown);
        }
        let secrets = Secrets { profile: Some(profile.clone()), ..Secrets::default() };
        row.secrets = sign_in::seal(service, row.id, &secrets)?;
        tx.update(row).await?;
        Ok::<_, Error>(true)
    };
    if !caller.write(store).await? {
        let refused = Refused::new(Reason::ReplayedAssertion);
        return Err(outcome::fail_unproven(service, &caller.ctx, &row, refused).await.into());
    }
    // The provider's form came from another site, without our cookies; the browser's next step has them.
    let mut response =
        browser::redirect(&format!("/sso/saml/{}/continue?sign_in={}", connection.row.id, row.id));
    if let Some(cookie) = fresh_browser {
        Jar::Browser.set(service, &mut response, &cookie, 600);
    }
    Ok(response)
}

/// A row for an answer to no request, where the connection allows one.
async fn unsolicited(
    caller: &TenantCaller,
    request: &HttpRequest,
    connection: &Connection,
    allowed: bool,
) -> Result<(row::Model, Option<String>), Failed> {
    if !allowed {
        let refused = Refused::from(Refusal::new(SamlReason::Unsolicited));
        return Err(stray(caller, request, connection, refused).await);
    }
    let (browser, _) = sign_in::browser_cookie(Jar::Browser.get(caller.tools(), request).as_deref());
    let row = begun_here(caller, connection, &browser).await?;
    Ok((row, Some(browser)))
}

async fn saml_continue(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    page(go_on(&caller, &ids, &request).await)
}

async fn go_on(caller: &TenantCaller, ids: &Ids, request: &HttpRequest) -> Result<HttpResponse, Failed> {
    let service = caller.service();
    let connection = of_path(caller, ids).await?;
    let parameters = parameters::read(request.query_string())?;
    let id = parameters.get("sign_in").and_then(|id| Uuid::try_parse(id).ok()).ok_or(Error::StateUnknown)?;
    let row = caller.read(async |view: &View| sign_in::find(view, id).await).await?;
    let now = caller.now();
    let fits =
        row.connection_id == connection.row.id && row.status == Status::Answered && row.expires_at > now;
    if !fits {
        return Err(Error::StateUnknown.into());
    }
    if !sign_in::same_browser(&row, Jar::Browser.get(service, request).as_deref()) {
        let refused = Refused::new(Reason::BrowserOther);
        return Err(outcome::fail_unproven(service, &caller.ctx, &row, refused).await.into());
    }
    let profile = sign_in::open(service, &row)?.profile.ok_or(Error::StateUnknown)?;
    complete(caller, request, &connection, &row, profile).await
}

async fn prove_account(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
) -> Result<HttpResponse, Problem> {
    let parameters = parameters::read(&form)?;
    let id = |name: &str| parameters.get(name).and_then(|id| Uuid::try_parse(id).ok());
    let (Some(tenant), Some(id)) = (id("tenant"), id("id")) else {
        return browser::refusal(Error::StateUnknown);
    };
    let caller = caller.within(tenant);
    let service = caller.service();
    let row = match caller.read(async |view: &View| sign_in::find(view, id).await).await {
        Ok(row) => row,
        Err(error) => return browser::refusal(error),
    };
    if !sign_in::same_browser(&row, Jar::Browser.get(service, &request).as_deref()) {
        return browser::refusal(Problem::new(codes::SSO_BROWSER_OTHER));
    }
    let connection = sign_in::connection_of(service, &row).await?;
    let code = parameters.get("code").map(String::as_str).unwrap_or_default();
    let agent = browser::agent(&request);
    match proof::answer(service, &caller.ctx, &connection, &row, code, agent).await {
        Ok(outcome) => page(respond(&caller, &request, &row, outcome).await),
        Err(failed) if matches!(failed.error, Error::ProofWrong { .. }) && failed.refused.is_none() => {
            let values = json!({"id": row.id, "tenant": row.tenant_id, "wrong": true});
            browser::html(StatusCode::FORBIDDEN, "proof.html", &values)
        }
        Err(failed) => browser::failed(failed.into()),
    }
}
