//! What was refused: problems (RFC 9457), SCIM's errors, OAuth's errors.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::Reply;

/// A problem (RFC 9457).
#[derive(Debug, Deserialize)]
pub struct Problem {
    pub code: String,
    pub detail: String,
    #[serde(default)]
    pub errors: Vec<FieldError>,
    /// What else the problem says.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// A field that doesn't fit.
#[derive(Debug, Deserialize)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

impl Problem {
    /// A fact beside the code, `limit` for example; null if it says none.
    pub fn fact(&self, name: &str) -> &Value {
        self.facts.get(name).unwrap_or(&Value::Null)
    }

    /// Where the first field that doesn't fit is.
    #[track_caller]
    pub fn pointer(&self) -> &str {
        &self.errors.first().unwrap_or_else(|| panic!("no errors: {self:?}")).pointer
    }
}

impl Reply {
    /// The status and code of a problem.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Problem {
        assert_eq!((self.status.as_u16(), self.code().as_deref()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let body = self.json();
        assert!(body["requestId"].is_string() && body["timestamp"].is_string(), "{body}");
        serde_json::from_value(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The status and `scimType` of a SCIM error.
    #[track_caller]
    pub fn scim_refused(self, status: u16, kind: Option<&str>) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["scimType"].as_str()), (status, kind), "{}", self.text);
        assert_eq!(body["status"], status.to_string());
        assert_eq!(self.headers["content-type"], "application/scim+json");
    }

    /// The status and `error` of an OAuth error (RFC 6749, section 5.2).
    #[track_caller]
    pub fn oauth_refused(self, status: u16, error: &str) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{}", self.text);
    }

    /// The code of a problem; `None` for any other answer.
    pub fn code(&self) -> Option<String> {
        self.json()["code"].as_str().map(ToOwned::to_owned)
    }
}
