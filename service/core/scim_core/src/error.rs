//! Refusals with their `scimType` (RFC 7644, section 3.12).

/// The detail error keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The filter's syntax, or its attribute and operator don't go together.
    InvalidFilter,
    /// A value is already in use or reserved.
    Uniqueness,
    /// A read-only or set immutable attribute was to be changed.
    Mutability,
    /// The body's structure.
    InvalidSyntax,
    /// A PATCH path.
    InvalidPath,
    /// A PATCH path led nowhere.
    NoTarget,
    /// A value is missing or doesn't fit its attribute.
    InvalidValue,
    /// More than the server answers at once.
    TooMany,
    /// More than the server takes at once: 413, for which RFC 7644 has no keyword.
    TooLarge,
    /// A cursor that isn't one of this query (RFC 9865).
    InvalidCursor,
    /// A cursor that is too old (RFC 9865).
    ExpiredCursor,
    /// A count that isn't the first page's (RFC 9865).
    InvalidCount,
}

impl ErrorType {
    /// Its `scimType`.
    pub fn name(self) -> &'static str {
        match self {
            ErrorType::InvalidFilter => "invalidFilter",
            ErrorType::Uniqueness => "uniqueness",
            ErrorType::Mutability => "mutability",
            ErrorType::InvalidSyntax => "invalidSyntax",
            ErrorType::InvalidPath => "invalidPath",
            ErrorType::NoTarget => "noTarget",
            ErrorType::InvalidValue => "invalidValue",
            ErrorType::TooMany => "tooMany",
            ErrorType::TooLarge => "tooLarge",
            ErrorType::InvalidCursor => "invalidCursor",
            ErrorType::ExpiredCursor => "expiredCursor",
            ErrorType::InvalidCount => "invalidCount",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimError {
    /// Its kind.
    pub kind: ErrorType,
    /// What is wrong, for people.
    pub detail: String,
}

impl ScimError {
    /// A refusal of this kind.
    pub fn new(kind: ErrorType, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidValue, detail)
    }

    pub(crate) fn large(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TooLarge, detail)
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidSyntax, detail)
    }
}

impl std::fmt::Display for ScimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl std::error::Error for ScimError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7644, table 9; RFC 9865, section 2.1.
    #[test]
    fn every_refusal_has_its_keyword() {
        for (kind, name) in [
            (ErrorType::InvalidFilter, "invalidFilter"),
            (ErrorType::TooMany, "tooMany"),
            (ErrorType::Uniqueness, "uniqueness"),
            (ErrorType::Mutability, "mutability"),
            (ErrorType::InvalidSyntax, "invalidSyntax"),
            (ErrorType::InvalidPath, "invalidPath"),
            (ErrorType::NoTarget, "noTarget"),
            (ErrorType::InvalidValue, "invalidValue"),
            (ErrorType::InvalidCursor, "invalidCursor"),
            (ErrorType::ExpiredCursor, "expiredCursor"),
            (ErrorType::InvalidCount, "invalidCount"),
            // Our own: RFC 7644 has a status for it, and no keyword.
            (ErrorType::TooLarge, "tooLarge"),
        ] {
            assert_eq!(kind.name(), name);
            assert_eq!(ScimError::new(kind, "x y.").to_string(), format!("{name}: x y."));
        }
        for (error, kind) in [
            (ScimError::value("x"), ErrorType::InvalidValue),
            (ScimError::large("x"), ErrorType::TooLarge),
            (ScimError::syntax("x"), ErrorType::InvalidSyntax),
        ] {
            assert_eq!(error, ScimError { kind, detail: "x".to_owned() });
        }
    }
}
