//! What a query asks for (RFC 7644, sections 3.4.2 and 3.4.3; RFC 9865): from the URL, or from the body of `/.search`.

use serde_json::Value;

use crate::condition::Place;
use crate::discovery::{RESULTS_DEFAULT, RESULTS_MAX};
use crate::document::Document;
use crate::path::AttributePath;
use crate::schema::{Kind, Named, ResourceType, Returned};
use crate::{ErrorType, ScimError};

/// A query, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// `filter`
    pub filter: Option<String>,
    /// `sortBy`
    pub sort_by: Option<String>,
    /// `sortOrder`
    pub sort_order: Option<String>,
    /// `startIndex`
    pub start_index: Option<String>,
    /// `count`
    pub count: Option<String>,
    /// `cursor`; empty for the first page.
    pub cursor: Option<String>,
    /// `attributes`, comma-separated
    pub attributes: Option<String>,
    /// `excludedAttributes`, comma-separated
    pub excluded_attributes: Option<String>,
}

/// By what a list is sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The place.
    pub place: Place,
    /// The greatest first.
    pub descending: bool,
}

impl Search {
    /// Takes a parameter of a URL's query; names that it doesn't know are passed over, as Entra's flag in the tenant's
    /// URL wants it.
    pub fn take(&mut self, name: &str, value: String) {
        let place = match name.to_ascii_lowercase().as_str() {
            "filter" => &mut self.filter,
            "sortby" => &mut self.sort_by,
            "sortorder" => &mut self.sort_order,
            "startindex" => &mut self.start_index,
            "count" => &mut self.count,
            "cursor" => &mut self.cursor,
            "attributes" => &mut self.attributes,
            "excludedattributes" => &mut self.excluded_attributes,
            _ => return,
        };
        *place = Some(value);
    }

    /// Reads the body of `/.search`.
    ///
    /// # Errors
    /// `invalidSyntax`.
    pub fn parse(body: &Document<'_>) -> Result<Self, ScimError> {
        let mut search = Self::default();
        for name in [
            "filter",
            "sortBy",
            "sortOrder",
            "startIndex",
            "count",
            "cursor",
            "attributes",
            "excludedAttributes",
        ] {
            let text = match body.value(name)? {
                None => continue,
                Some(Value::String(text)) => text,
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Array(names)) => {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    names.join(",")
                }
                Some(_) => return Err(ScimError::syntax(format!("`{name}` has a wrong type."))),
            };
            search.take(name, text);
        }
        Ok(search)
    }

    /// The filter, if there is one.
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// `startIndex`, from 1; smaller ones are 1 (RFC 7644, section 3.4.2.4).
    ///
    /// # Errors
    /// `invalidValue` for what is no integer.
    pub fn start(&self) -> Result<u64, ScimError> {
        let start = number("startIndex", self.start_index.as_deref(), ErrorType::InvalidValue)?;
        Ok(start.map_or(1, |start| u64::try_from(start).unwrap_or(1).max(1)))
    }

    /// `count`: below 0 is 0, above the maximum is the maximum.
    ///
    /// # Errors
    /// `invalidValue`, or `invalidCount` with a cursor, for what is no integer.
    pub fn count(&self) -> Result<u64, ScimError> {
        let kind = if self.cursor.is_some() { ErrorType::InvalidCount } else { ErrorType::InvalidValue };
        let count = number("count", self.count.as_deref(), kind)?;
        Ok(count.map_or(RESULTS_DEFAULT, |count| u64::try_from(count).unwrap_or(0).min(RESULTS_MAX)))
    }

    /// By what to sort, if at all.
    ///
    /// # Errors
    /// `invalidPath` for an attribute that isn't there, `invalidValue` for an order that isn't one.
    pub fn sort(&self, kind: &ResourceType) -> Result<Option<Sort>, ScimError> {
        let Some(name) = self.sort_by.as_deref().map(str::trim).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let descending = match self.sort_order.as_deref().unwrap_or("ascending").to_ascii_lowercase().as_str()
        {
            "ascending" | "" => false,
            "descending" => true,
            _ => return Err(ScimError::value("`sortOrder` must be ascending or descending.")),
        };
        let none = || {
            ScimError::new(
                ErrorType::InvalidPath,
                "`sortBy` is not an attribute by which results can be sorted.",
            )
        };
        let path = AttributePath::parse(name).ok_or_else(none)?;
        let Named::Attribute(located, sub) = kind.named(&path) else { return Err(none()) };
        let attribute = located.attribute;
        let sub = match sub {
            // A multi-valued attribute is sorted by its value.
            None if attribute.kind == Kind::Complex => Some(attribute.find_sub("value").ok_or_else(none)?),
            other => other,
        };
        let last = sub.unwrap_or(attribute);
        if last.returned == Returned::Never || matches!(last.kind, Kind::Complex | Kind::Binary) {
            return Err(none());
        }
        let place = Place::of(&located, sub);
        Ok(Some(Sort { place, descending }))
    }
}

