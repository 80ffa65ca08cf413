//! PATCH paths (RFC 7644, section 3.5.2):
//! `attr`, `attr.sub`, `attr[filter]`, `attr[filter].sub`, each with or without a schema's URN in front.

pub use crate::attribute::AttributePath;
use crate::attribute::is_name;
use crate::filter::{self, Filter};
use crate::{ErrorType, Profile, ScimError};

/// A PATCH path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute. Its `sub` is what stands behind the filter, if there is one.
    pub attribute: AttributePath,
    /// Which values are meant.
    pub filter: Option<Filter>,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// `invalidPath`; `invalidFilter` for what stands in the brackets.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, ScimError> {
        let invalid = || ScimError::new(ErrorType::InvalidPath, "The path is not valid.");
        let text = text.trim();
        if text.len() > filter::LENGTH_MAX {
            return Err(invalid());
        }
        let Some((before, rest)) = text.split_once('[') else {
            let attribute = AttributePath::parse(text).ok_or_else(invalid)?;
            return Ok(Self { attribute, filter: None });
        };
        let (inside, after) = rest.rsplit_once(']').ok_or_else(invalid)?;
        let mut attribute = AttributePath::parse(before).ok_or_else(invalid)?;
        if attribute.sub.is_some() || attribute.name.is_empty() {
            return Err(invalid());
        }
        match after.strip_prefix('.') {
            Some(sub) if is_name(sub) => attribute.sub = Some(sub.to_owned()),
            None if after.is_empty() => {}
            _ => return Err(invalid()),
        }
        Ok(Self { attribute, filter: Some(Filter::parse(inside, profile)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_filters_are_read() {
        let path = Path::parse(r#"emails[type eq "work"].value"#, Profile::Rfc).unwrap();
        assert_eq!(path.attribute.sub.as_deref(), Some("value"));
        assert!(path.filter.is_some());
        for text in [
            "emails[",
            "emails[type eq \"work\"",
            "emails[].value",
            "emails[type eq \"work\"]value",
            "a.b[c pr]",
            "[c pr]",
        ] {
            assert!(Path::parse(text, Profile::Rfc).is_err(), "{text}");
        }
    }

    /// RFC 7644, section 3.5.2, figure 7.
    #[test]
    fn a_path_has_an_attribute_perhaps_a_filter_and_a_sub_attribute() {
        let longest = "a".repeat(filter::LENGTH_MAX);
        let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
        for (text, attribute, filter) in [
            ("members", "members", None),
            (" name.familyName ", "name.familyName", None),
            ("emails[type eq \"work\"]", "emails", Some("type eq \"work\"")),
            ("emails[type eq \"a]b\"].value", "emails.value", Some("type eq \"a]b\"")),
            (&format!("{urn}:emails[type pr].$ref"), &format!("{urn}:emails.$ref"), Some("type pr")),
            (&longest, &longest, None),
        ] {
            let path = Path::parse(text, Profile::Rfc).unwrap();
            assert_eq!(path.attribute.to_string(), attribute);
            assert_eq!(path.filter.map(|filter| filter.to_string()).as_deref(), filter);
        }
        for (text, kind) in [
            (format!("{longest}a"), ErrorType::InvalidPath),
            ("emails[type pr].a b".to_owned(), ErrorType::InvalidPath),
            ("emails[type pr]x".to_owned(), ErrorType::InvalidPath),
            (format!("{urn}[type pr]"), ErrorType::InvalidPath),
            ("emails[type]".to_owned(), ErrorType::InvalidFilter),
        ] {
            assert_eq!(Path::parse(&text, Profile::Compat).unwrap_err().kind, kind, "{text}");
        }
    }
}
