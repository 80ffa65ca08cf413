//! What a subject token says, and whether its claims hold. Pure; the signature was checked before.

use platform::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

/// `aud`: one or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Audience {
    /// All that are named.
    #[must_use]
    pub fn list(&self) -> &[String] {
        match self {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Several(list) => list,
        }
    }
}

/// The claims that matter. A claim of a wrong type makes the whole token unreadable, never the claim absent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SubjectClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    azp: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl SubjectClaims {
    /// What is wrong with the claims, if anything is.
    pub(crate) fn refuse(
        &self,
        issuer: &str,
        audience: &str,
        now: Timestamp,
        skew_seconds: i64,
    ) -> Option<&'static str> {
        let now = now.timestamp();
        let named = self.aud.list();
        if self.iss != issuer {
            return Some("its issuer is another");
        }
        if !named.iter().any(|one| one == audience) {
            return Some("it is for another audience");
        }
        // OpenID Connect Core, section 3.1.3.7: of several audiences, `azp` says for whom it was made.
        if named.len() > 1 && self.azp.as_deref() != Some(audience) {
            return Some("it is for several audiences and not made for this one");
        }
        if self.exp.saturating_add(skew_seconds) <= now {
            return Some("it has expired");
        }
        if self.nbf.is_some_and(|from| from.saturating_sub(skew_seconds) > now) {
            return Some("it is not valid yet");
        }
        if self.iat.is_some_and(|made| made.saturating_sub(skew_seconds) > now) {
            return Some("it was made in the future");
        }
        if !identity_core::is_subject(&self.sub) {
            return Some("its subject is not one");
        }
        None
    }

    /// A claim that says yes or no.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.rest.get(name).and_then(connections::yes_or_no)
    }

    /// A claim that isn't one of the standard ones.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.rest.get(name)
    }

    /// A text claim by its name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match name {
            "sub" => Some(&self.sub),
            "iss" => Some(&self.iss),
            _ => self.rest.get(name).and_then(Value::as_str),
        }
    }
}

