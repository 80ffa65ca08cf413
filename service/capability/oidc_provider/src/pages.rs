//! What people see who sign out.

use actix_web::HttpResponse;
use pages::{Error, Forms, Frames, Pages};
use serde_json::json;
use sign_in::Parameters;

static PAGES: Pages = ::pages::pages!("../../../../templates/pages/sso/": "sign_out.html", "signed_out.html");

/// Asks whether the person wants to sign out.
pub(crate) fn sign_out_page(fields: &Parameters) -> Result<HttpResponse, Error> {
    PAGES.page("sign_out.html").forms(Forms::Onward).show(&json!({"fields": fields}))
}

/// Who is signed out, and the modules' own logouts in frames.
pub(crate) fn signed_out(frames: &[String], to: Option<&str>) -> Result<HttpResponse, Error> {
    let framed = if frames.is_empty() { Frames::None } else { Frames::Modules };
    PAGES.page("signed_out.html").frames(framed).show(&json!({"frames": frames, "to": to}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        super::PAGES.check().unwrap();
    }
}