fn number(name: &str, text: Option<&str>, kind: ErrorType) -> Result<Option<i64>, ScimError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let wrong = |_| ScimError::new(kind, format!("`{name}` must be an integer."));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::USERS;

    #[test]
    fn what_is_out_of_range_is_moved_into_it() {
        let search = |start: &str, count: &str| {
            let mut search = Search::default();
            search.take("STARTINDEX", start.to_owned());
            search.take("count", count.to_owned());
            (search.start().ok(), search.count().ok())
        };
        assert_eq!(search("0", "-1"), (Some(1), Some(0)));
        assert_eq!(search("-7", "5000"), (Some(1), Some(RESULTS_MAX)));
        assert_eq!(search("3", "0"), (Some(3), Some(0)));
        assert_eq!(search("x", "1.5"), (None, None));
    }

    #[test]
    fn a_search_request_is_a_query() {
        let body = br#"{"schemas": [], "attributes": ["userName", "emails"], "startIndex": 2, "sortBy": "name.familyName", "sortOrder": "Descending"}"#;
        let search = Search::parse(&Document::parse(body).unwrap()).unwrap();
        assert_eq!((search.attributes.as_deref(), search.start().unwrap()), (Some("userName,emails"), 2));
        let sort = search.sort(&USERS).unwrap().unwrap();
        assert!(sort.descending && sort.place.name() == "name.familyName");
        for wrong in ["colour", "password", "name", "x509Certificates"] {
            let search = Search { sort_by: Some(wrong.to_owned()), ..Search::default() };
            assert!(search.sort(&USERS).is_err(), "{wrong}");
        }
    }

    /// RFC 7644, sections 3.4.2.3 and 3.4.2.4; RFC 9865, section 2.
    #[test]
    fn every_parameter_is_taken_from_a_url_and_from_a_body() {
        let rows = [
            ("filter", "title pr"),
            ("sortBy", "title"),
            ("sortOrder", "ascending"),
            ("startIndex", "3"),
            ("count", "7"),
            ("cursor", "c"),
            ("attributes", "title"),
            ("excludedAttributes", "title"),
        ];
        let text = |value: &str| Some(value.to_owned());
        let expected = Search {
            filter: text("title pr"),
            sort_by: text("title"),
            sort_order: text("ascending"),
            start_index: text("3"),
            count: text("7"),
            cursor: text("c"),
            attributes: text("title"),
            excluded_attributes: text("title"),
        };
        let mut from_url = Search::default();
        for (name, value) in rows {
            from_url.take(&name.to_uppercase(), value.to_owned());
        }
        from_url.take("aadOptscim062020", String::new());
        assert_eq!(from_url, expected);
        let body = serde_json::to_string(&std::collections::BTreeMap::from(rows)).unwrap();
        assert_eq!(Search::parse(&Document::parse(body.as_bytes()).unwrap()), Ok(expected));
        let wrong = Search::parse(&Document::parse(br#"{"filter": {}}"#).unwrap());
        assert_eq!(wrong.unwrap_err().kind, ErrorType::InvalidSyntax);
    }

    #[test]
    fn what_is_not_asked_has_its_default() {
        let none = Search::default();
        assert_eq!((none.start(), none.count(), none.filter()), (Ok(1), Ok(100), None));
        assert_eq!(none.sort(&USERS), Ok(None));
        let text = |value: &str| Some(value.to_owned());
        let blank =
            Search { filter: text(" "), sort_by: text(" "), start_index: text(""), count: text(" "), ..none };
        assert_eq!((blank.start(), blank.count(), blank.filter()), (Ok(1), Ok(100), None));
        assert_eq!(blank.sort(&USERS), Ok(None));
        let some = Search { filter: text("title pr"), ..Search::default() };
        assert_eq!(some.filter(), Some("title pr"));
        for (cursor, kind) in [(None, ErrorType::InvalidValue), (text(""), ErrorType::InvalidCount)] {
            let search = Search { count: text("many"), cursor, ..Search::default() };
            assert_eq!(search.count().unwrap_err().kind, kind);
        }
    }

    /// RFC 7644, section 3.4.2.3.
    #[test]
    fn a_list_is_sorted_by_a_simple_attribute_or_by_the_value_of_a_multi_valued_one() {
        let sort = |by: &str, order: Option<&str>| {
            let sort_order = order.map(ToOwned::to_owned);
            let search = Search { sort_by: Some(by.to_owned()), sort_order, ..Search::default() };
            search.sort(&USERS).map(|sort| sort.map(|sort| (sort.place.name(), sort.descending)))
        };
        for (by, order, name, descending) in [
            ("userName", None, "userName", false),
            ("USERNAME", Some("ascending"), "userName", false),
            ("userName", Some("Descending"), "userName", true),
            ("userName", Some(""), "userName", false),
            ("emails", None, "emails.value", false),
            ("emails.type", None, "emails.type", false),
            ("meta.lastModified", None, "meta.lastModified", false),
        ] {
            assert_eq!(sort(by, order), Ok(Some((name.to_owned(), descending))), "{by} {order:?}");
        }
        for (by, order, kind) in [
            ("userName", Some("sideways"), ErrorType::InvalidValue),
            ("a b", None, ErrorType::InvalidPath),
            ("colour", None, ErrorType::InvalidPath),
            ("name", None, ErrorType::InvalidPath),
            ("password", None, ErrorType::InvalidPath),
            ("x509Certificates.value", None, ErrorType::InvalidPath),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", None, ErrorType::InvalidPath),
        ] {
            assert_eq!(sort(by, order).unwrap_err().kind, kind, "{by} {order:?}");
        }
    }
}
