//! What a browser may do with a page (Content Security Policy Level 3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::crypto::sha256;

/// The policy of a mail that is looked at.
pub(crate) const MAIL: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Where the forms of a page lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forms {
    /// It has none.
    #[default]
    None,
    /// To our own server.
    Own,
    /// On to identity providers and modules, by redirects that browsers hold against `form-action`.
    Onward,
}

/// Pages of others that a page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// None.
    #[default]
    None,
    /// Modules' own logouts (OpenID Connect Front-Channel Logout 1.0).
    Modules,
}

/// Whom the script of a page asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fetches {
    /// Nobody.
    #[default]
    None,
    /// Our own server.
    Own,
}

/// What one page may do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) script: Option<&'static str>,
    pub(crate) fetches: Fetches,
    pub(crate) forms: Forms,
    pub(crate) frames: Frames,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("default-src 'none'; ")?;
        if let Some(script) = self.script {
            let hash = STANDARD.encode(sha256(script.as_bytes()));
            write!(f, "script-src 'sha256-{hash}'; ")?;
        }
        if self.fetches == Fetches::Own {
            f.write_str("connect-src 'self'; ")?;
        }
        if self.frames == Frames::Modules {
            f.write_str("frame-src http: https:; ")?;
        }
        let forms = match self.forms {
            Forms::None => "'none'",
            Forms::Own => "'self'",
            Forms::Onward => "*",
        };
        write!(f, "style-src 'unsafe-inline'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_do_what_it_says_and_no_more() {
        let rest = |forms| {
            format!("style-src 'unsafe-inline'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'")
        };
        for (policy, wanted) in [
            (Policy::default(), format!("default-src 'none'; {}", rest("'none'"))),
            (
                Policy { forms: Forms::Own, ..Policy::default() },
                format!("default-src 'none'; {}", rest("'self'")),
            ),
            (
                Policy { frames: Frames::Modules, ..Policy::default() },
                format!("default-src 'none'; frame-src http: https:; {}", rest("'none'")),
            ),
            (
                Policy { script: Some(""), fetches: Fetches::Own, forms: Forms::Onward, ..Policy::default() },
                format!(
                    "default-src 'none'; script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; connect-src 'self'; {}",
                    rest("*")
                ),
            ),
        ] {
            assert_eq!(policy.to_string(), wanted);
        }
    }
}
