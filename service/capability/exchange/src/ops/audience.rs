//! For whom a token may be asked for, and who may ask about it.

use entity::modules::module;
use policy_core::Role;
use sessions::Claims;

/// Who asks for a token.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A module, for itself.
    Module(&'a module::Model),
    /// A management key: of an operator or a gateway for any module, of others for the platform.
    Key(Role),
}

fn names(module: &module::Model, audience: &str) -> bool {
    module.client_id == audience || module.base_url == audience
}

/// The audience of a token that somebody asks for (RFC 8693, section 2.1); `None`: they may not ask for this one. A token for another
/// module would let whoever asked act there as the person.
#[must_use]
pub fn audience(
    asked: Option<&str>,
    by: By<'_>,
    platform: &str,
    modules: &[module::Model],
) -> Option<String> {
    let asked = match (asked, by) {
        // As they are stored.
        (Some(asked), _) => asked.strip_suffix('/').unwrap_or(asked),
        (None, By::Module(module)) => &module.client_id,
        (None, By::Key(_)) => platform,
    };
    let may = match by {
        By::Module(module) => names(module, asked),
        By::Key(Role::Operator | Role::Gateway) => {
            asked == platform || modules.iter().any(|module| names(module, asked))
        }
        By::Key(_) => asked == platform,
    };
    may.then(|| asked.to_owned())
}

/// Who may ask about a token: a module about its own, those for it and those for the platform as a whole; operators and gateways about all,
/// other keys about the platform's.
#[must_use]
pub fn may_introspect(by: By<'_>, claims: &Claims, platform: &str) -> bool {
    claims.aud == platform
        || match by {
            By::Module(module) => claims.client_id == module.client_id || names(module, &claims.aud),
            By::Key(role) => matches!(role, Role::Operator | Role::Gateway),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_whom_its_caller_may_ask() {
        let module = |id: &str| module::Model {
            client_id: id.to_owned(),
            base_url: format!("https://{id}.example"),
            ..modules::blank()
        };
        let (one, other) = (module("one"), module("other"));
        let (all, platform) = ([one.clone(), other.clone()], "https://id.example");
        let table = [
            (None, By::Module(&one), Some("one")),
            (Some("one"), By::Module(&one), Some("one")),
            (Some("https://one.example"), By::Module(&one), Some("https://one.example")),
            (Some("https://one.example/"), By::Module(&one), Some("https://one.example")),
            (Some("other"), By::Module(&one), None),
            (Some("https://other.example"), By::Module(&one), None),
            (Some(platform), By::Module(&one), None),
            (None, By::Key(Role::Gateway), Some(platform)),
            (Some("other"), By::Key(Role::Gateway), Some("other")),
            (Some("https://one.example"), By::Key(Role::Operator), Some("https://one.example")),
            (Some("nobody"), By::Key(Role::Operator), None),
            (Some(""), By::Key(Role::Gateway), None),
            (None, By::Key(Role::Module), Some(platform)),
            (Some(platform), By::Key(Role::Module), Some(platform)),
            (Some("one"), By::Key(Role::Module), None),
        ];
        for (asked, by, expected) in table {
            assert_eq!(audience(asked, by, platform, &all).as_deref(), expected, "{asked:?} by {by:?}");
        }
    }

    #[test]
    fn a_token_is_asked_about_by_whom_it_concerns() {
        let module = |id: &str| module::Model { client_id: id.to_owned(), ..modules::blank() };
        let (one, other, platform) = (module("one"), module("other"), "https://id.example");
        let of = |client_id: &str, aud: &str| Claims {
            client_id: client_id.to_owned(),
            aud: aud.to_owned(),
            iss: String::new(),
            sub: String::new(),
            exp: 0,
            iat: 0,
            scope: String::new(),
            jti: String::new(),
            sid: uuid::Uuid::nil(),
            tenant_id: uuid::Uuid::nil(),
            org_id: uuid::Uuid::nil(),
            roles: Vec::new(),
            plan: String::new(),
        };
        for (claims, [by_one, by_other, by_gateway, by_key]) in [
            (of("one", "one"), [true, false, true, false]),
            (of("key:gateway", "other"), [false, true, true, false]),
            (of("key:gateway", platform), [true; 4]),
        ] {
            let asked = [By::Module(&one), By::Module(&other), By::Key(Role::Gateway), By::Key(Role::Module)];
            let may = asked.map(|by| may_introspect(by, &claims, platform));
            assert_eq!(may, [by_one, by_other, by_gateway, by_key], "{claims:?}");
        }
    }
}
