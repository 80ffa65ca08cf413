//! What a handler takes from the path, from `If-Match`, and from what capabilities share.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{Ready, ready};
use platform::refusal::VersionMismatch;
use uuid::Uuid;

use crate::{Code, Problem};

/// Ids and keys from the path. What isn't one in its strict form is a resource that doesn't exist.
#[derive(Debug)]
pub struct Ids(HttpRequest);

impl Ids {
    /// A UUID in its hyphenated form.
    ///
    /// # Errors
    /// `not_found` for anything else.
    pub fn id(&self, name: &str) -> Result<Uuid, Problem> {
        let text = self.0.match_info().get(name).unwrap_or_default();
        strict_uuid(text).ok_or_else(|| Problem::new(Code::NOT_FOUND))
    }

    /// A key or slug: letters, digits, `.`, `_`, `-`, at most 100.
    ///
    /// # Errors
    /// `not_found` for anything else.
    pub fn key(&self, name: &str) -> Result<&str, Problem> {
        let text = self.0.match_info().get(name).unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=100).contains(&text.len()) && text.bytes().all(fits) {
            Ok(text)
        } else {
            Err(Problem::new(Code::NOT_FOUND))
        }
    }
}

pub(crate) fn strict_uuid(text: &str) -> Option<Uuid> {
    // The parser also takes braces, URNs and bare hex: one resource, one name.
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

impl FromRequest for Ids {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.clone())))
    }
}

/// Something that a capability shares among its handlers, put into the application where it is put together.
#[derive(Debug)]
pub struct Shared<T>(web::Data<T>);

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: 'static> FromRequest for Shared<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.app_data::<web::Data<T>>().cloned();
        ready(
            found
                .map(Self)
                .ok_or_else(|| Problem::internal(format!("no {} is shared", std::any::type_name::<T>()))),
        )
    }
}

/// Whether a list of entity tags (RFC 9110, section 13.1) names this version, or all. Compared weakly.
pub fn names_version(tags: &str, version: impl std::fmt::Display) -> bool {
    let tag = format!("\"{version}\"");
    tags.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}

/// `If-Match`: the versions that the caller has seen.
#[derive(Debug)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// Whether the caller named a version: then the resource must be locked before it is compared.
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Refuses a write to a version that the caller hasn't seen. Without the header everything matches.
    pub fn require(&self, version: i64) -> Result<(), VersionMismatch> {
        let matches = self.0.as_ref().is_none_or(|header| names_version(header, version));
        if matches { Ok(()) } else { Err(VersionMismatch) }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get(header::IF_MATCH);
        ready(Ok(Self(value.map(|value| value.to_str().unwrap_or_default().to_owned()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        assert!(strict_uuid("01890a5d-ac96-774b-bcce-b302099a8057").is_some());
        for other in [
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "",
        ] {
            assert!(strict_uuid(other).is_none());
        }
    }
}
