//! A filter becomes the directory's terms. What isn't understood is refused, never answered with an empty list: a client
//! would take that for "there is none" and make duplicates.

use directory::{GroupTerm, UserTerm};
use scim_core::filter::{Filter, Operator};
use scim_core::{ErrorType, Profile, ScimError};
use serde_json::Value;
use uuid::Uuid;

fn unsupported() -> ScimError {
    let detail = "Supported are `eq` and `and` on id, userName, externalId, emails, active (users); \
                  id, displayName, externalId, members (groups).";
    ScimError::new(ErrorType::InvalidFilter, detail)
}

/// `name[.sub] eq value` without a foreign schema.
fn equality(term: &Filter) -> Result<(String, &Value), ScimError> {
    let Filter::Compare(path, Operator::Eq, value) = term else { return Err(unsupported()) };
    let core = path
        .urn
        .as_deref()
        .is_none_or(|urn| urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:schemas:core:2.0:"));
    if !core {
        return Err(unsupported());
    }
    let name = match &path.sub {
        Some(sub) => format!("{}.{sub}", path.name),
        None => path.name.clone(),
    };
    Ok((name.to_ascii_lowercase(), value))
}

fn text(value: &Value) -> Result<String, ScimError> {
    value.as_str().map(ToOwned::to_owned).ok_or_else(unsupported)
}

fn id(value: &Value) -> Result<Option<Uuid>, ScimError> {
    Ok(Uuid::try_parse(&text(value)?).ok())
}

/// Terms over users.
pub(crate) fn users(text_of_filter: &str, profile: Profile) -> Result<Vec<UserTerm>, ScimError> {
    let filter = Filter::parse(text_of_filter, profile)?;
    filter.terms().into_iter().map(user_term).collect()
}

fn user_term(term: &Filter) -> Result<UserTerm, ScimError> {
    if let Filter::Element(path, inner) = term {
        if path.urn.is_some() || !path.name.eq_ignore_ascii_case("emails") {
            return Err(unsupported());
        }
        let (mut kind, mut value) = (None, None);
        for part in inner.terms() {
            match equality(part)? {
                (name, found) if name == "type" => kind = Some(text(found)?),
                (name, found) if name == "value" => value = Some(text(found)?),
                _ => return Err(unsupported()),
            }
        }
        return Ok(UserTerm::Email(kind, value.ok_or_else(unsupported)?));
    }
    let (name, value) = equality(term)?;
    match name.as_str() {
        "id" => Ok(UserTerm::Id(id(value)?)),
        "username" => Ok(UserTerm::UserName(text(value)?)),
        "externalid" => Ok(UserTerm::ExternalId(text(value)?)),
        "emails" | "emails.value" => Ok(UserTerm::Email(None, text(value)?)),
        "active" => match value {
            Value::Bool(active) => Ok(UserTerm::Active(*active)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(UserTerm::Active(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(UserTerm::Active(false)),
            _ => Err(unsupported()),
        },
        _ => Err(unsupported()),
    }
}

/// Terms over groups.
pub(crate) fn groups(text_of_filter: &str, profile: Profile) -> Result<Vec<GroupTerm>, ScimError> {
    let filter = Filter::parse(text_of_filter, profile)?;
    filter.terms().into_iter().map(group_term).collect()
}

fn group_term(term: &Filter) -> Result<GroupTerm, ScimError> {
    if let Filter::Element(path, inner) = term
        && path.urn.is_none()
        && path.name.eq_ignore_ascii_case("members")
        && let (name, value) = equality(inner)?
        && name == "value"
    {
        return Ok(GroupTerm::Member(id(value)?));
    }
    let (name, value) = equality(term)?;
    match name.as_str() {
        "id" => Ok(GroupTerm::Id(id(value)?)),
        "displayname" => Ok(GroupTerm::DisplayName(text(value)?)),
        "externalid" => Ok(GroupTerm::ExternalId(text(value)?)),
        "members" | "members.value" => Ok(GroupTerm::Member(id(value)?)),
        _ => Err(unsupported()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_okta_and_entra_ask_is_understood() {
        let ask = |text: &str| users(text, Profile::Compat).unwrap();
        assert_eq!(ask(r#"userName eq "a@b""#), [UserTerm::UserName("a@b".to_owned())]);
        assert_eq!(ask("externalId eq jyoung"), [UserTerm::ExternalId("jyoung".to_owned())]);
        let work = UserTerm::Email(Some("work".to_owned()), "a@b".to_owned());
        assert_eq!(ask(r#"emails[type eq "work"].value eq "a@b""#), std::slice::from_ref(&work));
        assert_eq!(
            ask(r#"emails[type eq "work" and value eq "a@b"] and active eq true"#),
            [work, UserTerm::Active(true)]
        );
        let nobody = groups(r#"id eq "x" and members eq "y""#, Profile::Compat).unwrap();
        assert_eq!(nobody, [GroupTerm::Id(None), GroupTerm::Member(None)]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            r#"userName co "a""#,
            r#"nickName eq "a""#,
            "not (active eq true)",
            "userName pr",
            r#"a eq "1" or b eq "2""#,
            "title eq null",
        ] {
            assert_eq!(users(text, Profile::Compat).unwrap_err().kind, ErrorType::InvalidFilter, "{text}");
        }
    }
}
