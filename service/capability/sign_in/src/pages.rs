//! What people see who sign in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use pages::{Error, Forms, Pages};
use serde::Serialize;
use serde_json::json;

static PAGES: Pages = ::pages::pages!("../../../../templates/pages/sso/": "login.html", "choose.html", "links_sent.html", "post.html", "proof.html", "signed_in.html", "sign_in_failed.html", "test_result.html");

/// The one script of the pages: sends a form that a person would send by its button.
const SUBMIT: &str = "document.forms[0].submit()";

/// A page.
pub(crate) fn html(
    status: StatusCode,
    name: &'static str,
    values: &impl Serialize,
) -> Result<HttpResponse, Error> {
    PAGES.page(name).status(status).forms(Forms::Onward).show(values)
}

/// A form that posts itself; without scripts, by a button.
pub(crate) fn post(action: &str, fields: &[(&'static str, String)]) -> Result<HttpResponse, Error> {
    let values = json!({"action": action, "fields": fields});
    PAGES.page("post.html").forms(Forms::Onward).script(SUBMIT).show(&values)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        super::PAGES.check().unwrap();
    }
}
