//! Parameters of OAuth 2 requests and answers, as a query or a form: bounded, each once.

use std::collections::BTreeMap;

use crate::error::Error;

/// Characters of one parameter.
const PARAMETER_MAX: usize = 2048;
/// Characters and parameters of a request.
const REQUEST_MAX: usize = 16 << 10;
const PARAMETERS_MAX: usize = 64;
/// Parameters that mean something here. Others are let go by (RFC 6749, section 3.1), and never stored.
const KNOWN: [&str; 20] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "connection",
    "domain_hint",
    "login_hint",
    "max_age",
    "nonce",
    "organization",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "tenant",
    "tnt_issuer",
    "ui_locales",
];

/// Parameters, each once (RFC 6749, section 3.1).
pub type Parameters = BTreeMap<String, String>;

/// What of a request is stored until it goes on.
pub(crate) fn known(parameters: &Parameters) -> Parameters {
    let known = parameters.iter().filter(|(name, _)| KNOWN.contains(&name.as_str()));
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads a query or form. A parameter that comes twice, or is too long, makes the request none.
pub fn read(text: &str) -> Result<Parameters, Error> {
    if text.len() > REQUEST_MAX {
        return Err(Error::RequestTooLong);
    }
    let mut all = Parameters::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        if all.len() >= PARAMETERS_MAX {
            return Err(Error::ParametersTooMany);
        }
        if value.len() > PARAMETER_MAX || value.contains('\0') {
            return Err(Error::ParameterUnreadable);
        }
        if value.is_empty() {
            continue;
        }
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Error::ParameterTwice);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once() {
        assert!(read("a=1&b=2").is_ok());
        assert!(read("a=1&a=1").is_err());
        assert!(read("a=%00").is_err());
        assert_eq!(read("a=").unwrap().len(), 0);
    }
}
