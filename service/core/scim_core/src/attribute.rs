//! Names of attributes (RFC 7644, section 3.10).

use std::fmt;

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

/// Whether it can name an attribute.
pub(crate) fn is_name(text: &str) -> bool {
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
}
