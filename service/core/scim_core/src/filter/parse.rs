//! Text to [`Filter`]: a recursive descent whose recursion is bounded.

use serde_json::Value;

use super::{DEPTH_MAX, Filter, LENGTH_MAX, Operator, TERMS_MAX};
use crate::attribute::AttributePath;
use crate::{ErrorType, Profile, ScimError};

pub(super) fn parse(text: &str, profile: Profile) -> Result<Filter, ScimError> {
    if text.len() > LENGTH_MAX {
        return Err(invalid(format!("The filter has more than {LENGTH_MAX} bytes.")));
    }
    let mut parser = Parser { rest: text, length: text.len(), depth: 0, terms: 0, profile };
    let filter = parser.or()?;
    parser.space();
    if parser.rest.is_empty() { Ok(filter) } else { Err(parser.unexpected("the end")) }
}

fn invalid(detail: impl Into<String>) -> ScimError {
    ScimError::new(ErrorType::InvalidFilter, detail)
}

struct Parser<'a> {
    rest: &'a str,
    length: usize,
    depth: usize,
    terms: usize,
    profile: Profile,
}

impl<'a> Parser<'a> {
    fn unexpected(&self, wanted: &str) -> ScimError {
        invalid(format!("Expected {wanted} at position {}.", self.length - self.rest.len()))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, symbol: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The next word, without consuming it.
    fn word(&mut self) -> &'a str {
        self.space();
        let end = self.rest.find([' ', '\t', '(', ')', '[', ']', '"']).unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    fn skip(&mut self, word: &str) {
        self.rest = self.rest.get(word.len()..).unwrap_or_default();
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let word = self.word();
        let found = word.eq_ignore_ascii_case(keyword);
        if found {
            self.skip(word);
        }
        found
    }

    fn nested(&mut self, closing: char) -> Result<Filter, ScimError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(invalid(format!("The filter is nested deeper than {DEPTH_MAX}.")));
        }
        let inner = self.or()?;
        self.depth -= 1;
        if self.take(closing) { Ok(inner) } else { Err(self.unexpected(&format!("`{closing}`"))) }
    }

    fn or(&mut self) -> Result<Filter, ScimError> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, ScimError> {
        let mut left = self.term()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Filter, ScimError> {
        if self.take('(') {
            return self.nested(')');
        }
        if self.word().eq_ignore_ascii_case("not") {
            self.keyword("not");
            return if self.take('(') {
                Ok(Filter::Not(Box::new(self.nested(')')?)))
            } else {
                Err(self.unexpected("`(` after not"))
            };
        }
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(invalid(format!("The filter has more than {TERMS_MAX} comparisons.")));
        }
        let word = self.word();
        let path = AttributePath::parse(word);
        let path = path.ok_or_else(|| self.unexpected("an attribute"))?;
        self.skip(word);
        if self.rest.starts_with('[') {
            return self.element(path);
        }
        self.comparison(path)
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            self.skip(word);
            return Ok(Filter::Present(path));
        }
        let operator = Operator::parse(word).ok_or_else(|| self.unexpected("an operator"))?;
        self.skip(word);
        let value = self.literal()?;
        let ordered = matches!(operator, Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le);
        if ordered && (value.is_boolean() || value.is_null()) {
            return Err(invalid("Booleans and null have no order."));
        }
        Ok(Filter::Compare(path, operator, value))
    }

    fn element(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        if path.sub.is_some() {
            return Err(self.unexpected("no brackets behind a sub-attribute"));
        }
        self.take('[');
        let inner = self.nested(']')?;
        if !self.rest.starts_with('.') {
            return Ok(Filter::Element(path, Box::new(inner)));
        }
        self.take('.');
        let word = self.word();
        let sub = AttributePath::parse(word).filter(|sub| sub.urn.is_none() && sub.sub.is_none());
        let sub = sub.ok_or_else(|| self.unexpected("a sub-attribute"))?;
        self.skip(word);
        let compared = self.comparison(sub)?;
        Ok(Filter::Element(path, Box::new(Filter::And(Box::new(inner), Box::new(compared)))))
    }

    fn literal(&mut self) -> Result<Value, ScimError> {
        self.space();
        if self.rest.starts_with('"') {
            return self.text();
        }
        let word = self.word();
        let value = match word.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => match serde_json::from_str::<serde_json::Number>(word) {
                Ok(number) => Value::Number(number),
                // Entra's documentation shows `externalId eq jyoung`.
                Err(_) if self.profile.is_compat() && !word.is_empty() => Value::String(word.to_owned()),
                Err(_) => return Err(self.unexpected("a value")),
            },
        };
        self.skip(word);
        Ok(value)
    }

    /// A JSON string: its end is found by its escapes, its value by the JSON library.
    fn text(&mut self) -> Result<Value, ScimError> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let end = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            end
        });
        let (end, _) = end.ok_or_else(|| self.unexpected("a closing quote"))?;
        let literal = self.rest.get(..=end).unwrap_or_default();
        let text: String = serde_json::from_str(literal).map_err(|_| self.unexpected("a JSON string"))?;
        if text.contains('\0') {
            return Err(invalid("Values must not contain NUL."));
        }
        self.skip(literal);
        Ok(Value::String(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        Filter::parse(text, Profile::Rfc).unwrap().to_string()
    }

    #[test]
    fn precedence_is_not_then_and_then_or() {
        assert_eq!(printed(r#"a eq 1 or b eq 2 and not (c pr)"#), r#"a eq 1 or b eq 2 and not (c pr)"#);
        assert_eq!(printed(r#"(a eq 1 OR b eq 2) AND c PR"#), r#"(a eq 1 or b eq 2) and c pr"#);
    }

    #[test]
    fn what_real_clients_send_is_read() {
        for text in [
            r#"userName eq "a@b.example""#,
            r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "7""#,
            r#"id eq "G" and members eq "U""#,
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"userName eq "quo\"te\\ \u00e9""#,
            r#"active eq true and title eq null"#,
        ] {
            let once = printed(text);
            assert_eq!(printed(&once), once);
        }
        assert_eq!(
            printed(r#"emails[type eq "work"].value eq "x""#),
            r#"emails[type eq "work" and value eq "x"]"#
        );
        assert_eq!(
            Filter::parse("externalId eq jyoung", Profile::Compat).unwrap().to_string(),
            r#"externalId eq "jyoung""#
        );
        assert!(Filter::parse("externalId eq jyoung", Profile::Rfc).is_err());
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        for text in [
            "",
            " ",
            "a",
            "a eq",
            "eq 1",
            "a eq 1 and",
            "a eq 1 b eq 2",
            "(a eq 1",
            "a eq 1)",
            "not a pr",
            "a[b eq 1",
            "a[]",
            "a.b[c pr]",
            "a eq \"x",
            "a xx 1",
            "a gt true",
            "a eq \"\\u0000\"",
            "a eq \"\\x\"",
            "🦀 eq 1",
            "a eq 1 or or b pr",
        ] {
            let error = Filter::parse(text, Profile::Rfc).unwrap_err();
            assert_eq!(error.kind, ErrorType::InvalidFilter, "{text}");
        }
    }

    #[test]
    fn length_depth_and_terms_are_bounded() {
        assert!(Filter::parse(&"(".repeat(100_000), Profile::Compat).is_err());
        assert!(Filter::parse(&"(".repeat(LENGTH_MAX), Profile::Compat).is_err());
        let deep = format!("{}a pr{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX));
        assert!(Filter::parse(&deep, Profile::Rfc).is_ok());
        assert!(Filter::parse(&format!("({deep})"), Profile::Rfc).is_err());
        let many = vec!["a pr"; TERMS_MAX].join(" or ");
        assert!(Filter::parse(&many, Profile::Rfc).is_ok());
        assert!(Filter::parse(&format!("{many} or a pr"), Profile::Rfc).is_err());
    }

    fn filters() -> impl Strategy<Value = Filter> {
        let path = "[a-z]{1,5}(\\.[a-z]{1,5})?".prop_filter_map("a name", |text| {
            AttributePath::parse(&text).filter(|path| !path.name.eq_ignore_ascii_case("not"))
        });
        let value = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[^\\x00]{0,8}".prop_map(Value::from)
        ];
        let leaf = prop_oneof![
            path.clone().prop_map(Filter::Present),
            (path, value).prop_map(|(path, value)| Filter::Compare(path, Operator::Eq, value)),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(Box::new(a), Box::new(b))),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::Or(Box::new(a), Box::new(b))),
                inner.prop_map(|a| Filter::Not(Box::new(a))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(filter in filters()) {
            prop_assert_eq!(Filter::parse(&filter.to_string(), Profile::Rfc).unwrap(), filter);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = Filter::parse(&text, Profile::Compat);
        }
    }

    #[test]
    fn a_refusal_says_where() {
        for (text, detail) in [
            ("", "Expected an attribute at position 0."),
            ("a xx 1", "Expected an operator at position 2."),
            ("a eq 1 b", "Expected the end at position 7."),
            ("(a pr", "Expected `)` at position 5."),
            ("not a", "Expected `(` after not at position 4."),
            ("a eq \"x", "Expected a closing quote at position 5."),
        ] {
            assert_eq!(Filter::parse(text, Profile::Rfc).unwrap_err().detail, detail, "{text}");
        }
    }

    #[test]
    fn what_tolerance_takes_has_bounds() {
        for text in [
            "a eq",
            "a eq ",
            "a lt null",
            "a ge FALSE",
            "a[b pr].c.d eq 1",
            "a[b pr].urn:x:y eq 1",
            "a.b[c pr]",
        ] {
            assert!(Filter::parse(text, Profile::Compat).is_err(), "{text}");
        }
        let long = |count: usize| format!("a eq \"{}\"", "x".repeat(count));
        assert!(Filter::parse(&long(LENGTH_MAX - 7), Profile::Rfc).is_ok());
        assert!(Filter::parse(&long(LENGTH_MAX - 6), Profile::Rfc).is_err());
        let beside = vec!["(a pr)"; 2 * DEPTH_MAX].join(" and ");
        assert!(Filter::parse(&beside, Profile::Rfc).is_ok(), "groups side by side are not nested");
    }
}
