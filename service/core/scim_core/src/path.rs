//! Attribute names and PATCH paths (RFC 7644, section 3.5.2):
//! `attr`, `attr.sub`, `attr[filter]`, `attr[filter].sub`, each with or without a schema's URN in front.

use std::fmt;

use crate::filter::{self, Filter};
use crate::{ErrorType, Profile, ScimError};

/// The name of an attribute: `[urn:]attr[.sub]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema's URN, as written.
    pub urn: Option<String>,
    /// The attribute, as written; empty where a URN stands alone and means the whole extension.
    pub name: String,
    /// The sub-attribute, as written.
    pub sub: Option<String>,
}

/// A PATCH path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute. Its `sub` is what stands behind the filter, if there is one.
    pub attribute: AttributePath,
    /// Which values are meant.
    pub filter: Option<Filter>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '$')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$'))
}

impl AttributePath {
    /// Reads a name; `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        let (urn, rest) = if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            let (urn, rest) = text.rsplit_once(':')?;
            // `urn:…:2.0:User` alone: what follows the last colon is part of the URN, not an attribute.
            if urn.rsplit(':').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit())) {
                return Some(Self { urn: Some(text.to_owned()), name: String::new(), sub: None });
            }
            (Some(urn.to_owned()), rest)
        } else {
            (None, text)
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        if !is_name(name) || !sub.is_none_or(is_name) {
            return None;
        }
        Some(Self { urn, name: name.to_owned(), sub: sub.map(ToOwned::to_owned) })
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            f.write_str(urn)?;
            if self.name.is_empty() {
                return Ok(());
            }
            f.write_str(":")?;
        }
        f.write_str(&self.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
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
    fn names_with_and_without_a_schema_are_read_and_printed() {
        for text in [
            "userName",
            "name.givenName",
            "$ref",
            "urn:ietf:params:scim:schemas:core:2.0:User:userName",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ] {
            assert_eq!(AttributePath::parse(text).unwrap().to_string(), text);
        }
        for text in ["", ".", "a.", ".a", "a.b.c", "1a", "a b", "urn:", "a[b", "__proto__x]"] {
            assert!(AttributePath::parse(text).is_none(), "{text}");
        }
    }

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
}
