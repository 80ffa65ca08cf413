//! The problem codes of mail.

web::codes! {
    MAIL_LIMITED = "mail.limited" 429 "The limit for mails of this kind within 24 hours is reached.";
}
