//! The committed templates, compiled once. HTML is escaped by its name.

use std::sync::OnceLock;

use minijinja::Environment;
use serde::Serialize;
use web::Problem;

const SOURCES: [(&str, &str); 36] = [
    ("invitation/subject.txt", include_str!("../../../../templates/mail/invitation/subject.txt")),
    ("invitation/text.txt", include_str!("../../../../templates/mail/invitation/text.txt")),
    ("invitation/body.html", include_str!("../../../../templates/mail/invitation/body.html")),
    ("directory-held/subject.txt", include_str!("../../../../templates/mail/directory-held/subject.txt")),
    ("directory-held/text.txt", include_str!("../../../../templates/mail/directory-held/text.txt")),
    ("directory-held/body.html", include_str!("../../../../templates/mail/directory-held/body.html")),
    ("token-expiring/subject.txt", include_str!("../../../../templates/mail/token-expiring/subject.txt")),
    ("token-expiring/text.txt", include_str!("../../../../templates/mail/token-expiring/text.txt")),
    ("token-expiring/body.html", include_str!("../../../../templates/mail/token-expiring/body.html")),
    ("account-proof/subject.txt", include_str!("../../../../templates/mail/account-proof/subject.txt")),
    ("account-proof/text.txt", include_str!("../../../../templates/mail/account-proof/text.txt")),
    ("account-proof/body.html", include_str!("../../../../templates/mail/account-proof/body.html")),
    ("sign-in-link/subject.txt", include_str!("../../../../templates/mail/sign-in-link/subject.txt")),
    ("sign-in-link/text.txt", include_str!("../../../../templates/mail/sign-in-link/text.txt")),
    ("sign-in-link/body.html", include_str!("../../../../templates/mail/sign-in-link/body.html")),
    (
        "connection-expiring/subject.txt",
        include_str!("../../../../templates/mail/connection-expiring/subject.txt"),
    ),
    ("connection-expiring/text.txt", include_str!("../../../../templates/mail/connection-expiring/text.txt")),
    (
        "connection-expiring/body.html",
        include_str!("../../../../templates/mail/connection-expiring/body.html"),
    ),
    ("login.html", include_str!("../../../../templates/pages/login.html")),
    ("choose.html", include_str!("../../../../templates/pages/choose.html")),
    ("links_sent.html", include_str!("../../../../templates/pages/links_sent.html")),
    ("post.html", include_str!("../../../../templates/pages/post.html")),
    ("proof.html", include_str!("../../../../templates/pages/proof.html")),
    ("signed_in.html", include_str!("../../../../templates/pages/signed_in.html")),
    ("sign_out.html", include_str!("../../../../templates/pages/sign_out.html")),
    ("signed_out.html", include_str!("../../../../templates/pages/signed_out.html")),
    ("sign_in_failed.html", include_str!("../../../../templates/pages/sign_in_failed.html")),
    ("test_result.html", include_str!("../../../../templates/pages/test_result.html")),
    ("operator.html", include_str!("../../../../templates/pages/operator.html")),
    ("operator_login.html", include_str!("../../../../templates/pages/operator_login.html")),
    ("operator_enroll.html", include_str!("../../../../templates/pages/operator_enroll.html")),
    ("layout.html", include_str!("../../../../templates/pages/layout.html")),
    ("invitation.html", include_str!("../../../../templates/pages/invitation.html")),
    ("invitation_accepted.html", include_str!("../../../../templates/pages/invitation_accepted.html")),
    ("refusal.html", include_str!("../../../../templates/pages/refusal.html")),
    ("dev_mail.html", include_str!("../../../../templates/pages/dev_mail.html")),
];

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(name, %error, "a template can't be read");
            }
        }
        environment
    })
}

fn render(name: &str, values: &impl Serialize) -> Result<String, Problem> {
    let template = environment().get_template(name).map_err(Problem::internal)?;
    template.render(minijinja::value::Serde(values)).map_err(Problem::internal)
}

/// Subject, text and HTML of a mail.
pub(crate) fn mail(template: &str, values: &impl Serialize) -> Result<(String, String, String), Problem> {
    let subject = render(&format!("{template}/subject.txt"), values)?;
    // A subject is one line, whatever stands in a name.
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok((
        subject,
        render(&format!("{template}/text.txt"), values)?,
        render(&format!("{template}/body.html"), values)?,
    ))
}

/// A page.
///
/// # Errors
/// `internal` if the template lacks a value.
pub fn page(name: &str, values: &impl Serialize) -> Result<String, Problem> {
    render(&format!("{name}.html"), values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> serde_json::Value {
        json!({"inviter": text, "tenant": text, "role": "admin", "message": text, "link": "https://x/?token=t", "expires_at": "soon"})
    }

    #[test]
    fn every_template_can_be_read() {
        for (name, _) in SOURCES {
            assert!(environment().get_template(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_hostile_name_reaches_neither_the_markup_nor_the_headers() {
        let (subject, text, html) =
            mail("invitation", &values("<img src=x onerror=alert(1)>\r\nBcc: a@b")).unwrap();
        assert!(!subject.contains(['\r', '\n']));
        assert!(text.contains("<img"));
        assert!(!html.contains("<img") && html.contains("&lt;img"));
    }
}
