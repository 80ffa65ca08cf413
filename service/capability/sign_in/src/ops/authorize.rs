//! The authorization endpoint's decisions (RFC 6749, section 4.1; RFC 7636; OpenID Connect Core, section 3.1.2): is this a
//! request of that client, and may this browser's session answer it?

use chrono::TimeDelta;
use entity::modules::module;
use entity::sessions::browser_session;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::parameters::Parameters;
use crate::error::Error;

/// RFC 9126
pub const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Scopes that mean something here; others are let go by (RFC 6749, section 3.3).
pub const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What a module asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: String,
    /// The issuer at which the module asked.
    pub(crate) issuer: String,
    pub(crate) prompt: Vec<String>,
    pub(crate) max_age: Option<i64>,
    pub(crate) form_post: bool,
}

/// Where a sign-in goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Continues {
    /// Back to a module, with a code.
    Authorize(Box<Authorization>),
    /// To the page that shows what a test brought.
    Test,
    /// To the page that says who is signed in.
    Home,
}

/// Why a request isn't one: told on a page as long as nobody knows where to send the browser, else to the client.
#[derive(Debug)]
pub enum NotAuthorized {
    /// On a page.
    Page(Error),
    /// To the client.
    Client {
        /// What it asked for, as far as that could be read.
        to: Box<Authorization>,
        /// The error, in OAuth's words.
        error: &'static str,
        /// What is wrong.
        description: &'static str,
    },
}

impl From<Error> for NotAuthorized {
    fn from(error: Error) -> Self {
        Self::Page(error)
    }
}

/// The client, and the redirect URI if it is one of the client's: equal to the letter (RFC 9700, section 2.1), but for the port of
/// a loopback address of a native app (RFC 8252, section 7.3).
pub(crate) fn redirect_uri(client: &module::Model, parameters: &Parameters) -> Result<String, Error> {
    let registered: Vec<String> = serde_json::from_value(client.redirect_uris.clone()).unwrap_or_default();
    let wanted = match parameters.get("redirect_uri") {
        Some(wanted) => wanted.clone(),
        None => return Err(Error::RedirectMissing),
    };
    let fits = |uri: &String| *uri == wanted || client.public && same_but_port(uri, &wanted);
    if registered.iter().any(fits) { Ok(wanted) } else { Err(Error::RedirectRefused) }
}

fn same_but_port(registered: &str, wanted: &str) -> bool {
    let (Ok(mut one), Ok(mut other)) = (Url::parse(registered), Url::parse(wanted)) else { return false };
    // What a parser would read differently from how it is written isn't compared by its reading.
    let plain = |url: &Url, text: &str| url.as_str() == text;
    let loopback =
        |url: &Url| url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
    plain(&other, wanted)
        && loopback(&one)
        && loopback(&other)
        && one.set_port(None).is_ok()
        && other.set_port(None).is_ok()
        && one == other
}

/// Checks a request of this client.
pub fn authorization(
    client: &module::Model,
    parameters: &Parameters,
    issuer: &str,
) -> Result<Authorization, NotAuthorized> {
    let get = |name: &str| parameters.get(name).cloned();
    let scope: Vec<String> = get("scope")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter(|scope| SCOPES.contains(scope))
        .map(ToOwned::to_owned)
        .collect();
    let asked = Authorization {
        client_id: client.client_id.clone(),
        redirect_uri: redirect_uri(client, parameters)?,
        scope: scope.join(" "),
        state: get("state"),
        nonce: get("nonce"),
        code_challenge: get("code_challenge").unwrap_or_default(),
        issuer: issuer.to_owned(),
        prompt: get("prompt").unwrap_or_default().split_ascii_whitespace().map(ToOwned::to_owned).collect(),
        max_age: get("max_age").and_then(|age| age.parse().ok()).filter(|age| *age >= 0),
        form_post: get("response_mode").as_deref() == Some("form_post"),
    };
    let refuse =
        |error, description| Err(NotAuthorized::Client { to: Box::new(asked.clone()), error, description });
    if parameters.contains_key("request") {
        return refuse(
            "request_not_supported",
            "Request objects are not accepted: push the request (RFC 9126).",
        );
    }
    match get("response_type").as_deref() {
        Some("code") => {}
        _ => return refuse("unsupported_response_type", "The only response type is code."),
    }
    if !matches!(get("response_mode").as_deref(), None | Some("query" | "form_post")) {
        return refuse("invalid_request", "response_mode must be query or form_post.");
    }
    if get("code_challenge_method").as_deref() != Some("S256") || !is_challenge(&asked.code_challenge) {
        return refuse(
            "invalid_request",
            "PKCE is required: code_challenge with code_challenge_method=S256.",
        );
    }
    if parameters.contains_key("max_age") && asked.max_age.is_none() {
        return refuse("invalid_request", "max_age must be a number of seconds.");
    }
    if asked.prompt.iter().any(|one| one == "none") && asked.prompt.len() > 1 {
        return refuse("invalid_request", "prompt=none stands alone.");
    }
    Ok(asked)
}

