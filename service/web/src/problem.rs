//! Refusals: one type, three renderings (problem+json, SCIM, OAuth), one catalogue of codes.

mod catalogue;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use chrono::SecondsFormat;
use entity::tenancy::status::Unusable;
use platform::crypto::HashError;
use platform::http::{UrlRefused, UrlRefusedAt};
use platform::refusal::{Classified, FieldError, Invalid, Retry, VersionMismatch};
use platform::rules::{LimitReached, UsedUp};
use platform::{DbError, Timestamp};
use serde_json::{Map, Value, json};

pub use catalogue::{Code, Description};

/// How a route's refusals are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9457.
    #[default]
    Problem,
    /// RFC 7644, section 3.12.
    Scim,
    /// RFC 6749, section 5.2.
    OAuth,
}

/// A refusal, as facts. The sentence is made here, once.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// What happened, for people. Never a secret and never somebody else's data.
    pub detail: String,
    /// Fields that don't fit.
    pub errors: Vec<FieldError>,
    /// Facts as members of the problem.
    pub facts: Map<String, Value>,
    /// `scimType` or OAuth's `error`, where the dialect has finer words than the code.
    pub dialect_code: Option<&'static str>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// What went wrong inside; logged once, never sent.
    pub cause: Option<String>,
}

impl Problem {
    /// A refusal with the code's own sentence.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: code.title().to_owned(),
            errors: Vec::new(),
            facts: Map::new(),
            dialect_code: None,
            retry_after: None,
            cause: None,
        }
    }

    /// A refusal with a sentence of its own.
    pub fn detailed(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::new(code) }
    }

    /// A refusal with this sentence, or else with its code's own.
    pub fn saying(code: Code, sentence: Option<String>) -> Self {
        let problem = Self::new(code);
        Self { detail: sentence.unwrap_or(problem.detail), ..problem }
    }

    /// Input that doesn't fit at one place.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Invalid::at(pointer, detail).into()
    }

    /// There are as many of something as there may be.
    pub(crate) fn full(resource: &str, limit: u64) -> Self {
        Self::new(Code::QUOTA_EXCEEDED).fact("resource", resource).fact("limit", limit)
    }

    /// An allowance has no more; with the seconds until it has.
    pub fn used_up(code: Code, of: UsedUp) -> Self {
        Self { retry_after: Some(of.renewed_in), ..Self::new(code).fact("limit", of.limit) }
    }

    /// A failure of ours. The cause is logged, not sent.
    pub fn internal(cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(Code::INTERNAL) }
    }

    /// Whether a rule refused what was asked; a failure of ours, or of somebody whom we ask, is no refusal.
    pub fn is_refusal(&self) -> bool {
        self.code.status().is_client_error()
    }

    /// Whether the same may end otherwise at another try.
    pub fn retry(&self) -> Retry {
        match self.code {
            Code::CONFLICT => Retry::Conflict,
            _ if self.is_refusal() => Retry::Never,
            _ => Retry::Later,
        }
    }

    /// The answer to an error, which says the same as the error about another try: for the tables of codes in tests.
    ///
    /// # Panics
    /// If error and answer differ.
    #[doc(hidden)]
    #[track_caller]
    pub fn agreed<E: Classified + Into<Self>>(error: E) -> Self {
        let of_error = (error.retry(), error.is_refusal());
        let problem: Self = error.into();
        assert_eq!(of_error, (problem.retry(), problem.is_refusal()), "{problem}");
        problem
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the dialect's finer word.
    #[must_use]
    pub fn dialect(mut self, code: &'static str) -> Self {
        self.dialect_code = Some(code);
        self
    }

    /// Renders the refusal.
    pub fn respond(&self, dialect: Dialect, request_id: &str, now: Timestamp) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        if let Some(seconds) = self.retry_after {
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            // RFC 6749, section 5.2, for clients; RFC 6750, section 3, for access tokens.
            let challenge = match (dialect, self.dialect_code) {
                (Dialect::OAuth, Some("invalid_token")) => {
                    "Bearer realm=\"tenantry\", error=\"invalid_token\""
                }
                (Dialect::OAuth, _) => "Basic realm=\"tenantry\"",
                _ => "Bearer realm=\"tenantry\"",
            };
            response.insert_header(("WWW-Authenticate", challenge));
        }
        match dialect {
            Dialect::Problem => self.problem(&mut response, request_id, now),
            Dialect::Scim => self.scim(&mut response),
            Dialect::OAuth => self.oauth(&mut response),
        }
    }

    fn problem(&self, response: &mut HttpResponseBuilder, request_id: &str, now: Timestamp) -> HttpResponse {
        let mut body = self.facts.clone();
        body.insert("type".to_owned(), format!("https://tenantry.dev/problems/{}", self.code.name()).into());
        body.insert("title".to_owned(), self.code.title().into());
        body.insert("status".to_owned(), self.code.status().as_u16().into());
        body.insert("detail".to_owned(), self.detail.as_str().into());
        body.insert("code".to_owned(), self.code.name().into());
        body.insert("requestId".to_owned(), request_id.into());
        body.insert("timestamp".to_owned(), now.to_rfc3339_opts(SecondsFormat::Millis, true).into());
        if !self.errors.is_empty() {
            let errors =
                self.errors.iter().map(|error| json!({"pointer": error.pointer, "detail": error.detail}));
            body.insert("errors".to_owned(), errors.collect());
        }
        response.content_type("application/problem+json").body(Value::Object(body).to_string())
    }

    fn scim(&self, response: &mut HttpResponseBuilder) -> HttpResponse {
        response.content_type("application/scim+json").body(self.scim_body().to_string())
    }

    /// The refusal in SCIM's words (RFC 7644, section 3.12).
    pub fn scim_body(&self) -> Value {
        let detail = self.scim_detail();
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.code.status().as_u16().to_string(),
            "detail": detail,
        });
        let status = self.code.status();
        if let Some(kind) = self.dialect_code.filter(|_| matches!(status.as_u16(), 400 | 409)) {
            body.as_object_mut().map(|body| body.insert("scimType".to_owned(), kind.into()));
        }
        body
    }

    /// SCIM's error has no members for where and how many: its sentence says them.
    fn scim_detail(&self) -> String {
        let mut said: Vec<String> =
            self.errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        if let (Some(Value::String(resource)), Some(Value::Number(limit))) =
            (self.facts.get("resource"), self.facts.get("limit"))
        {
            said.push(format!("the limit of `{resource}` is {limit}"));
        }
        if said.is_empty() {
            return self.detail.clone();
        }
        format!("{}: {}.", self.detail.trim_end_matches('.'), said.join("; "))
    }

    fn oauth(&self, response: &mut HttpResponseBuilder) -> HttpResponse {
        let error = self.dialect_code.unwrap_or(match self.code.status().as_u16() {
            401 => "invalid_client",
            403 => "access_denied",
            429 | 503 => "temporarily_unavailable",
            500.. => "server_error",
            _ => "invalid_request",
        });
        let body = json!({"error": error, "error_description": self.detail});
        response.insert_header(("Pragma", "no-cache")).content_type("application/json").body(body.to_string())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

impl std::error::Error for Problem {}

/// The edge renders it again, with the request's id and the route's dialect; this is for what passes by the edge.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.code.status())
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        Self::from(&error)
    }
}

