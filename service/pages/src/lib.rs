//! How pages are made: the layout that all share (light and dark, by keyboard, without scripts), escaping, and the policy that tells the
//! browser what a page may do. It holds no page: each capability has its own in its `pages.rs`, with their templates in
//! `templates/pages/CAPABILITY/`.
//!
//! Everything that is written into a page is escaped. A policy begins with nothing (Content Security
//! Policy Level 3, `default-src 'none'`), and a page says what it needs beyond that.

mod policy;

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::{StatusCode, header};
use minijinja::Environment;
use serde::Serialize;
use serde_json::json;
use web::Problem;

use policy::{Fetches, Policy};
pub use policy::{Forms, Frames};

/// What every page extends, and the page of a refusal, which several show.
const SHARED: [(&str, &str); 2] = [
    ("layout.html", include_str!("../../../templates/pages/layout.html")),
    (REFUSAL, include_str!("../../../templates/pages/refusal.html")),
];
const REFUSAL: &str = "refusal.html";

/// Why there is no page.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a page can't be made: {0}")]
pub struct Error(String);

fn failed(error: impl ToString) -> Error {
    Error(error.to_string())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::internal(error)
    }
}

/// The pages of a capability: names and templates, compiled once.
#[derive(Debug)]
pub struct Pages {
    sources: &'static [(&'static str, &'static str)],
    environment: OnceLock<Result<Environment<'static>, Error>>,
}

impl Pages {
    /// These templates, each under the name that the capability knows it by.
    pub const fn of(sources: &'static [(&'static str, &'static str)]) -> Self {
        Self { sources, environment: OnceLock::new() }
    }

    fn environment(&'static self) -> Result<&'static Environment<'static>, Error> {
        let made = self.environment.get_or_init(|| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
            environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
            for (name, source) in SHARED.iter().chain(self.sources) {
                environment.add_template(name, source).map_err(failed)?;
            }
            Ok(environment)
        });
        made.as_ref().map_err(Error::clone)
    }

    /// Whether each template can be read: for the test of a capability.
    ///
    /// # Errors
    /// [`Error`], with the template and what is wrong in it.
    pub fn check(&'static self) -> Result<(), Error> {
        self.environment().map(drop)
    }

    /// A page to be made.
    pub fn page(&'static self, name: &'static str) -> Page {
        Page { of: self, name, status: StatusCode::OK, policy: Policy::default() }
    }
}

/// The pages of a folder, each by its file's name: `pages!("../../templates/pages/NAME/": "one.html", "other.html")`. The path begins at the
/// file in which this stands.
#[macro_export]
macro_rules! pages {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        $crate::Pages::of(&[$(($name, include_str!(concat!($folder, $name)))),+])
    };
}

/// A page to be made, and what it may do.
#[derive(Debug)]
pub struct Page {
    of: &'static Pages,
    name: &'static str,
    status: StatusCode,
    policy: Policy,
}

impl Page {
    /// With another status than 200.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Its forms lead there.
    #[must_use]
    pub fn forms(mut self, forms: Forms) -> Self {
        self.policy.forms = forms;
        self
    }

    /// It has this script, as `script`: no other runs.
    #[must_use]
    pub fn script(mut self, script: &'static str) -> Self {
        self.policy.script = Some(script);
        self
    }

    /// Its script asks our own server.
    #[must_use]
    pub fn fetches(mut self) -> Self {
        self.policy.fetches = Fetches::Own;
        self
    }

    /// It shows pages of others.
    #[must_use]
    pub fn frames(mut self, frames: Frames) -> Self {
        self.policy.frames = frames;
        self
    }

    /// What stands in it.
    ///
    /// # Errors
    /// [`Error`] if it isn't there, or lacks a value.
    pub fn text(&self, values: &impl Serialize) -> Result<String, Error> {
        let mut values = serde_json::to_value(values).map_err(failed)?;
        if let (Some(script), Some(values)) = (self.policy.script, values.as_object_mut()) {
            values.insert("script".to_owned(), script.into());
        }
        let template = self.of.environment()?.get_template(self.name).map_err(failed)?;
        template.render(minijinja::value::Serde(&values)).map_err(failed)
    }

    /// Answers it with what [`Page::text`] made.
    pub fn with(self, text: impl MessageBody + 'static) -> HttpResponse {
        HttpResponse::build(self.status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, self.policy.to_string()))
            .body(text)
    }

    /// Makes it, and answers it.
    ///
    /// # Errors
    /// [`Error`] if it isn't there, or lacks a value.
    pub fn show(self, values: &impl Serialize) -> Result<HttpResponse, Error> {
        let text = self.text(values)?;
        Ok(self.with(text))
    }
}

/// What is refused, with the code's own title and a sentence on what to do.
pub fn refusal(problem: &Problem, advice: &str) -> Result<HttpResponse, Error> {
    static NONE: Pages = Pages::of(&[]);
    let (title, code) = (problem.code.title(), problem.code.name());
    let page = NONE.page(REFUSAL).status(problem.code.status());
    page.show(&json!({"title": title, "detail": advice, "code": code}))
}

/// A mail as it looks to its reader, to be shown beside a page: no script, no form, pictures from elsewhere.
pub fn mail(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy::MAIL))
        .body(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAGES: Pages = Pages::of(&[
        ("hello.html", "{% extends \"layout.html\" %}{% block body %}<h1>{{ name }}</h1>{% endblock %}"),
        ("script.html", "<script>{{ script | safe }}</script>"),
    ]);
    static BROKEN: Pages = Pages::of(&[("broken.html", "{% if %}")]);

    fn body(response: HttpResponse) -> String {
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_written_into_a_page_is_text() {
        let page = PAGES.page("hello.html").show(&json!({"name": "<img src=x>{{ 7*7 }}"})).unwrap();
        let policy =
            page.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().to_owned();
        let text = body(page);
        assert!(
            text.contains("<h1>&lt;img src=x&gt;{{ 7*7 }}</h1>") && text.contains("color-scheme"),
            "{text}"
        );
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("script-src"), "{policy}");
    }

    #[test]
    fn a_page_that_lacks_something_is_a_failure_of_ours() {
        PAGES.check().unwrap();
        assert!(BROKEN.check().unwrap_err().to_string().contains("broken.html"));
        for (pages, page) in [(&PAGES, "hello.html"), (&PAGES, "nowhere.html"), (&BROKEN, "broken.html")] {
            let failed = pages.page(page).show(&json!({})).unwrap_err();
            assert_eq!(Problem::from(failed).code.name(), "internal", "{page}");
        }
    }

    #[test]
    fn a_refusal_says_what_and_what_to_do() {
        let refused = refusal(&Problem::new(web::Code::INVITATION_GONE), "Ask for another.").unwrap();
        assert_eq!(refused.status(), StatusCode::GONE);
        let text = body(refused);
        assert!(text.contains("Ask for another.") && text.contains("invitation.gone"), "{text}");
    }

    #[test]
    fn a_script_is_the_one_that_is_named() {
        let page = PAGES.page("script.html").script("let a = 1 < 2;").show(&json!({})).unwrap();
        let policy =
            page.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'sha256-") && !policy.contains("connect-src"), "{policy}");
        assert!(body(page).contains("let a = 1 < 2;"));
    }
}
