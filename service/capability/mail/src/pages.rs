//! The page that shows the mails of a machine without SMTP.

use actix_web::HttpResponse;
use pages::{Error, Pages};
use serde::Serialize;

static PAGES: Pages = ::pages::pages!("../../../../templates/pages/mail/": "dev_mail.html");

/// Newest first.
pub(crate) fn dev_mail(mails: &[impl Serialize]) -> Result<HttpResponse, Error> {
    PAGES.page("dev_mail.html").show(&serde_json::json!({"mails": mails}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        super::PAGES.check().unwrap();
    }
}
