//! What operators see when they enrol and sign in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use pages::{Error, Forms, Page, Pages};
use serde::Serialize;

static PAGES: Pages = ::pages::pages!("../../../../templates/pages/operators/": "operator.html", "operator_enroll.html", "operator_login.html");

/// The pages' one script: WebAuthn has no form.
const SCRIPT: &str = include_str!("../../../../templates/pages/operators/passkey.js");

/// Whoever is signed in may ask the API by the cookie, from the page too.
fn page(name: &'static str) -> Page {
    PAGES.page(name).forms(Forms::Own).fetches()
}

/// One who is signed in.
pub(crate) fn operator(status: StatusCode, values: &impl Serialize) -> Result<HttpResponse, Error> {
    page("operator.html").status(status).show(values)
}

/// Where a passkey is made.
pub(crate) fn enroll(values: &impl Serialize) -> Result<HttpResponse, Error> {
    page("operator_enroll.html").script(SCRIPT).show(values)
}

/// Where operators come in.
pub(crate) fn login(status: StatusCode, values: &impl Serialize) -> Result<HttpResponse, Error> {
    page("operator_login.html").status(status).script(SCRIPT).show(values)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        super::PAGES.check().unwrap();
    }
}
