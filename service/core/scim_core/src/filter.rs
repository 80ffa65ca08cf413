//! The filter grammar (RFC 7644, section 3.4.2.2), whole, with bounds on length, depth and terms.
//!
//! `emails[type eq "work"].value eq "x"` isn't in the grammar; Entra sends it, and it means
//! `emails[type eq "work" and value eq "x"]`.

mod parse;

use std::fmt;

use serde_json::Value;

use crate::attribute::AttributePath;
use crate::{Profile, ScimError};

/// Bytes of a filter or path.
pub const LENGTH_MAX: usize = 4096;
/// Nesting of parentheses and brackets.
pub const DEPTH_MAX: usize = 16;
/// Comparisons in one filter.
pub const TERMS_MAX: usize = 64;

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

impl Operator {
    /// Each, and how it is written (RFC 7644, section 3.4.2.2, table 3).
    pub(crate) const ALL: [(Operator, &'static str); 9] = [
        (Operator::Eq, "eq"),
        (Operator::Ne, "ne"),
        (Operator::Co, "co"),
        (Operator::Sw, "sw"),
        (Operator::Ew, "ew"),
        (Operator::Gt, "gt"),
        (Operator::Ge, "ge"),
        (Operator::Lt, "lt"),
        (Operator::Le, "le"),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(operator, _)| operator)
    }

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// Has a value.
    Present(AttributePath),
    /// Compares.
    Compare(AttributePath, Operator, Value),
    /// Has an element for which the filter holds.
    Element(AttributePath, Box<Filter>),
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// `invalidFilter`.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, ScimError> {
        parse::parse(text, profile)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::And(left, right) => {
                operand(f, left, matches!(**left, Filter::Or(..)))?;
                f.write_str(" and ")?;
                operand(f, right, matches!(**right, Filter::Or(..) | Filter::And(..)))
            }
            Filter::Or(left, right) => {
                write!(f, "{left} or ")?;
                operand(f, right, matches!(**right, Filter::Or(..)))
            }
            Filter::Not(inner) => write!(f, "not ({inner})"),
            Filter::Present(path) => write!(f, "{path} pr"),
            Filter::Compare(path, operator, value) => write!(f, "{path} {} {value}", operator.name()),
            Filter::Element(path, inner) => write!(f, "{path}[{inner}]"),
        }
    }
}

fn operand(f: &mut fmt::Formatter<'_>, filter: &Filter, parentheses: bool) -> fmt::Result {
    if parentheses { write!(f, "({filter})") } else { write!(f, "{filter}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7644, section 3.4.2.2, table 3: attribute operators have no case.
    #[test]
    fn every_operator_is_read_and_printed() {
        for (operator, name) in [
            (Operator::Eq, "eq"),
            (Operator::Ne, "ne"),
            (Operator::Co, "co"),
            (Operator::Sw, "sw"),
            (Operator::Ew, "ew"),
            (Operator::Gt, "gt"),
            (Operator::Ge, "ge"),
            (Operator::Lt, "lt"),
            (Operator::Le, "le"),
        ] {
            for word in [name.to_owned(), name.to_uppercase()] {
                let filter = Filter::parse(&format!("a {word} \"x\""), Profile::Rfc).unwrap();
                let path = AttributePath::parse("a").unwrap();
                assert_eq!(filter, Filter::Compare(path, operator, Value::from("x")));
                assert_eq!(filter.to_string(), format!("a {name} \"x\""));
            }
        }
    }

    /// Precedence is that of RFC 7644, section 3.4.2.2: grouping, then `not`, `and`, `or`.
    #[test]
    fn a_filter_is_printed_with_the_parentheses_that_it_needs() {
        for text in [
            "a pr and b pr and c pr",
            "a pr and (b pr and c pr)",
            "a pr and (b pr or c pr)",
            "(a pr or b pr) and c pr",
            "a pr or b pr or c pr",
            "a pr or (b pr or c pr)",
            "a pr or b pr and c pr",
            "a pr and b pr or c pr",
            "not (a pr or b pr) and c pr",
            "a[b eq 1 or c pr] and d pr",
            "a eq null or a eq true or a eq -1.5",
        ] {
            assert_eq!(Filter::parse(text, Profile::Rfc).unwrap().to_string(), text);
        }
        for (text, printed) in [
            ("((a pr) and b pr) and c pr", "a pr and b pr and c pr"),
            ("(a pr and b pr) or c pr", "a pr and b pr or c pr"),
        ] {
            assert_eq!(Filter::parse(text, Profile::Rfc).unwrap().to_string(), printed);
        }
    }
}
