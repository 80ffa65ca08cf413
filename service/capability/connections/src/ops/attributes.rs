//! What of an assertion's attributes is taken.

use std::collections::BTreeSet;

use saml_core::Accepted;

use crate::refusal::{Reason, Refused};
use crate::settings::{AttributeMapping, GROUPS_MAX, Profile};

/// Names under which providers say an address, a name, groups; the first that is there counts.
const EMAIL: [&str; 5] = [
    "email",
    "mail",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
];
const NAME: [&str; 6] = [
    "displayName",
    "name",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "cn",
];
const GROUPS: [&str; 5] = [
    "groups",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
    "http://schemas.xmlsoap.org/claims/Group",
    "memberOf",
    "Role",
];

/// What of an assertion is taken.
pub fn profile(mapping: &AttributeMapping, accepted: &Accepted) -> Result<Profile, Refused> {
    let exact = |mapped: &Option<String>, usual: &[&str]| -> Vec<String> {
        let found = match mapped {
            Some(name) => accepted.attributes.get(name),
            None => usual.iter().find_map(|name| accepted.attributes.get(*name)),
        };
        found.cloned().unwrap_or_default()
    };
    let said = |mapped: &Option<String>, usual: &[&str]| match mapped {
        Some(name) => accepted.attributes.contains_key(name),
        None => usual.iter().any(|name| accepted.attributes.contains_key(*name)),
    };
    let values = |mapped: &Option<String>, usual: &[&str]| -> Vec<String> {
        let all: BTreeSet<String> =
            exact(mapped, usual).iter().map(|value| value.trim().to_owned()).collect();
        all.into_iter().collect()
    };
    let only = |found: Vec<String>| -> Result<Option<String>, Refused> {
        let mut found = found.into_iter().filter(|value| !value.is_empty());
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            (Some(first), Some(second)) => {
                Err(Refused::new(Reason::AttributeAmbiguous).got(format!("{first} {second}")))
            }
            (None, Some(_)) => Ok(None),
        }
    };
    let one = |mapped: &Option<String>, usual: &[&str]| only(values(mapped, usual));
    let subject = match &mapping.subject {
        // Byte for byte, as the NameID is.
        Some(_) => only(exact(&mapping.subject, &[]))?,
        None if saml_core::is_transient(accepted.name_id_format.as_deref()) => None,
        None => Some(accepted.name_id.clone()),
    };
    let subject = subject.ok_or_else(|| {
        Refused::new(Reason::SubjectUnusable)
            .expected("a NameID that lasts, or attributeMapping.subject")
            .got(accepted.name_id_format.clone().unwrap_or_default())
    })?;
    if !identity_core::is_subject(&subject) {
        return Err(Refused::new(Reason::SubjectUnusable).got(subject));
    }
    let named = Some(accepted.name_id.clone()).filter(|name| identity_core::is_email(name));
    let email = one(&mapping.email, &EMAIL)?.or(named).filter(|email| identity_core::is_email(email));
    Ok(Profile {
        subject,
        email,
        email_verified: None,
        name: one(&mapping.display_name, &NAME)?,
        groups: said(&mapping.groups, &GROUPS)
            .then(|| values(&mapping.groups, &GROUPS).into_iter().take(GROUPS_MAX).collect()),
        upstream_sid: accepted.session_index.clone(),
        session_ends: accepted.session_not_on_or_after,
        logout: Some(name_id_text(&accepted.name_id, accepted.name_id_format.as_deref())),
    })
}

fn name_id_text(name_id: &str, format: Option<&str>) -> String {
    serde_json::json!({"nameId": name_id, "format": format}).to_string()
}