/// Where to send the browser: a path of the module itself, or a registered URI, exactly.
pub(crate) fn return_to(wanted: &str, registered: &[String]) -> Option<String> {
    if registered.iter().any(|uri| uri == wanted) {
        return Some(wanted.to_owned());
    }
    let local = wanted.starts_with('/')
        && !wanted.chars().any(|c| c.is_control() || c == '\\')
        && Url::parse("https://here.invalid").and_then(|base| base.join(wanted)).is_ok_and(|url| {
            url.host_str() == Some("here.invalid") && url.scheme() == "https" && url.port().is_none()
        });
    local.then(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn refuse(change: impl FnOnce(&mut Value)) -> Result<Option<&'static str>, ()> {
        let mut claims = json!({"iss": "i", "sub": "s", "aud": "a", "exp": 2000, "iat": 1000, "nbf": 1000});
        change(&mut claims);
        let claims: SubjectClaims = serde_json::from_value(claims).map_err(|_| ())?;
        Ok(claims.refuse("i", "a", DateTime::from_timestamp(1500, 0).unwrap(), 30))
    }

    #[test]
    fn each_wrong_claim_alone_is_refused() {
        assert_eq!(refuse(|_| ()), Ok(None));
        assert_eq!(refuse(|claims| claims["exp"] = json!(1471)), Ok(None));
        assert_eq!(refuse(|claims| claims["aud"] = json!(["a"])), Ok(None));
        let several = |claims: &mut Value| {
            claims["aud"] = json!(["a", "b"]);
            claims["azp"] = json!("a");
        };
        assert_eq!(refuse(several), Ok(None));
        let wrong: [fn(&mut Value); 12] = [
            |claims| claims["iss"] = json!("j"),
            |claims| claims["aud"] = json!("b"),
            |claims| claims["aud"] = json!([]),
            |claims| claims["aud"] = json!(["a", "b"]),
            |claims| claims["exp"] = json!(1470),
            |claims| claims["exp"] = json!(-1),
            |claims| claims["nbf"] = json!(1531),
            |claims| claims["iat"] = json!(1531),
            |claims| claims["sub"] = json!(""),
            |claims| claims["sub"] = json!("x".repeat(256)),
            |claims| claims["sub"] = json!("a\u{0}b"),
            |claims| claims["exp"] = json!(i64::MIN),
        ];
        for (at, change) in wrong.into_iter().enumerate() {
            assert!(matches!(refuse(change), Ok(Some(_))), "case {at}");
        }
    }

    #[test]
    fn a_claim_of_a_wrong_type_is_not_taken_for_absent() {
        for (name, value) in [
            ("exp", json!("2000")),
            ("nbf", json!("1000")),
            ("iat", json!([])),
            ("sub", json!(7)),
            ("aud", json!({})),
            ("iss", Value::Null),
        ] {
            assert!(refuse(|claims| claims[name] = value).is_err(), "{name}");
        }
        assert!(
            refuse(|claims| {
                claims.as_object_mut().unwrap().remove("exp");
            })
            .is_err()
        );
    }

    #[test]
    fn a_return_goes_nowhere_else() {
        let registered = ["https://app.example/cb".to_owned()];
        for fine in ["/", "/a/b?c=d#e", "https://app.example/cb"] {
            assert_eq!(return_to(fine, &registered).as_deref(), Some(fine));
        }
        for trick in [
            "",
            "//evil",
            "///evil",
            "/\\evil",
            "\\\\evil",
            "https:evil",
            "https://evil",
            "https://app.example/cb/",
            "javascript:alert(1)",
            "/\t/evil",
            "/\r\nevil",
            "http://app.example/cb",
            "https://app.example@evil/cb",
            "https://app.example/cb?x",
            " /",
            "/\u{0}",
            "data:text/html,x",
            "//evil.example/%2f..",
            "HTTPS://app.example/cb",
        ] {
            assert_eq!(return_to(trick, &registered), None, "{trick:?}");
        }
    }

    #[test]
    fn a_claim_is_read_by_its_name() {
        let claims = json!({"iss": "i", "sub": "s", "aud": "a", "exp": 1, "email_verified": "true", "late": false,
            "tenant": "t", "level": 7});
        let claims: SubjectClaims = serde_json::from_value(claims).unwrap();
        for (name, text, flag, value) in [
            ("sub", Some("s"), None, None),
            ("iss", Some("i"), None, None),
            ("tenant", Some("t"), Some(false), Some(json!("t"))),
            ("email_verified", Some("true"), Some(true), Some(json!("true"))),
            ("late", None, Some(false), Some(json!(false))),
            ("level", None, Some(false), Some(json!(7))),
            ("absent", None, None, None),
        ] {
            assert_eq!(claims.text(name), text, "{name}");
            assert_eq!(claims.flag(name), flag, "{name}");
            assert_eq!(claims.value(name), value.as_ref(), "{name}");
        }
    }

    #[test]
    fn an_audience_is_one_or_several() {
        for (audience, expected) in
            [(json!("a"), vec!["a"]), (json!(["a", "b"]), vec!["a", "b"]), (json!([]), vec![])]
        {
            let audience: Audience = serde_json::from_value(audience).unwrap();
            assert_eq!(audience.list(), expected);
        }
    }

    /// RFC 7519, sections 4.1.4 to 4.1.6, with 30 seconds of skew around 1500.
    #[test]
    fn a_token_is_good_between_its_moments() {
        for (name, value, fine) in [
            ("exp", 1471, true),
            ("exp", 1470, false),
            ("nbf", 1530, true),
            ("nbf", 1531, false),
            ("iat", 1530, true),
            ("iat", 1531, false),
        ] {
            let found = refuse(|claims| claims[name] = json!(value)).unwrap();
            assert_eq!(found.is_none(), fine, "{name} {value}: {found:?}");
        }
        let azp = |azp: Value| {
            refuse(|claims| {
                claims["aud"] = json!(["a", "b"]);
                claims["azp"] = azp;
            })
        };
        assert!(azp(json!("a")).unwrap().is_none() && azp(json!("b")).unwrap().is_some());
    }
}