/// One failure of the store may be that of many who waited for the same.
impl From<&DbError> for Problem {
    fn from(error: &DbError) -> Self {
        let code = match error {
            DbError::Conflict(_) => Code::CONFLICT,
            DbError::Busy(_) | DbError::Broken(_) | DbError::Crowded(_) => Code::UNAVAILABLE,
            DbError::Full(_) => Code::STORE_FULL,
            DbError::Moved(_) => Code::STORE_MOVED,
            DbError::Unknown(_) => Code::OUTCOME_UNKNOWN,
            _ => Code::INTERNAL,
        };
        let cause = Some(platform::chain(error));
        let retry_after = (code.is_unavailable() || code == Code::OUTCOME_UNKNOWN).then_some(1);
        Self { cause, retry_after, ..Self::new(code) }
    }
}

/// A tenant that can't be used is told the same at every door; only credentials that are nobody's are 401.
impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Suspended => Self::new(Code::TENANT_SUSPENDED),
            Unusable::NotActive(status) => Self::new(Code::TENANT_NOT_ACTIVE).fact("status", status.as_str()),
            Unusable::Gone => Self::new(Code::AUTH_INVALID),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(Invalid(errors): Invalid) -> Self {
        Self { errors, ..Self::new(Code::VALIDATION_FAILED) }
    }
}

/// Text that is no URL doesn't fit; where a URL may not lead has a code of its own.
impl From<UrlRefusedAt> for Problem {
    fn from(UrlRefusedAt { pointer, why }: UrlRefusedAt) -> Self {
        if why == UrlRefused::NoUrl {
            return Self::invalid(pointer, "must be an absolute URL");
        }
        Self { errors: vec![FieldError { pointer, detail: why.to_string() }], ..Self::new(Code::URL_REFUSED) }
    }
}

impl From<VersionMismatch> for Problem {
    fn from(_: VersionMismatch) -> Self {
        Self::new(Code::VERSION_MISMATCH)
    }
}

impl From<LimitReached> for Problem {
    fn from(refused: LimitReached) -> Self {
        match refused {
            LimitReached::Full { resource, limit } => Self::full(resource, limit),
            LimitReached::Store(error) => error.into(),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Failed => Self::internal(error),
            HashError::Busy => Self { retry_after: Some(1), ..Self::new(Code::UNAVAILABLE) },
        }
    }
}

/// A caller who fills its own share is told so; a process that is full is nobody's fault.
impl From<platform::work::Refused> for Problem {
    fn from(refused: platform::work::Refused) -> Self {
        use platform::work::Refused;
        let problem = match refused {
            Refused::Share => {
                Self::detailed(Code::RATE_LIMITED, "Too many of your requests are waiting already.")
            }
            Refused::Full => Self::detailed(Code::UNAVAILABLE, "Too many requests are waiting already."),
            Refused::Failed => return Self::internal(refused),
        };
        Self { retry_after: Some(1), ..problem }
    }
}

/// In a job: our own failures and other people's overload are tried again, a refusal is not.
impl From<Problem> for platform::jobs::JobError {
    fn from(problem: Problem) -> Self {
        let reason = match &problem.cause {
            Some(cause) => format!("{problem}: {cause}"),
            None => problem.to_string(),
        };
        match problem.retry() {
            Retry::Conflict | Retry::Later => Self::retry(reason),
            Retry::Never => Self::Fail(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scim_says_in_its_sentence_what_a_problem_has_members_for() {
        let full = Problem::full("users", 5);
        let unlimited =
            Problem::new(Code::QUOTA_EXCEEDED).fact("resource", "users").fact("limit", Value::Null);
        let mut twice = Problem::invalid("/userName", "must be there");
        twice.errors.push(FieldError { pointer: "/emails".to_owned(), detail: "at most 1000".to_owned() });
        for (problem, wanted) in [
            (full, "This would exceed the quota: the limit of `users` is 5."),
            (unlimited, "This would exceed the quota."),
            (twice, "The input is not valid: /userName: must be there; /emails: at most 1000."),
            (Problem::new(Code::NOT_FOUND), "There is no such resource."),
        ] {
            assert_eq!(problem.scim_body()["detail"], wanted);
        }
    }
}
