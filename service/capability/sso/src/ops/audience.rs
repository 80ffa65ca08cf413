//! For whom a token may be asked for, and who may ask about it.

use entity::webhooks::module;
use policy_core::Role;
use sessions::Claims;

/// Who asks for a token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
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
pub(crate) fn audience(
    asked: Option<&str>,
    by: By<'_>,
    platform: &str,
    modules: &[module::Model],
) -> Option<String> {
    let asked = match (asked, by) {
        (Some(asked), _) => asked,
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

/// Whether a module may ask about a token: one of its own, one for it, or one for the platform as a whole.
pub(crate) fn may_introspect(module: &module::Model, claims: &Claims, platform: &str) -> bool {
    claims.client_id == module.client_id || names(module, &claims.aud) || claims.aud == platform
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_whom_its_caller_may_ask() {
        let module = |id: &str| module::Model {
            client_id: id.to_owned(),
            base_url: format!("https://{id}.example"),
            ..crate::ops::authorize::tests::client(&[], false)
        };
        let (one, other) = (module("one"), module("other"));
        let (all, platform) = ([one.clone(), other.clone()], "https://id.example");
        let table = [
            (None, By::Module(&one), Some("one")),
            (Some("one"), By::Module(&one), Some("one")),
            (Some("https://one.example"), By::Module(&one), Some("https://one.example")),
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
}