/// A SHA-256 in base64url without padding.
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Authorization {
    pub(crate) fn wants(&self, prompt: &str) -> bool {
        self.prompt.iter().any(|one| one == prompt)
    }

    /// What the browser carries back.
    fn answer(&self, mut fields: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        // RFC 9207: whose answer it is.
        fields.push(("iss", self.issuer.clone()));
        fields
    }

    pub(crate) fn success(&self, code: String) -> Vec<(&'static str, String)> {
        self.answer(vec![("code", code)])
    }

    pub(crate) fn error(&self, error: &str, description: &str) -> Vec<(&'static str, String)> {
        self.answer(vec![("error", error.to_owned()), ("error_description", description.to_owned())])
    }

    /// The redirect URI with these fields in its query.
    pub(crate) fn url(&self, fields: &[(&'static str, String)]) -> String {
        match Url::parse(&self.redirect_uri) {
            Ok(mut url) => {
                url.query_pairs_mut().extend_pairs(fields);
                url.into()
            }
            Err(_) => self.redirect_uri.clone(),
        }
    }

    /// Whether a session that signed in then is fresh enough.
    pub(crate) fn accepts(&self, session: &browser_session::Model, now: platform::Timestamp) -> bool {
        let age = self.max_age.and_then(TimeDelta::try_seconds);
        !self.wants("login") && age.is_none_or(|age| session.authenticated_at + age > now)
    }
}

/// What of a client's settings is a list of texts.
pub fn list(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str], public: bool) -> module::Model {
        let redirect_uris = serde_json::json!(uris);
        module::Model { client_id: "c".to_owned(), redirect_uris, public, ..modules::blank() }
    }

    fn asked(pairs: &[(&str, &str)]) -> Parameters {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let usual = [
            ("client_id", "c"),
            ("redirect_uri", "https://app.example/cb"),
            ("response_type", "code"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut all: Parameters = usual
            .iter()
            .chain(pairs)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.retain(|_, value| !value.is_empty());
        all
    }

    #[test]
    fn a_redirect_goes_to_the_letter_or_nowhere() {
        let registered = client(&["https://app.example/cb"], false);
        assert!(authorization(&registered, &asked(&[]), "i").is_ok());
        for trick in [
            "https://app.example/cb/",
            "https://app.example/cb?",
            "https://app.example/cb?x=1",
            "https://app.example/cb#",
            "https://app.example/cb#f",
            "https://app.example/CB",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "http://app.example/cb",
            "https://app.example:443/cb",
            "https://app.example:8443/cb",
            "https://app.example./cb",
            "https://user@app.example/cb",
            "https://app.example@evil.example/cb",
            "https://app.example.evil.example/cb",
            "https://evil.example/https://app.example/cb",
            "https://evil.example?https://app.example/cb",
            "https://evil.example#https://app.example/cb",
            "https://app.example/cb/../evil",
            "https://app.example/./cb",
            "https://app.example//cb",
            "https://app.example/%63b",
            "https://app.example/cb%00",
            "https://app.example/cb%0d%0aLocation:evil",
            "https://app.example/cb ",
            " https://app.example/cb",
            "https://app.example\\@evil.example/cb",
            "https:\\\\app.example\\cb",
            "//app.example/cb",
            "/cb",
            "javascript:alert(1)//https://app.example/cb",
            "data:text/html,https://app.example/cb",
            "https://app.example/cb;evil",
            "https://app.example/cb,https://evil.example",
            "https://аpp.example/cb",
            "https://xn--pp-6kc.example/cb",
            "https://[::1]/cb",
            "https://app.example/*",
            "https://*.example/cb",
            "ftp://app.example/cb",
        ] {
            let refused = authorization(&registered, &asked(&[("redirect_uri", trick)]), "i");
            assert!(matches!(refused, Err(NotAuthorized::Page(_))), "{trick}");
        }
        assert!(matches!(
            authorization(&registered, &asked(&[("redirect_uri", "")]), "i"),
            Err(NotAuthorized::Page(_))
        ));
    }

    #[test]
    fn a_native_app_chooses_its_port_and_nothing_else() {
        let native = client(&["http://127.0.0.1/cb"], true);
        assert!(
            authorization(&native, &asked(&[("redirect_uri", "http://127.0.0.1:49152/cb")]), "i").is_ok()
        );
        for trick in [
            "http://127.0.0.1:1/other",
            "http://localhost:1/cb",
            "http://127.0.0.1:1@evil/cb",
            "https://127.0.0.1:1/cb",
        ] {
            assert!(authorization(&native, &asked(&[("redirect_uri", trick)]), "i").is_err(), "{trick}");
        }
        let confidential = client(&["http://127.0.0.1/cb"], false);
        assert!(
            authorization(&confidential, &asked(&[("redirect_uri", "http://127.0.0.1:1/cb")]), "i").is_err()
        );
    }

    #[test]
    fn what_the_client_did_wrong_is_told_to_the_client() {
        let registered = client(&["https://app.example/cb"], false);
        for (pairs, wanted) in [
            ([("response_type", "token")], "unsupported_response_type"),
            ([("response_type", "code id_token")], "unsupported_response_type"),
            ([("code_challenge_method", "plain")], "invalid_request"),
            ([("code_challenge_method", "")], "invalid_request"),
            ([("code_challenge", "")], "invalid_request"),
            ([("code_challenge", "short")], "invalid_request"),
            ([("response_mode", "fragment")], "invalid_request"),
            ([("max_age", "soon")], "invalid_request"),
            ([("prompt", "none login")], "invalid_request"),
            ([("request", "e30.e30.")], "request_not_supported"),
        ] {
            match authorization(&registered, &asked(&pairs), "i") {
                Err(NotAuthorized::Client { error, to, .. }) => {
                    assert_eq!(error, wanted, "{pairs:?}");
                    assert!(to.url(&to.error(error, "")).starts_with("https://app.example/cb?error="));
                }
                other => panic!("{pairs:?}: {other:?}"),
            }
        }
    }
}
