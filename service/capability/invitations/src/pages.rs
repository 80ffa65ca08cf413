//! What invited people, and who asks to join, see.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use pages::{Error, Forms, Pages};
use serde::Serialize;

static PAGES: Pages = ::pages::pages!("../../../../templates/pages/invitations/": "invitation.html", "invitation_accepted.html", "join.html");

/// An invitation, with the form that accepts it.
pub(crate) fn invitation(values: &impl Serialize) -> Result<HttpResponse, Error> {
    PAGES.page("invitation.html").forms(Forms::Own).show(values)
}

/// An invitation that was accepted.
pub(crate) fn accepted(values: &impl Serialize) -> Result<HttpResponse, Error> {
    PAGES.page("invitation_accepted.html").show(values)
}

/// The form by which somebody asks to join.
pub(crate) fn join(status: StatusCode, values: &impl Serialize) -> Result<HttpResponse, Error> {
    PAGES.page("join.html").status(status).forms(Forms::Own).show(values)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        super::PAGES.check().unwrap();
    }
}
