//! What of an OpenID Provider's claims is taken.

use serde_json::{Map, Value};
use url::Url;

use crate::refusal::{Reason, Refused};
use crate::settings::{OidcSettings, Profile};

pub(super) fn lacks(claims: &Map<String, Value>, settings: &OidcSettings) -> bool {
    let mapped =
        settings.attribute_mapping.names().into_iter().filter_map(|(_, name)| name.map(String::as_str));
    mapped.chain(["email", "name"]).any(|name| !claims.contains_key(name))
}

/// What of the claims is taken.
pub fn profile(settings: &OidcSettings, claims: &Map<String, Value>) -> Result<Profile, Refused> {
    let mapping = &settings.attribute_mapping;
    let text =
        |name: &str| claims.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    if let Some(domain) = &settings.hosted_domain
        && text("hd") != Some(domain.as_str())
    {
        let got = text("hd").unwrap_or_default();
        return Err(Refused::new(Reason::HostedDomainWrong).expected(domain.as_str()).got(got));
    }
    let entra = entra_tenant(&settings.issuer);
    if let Some(tenant) = &entra
        && text("tid").is_some_and(|tid| tid != tenant)
    {
        return Err(Refused::new(Reason::TenantIdWrong)
            .expected(tenant.as_str())
            .got(text("tid").unwrap_or_default()));
    }
    // Entra's `sub` differs from client to client; `oid` is the person in their tenant, which the issuer names.
    let by_default = if entra.is_some() && text("oid").is_some() { "oid" } else { "sub" };
    let subject = claims.get(mapping.subject.as_deref().unwrap_or(by_default)).and_then(Value::as_str);
    let subject = subject.unwrap_or_default().to_owned();
    if !identity_core::is_subject(&subject) {
        return Err(Refused::new(Reason::SubjectUnusable).got(subject));
    }
    let email_verified = claims.get("email_verified").or_else(|| claims.get("xms_edov")).and_then(yes_or_no);
    let groups = claims.get(mapping.groups.as_deref().unwrap_or("groups"));
    Ok(Profile {
        subject,
        email: text(mapping.email.as_deref().unwrap_or("email"))
            .filter(|email| identity_core::is_email(email))
            .map(ToOwned::to_owned),
        email_verified,
        name: text(mapping.display_name.as_deref().unwrap_or("name")).map(ToOwned::to_owned),
        groups: groups.and_then(texts),
        upstream_sid: text("sid").map(ToOwned::to_owned),
        session_ends: None,
        logout: None,
    })
}

/// `None`, which is no word about groups, for what is no list of texts: Entra leaves the claim out where there are too many.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(list) => {
            let texts = list.iter().filter_map(|item| item.as_str().map(ToOwned::to_owned));
            Some(texts.take(crate::settings::GROUPS_MAX).collect())
        }
        _ => None,
    }
}

/// The tenant id in an issuer of Entra's.
fn entra_tenant(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let host = url.host_str()?;
    let ours = matches!(
        host,
        "login.microsoftonline.com" | "login.microsoftonline.us" | "login.partner.microsoftonline.cn"
    );
    let tenant = url.path_segments()?.next()?.to_owned();
    ours.then_some(tenant)
}

/// A claim that says yes or no. Some providers say it as a text or a number; only a clear yes is one.
#[must_use]
pub fn yes_or_no(claim: &Value) -> Option<bool> {
    match claim {
        Value::Bool(said) => Some(*said),
        Value::String(said) => Some(said == "true" || said == "1"),
        Value::Number(said) => Some(said.as_i64() == Some(1)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
