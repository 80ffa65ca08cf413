//! A browser without a screen: cookies by host, redirects, forms. It runs no scripts, so what it can do works without them.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use url::Url;

/// A page, as it came.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

/// A browser.
#[derive(Clone)]
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// Where it stops: a module's redirect URI, at which nobody listens.
    pub stops: Vec<String>,
}

impl Default for Browser {
    fn default() -> Self {
        Self {
            http: crate::app::http(),
            cookies: BTreeMap::new(),
            stops: vec!["https://app.example/".to_owned()],
        }
    }
}

fn unescape(text: &str) -> String {
    let plain = [
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#43;", "+"),
        ("&#61;", "="),
        ("&#x3d;", "="),
        ("&amp;", "&"),
    ];
    plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The value of an attribute in a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let rest = &tag[at..];
    Some(unescape(&rest[..rest.find('"')?]))
}

impl Page {
    /// The first form: where it goes, and what it holds already.
    pub fn form(&self) -> (Url, Vec<(String, String)>) {
        let start =
            self.text.find("<form").unwrap_or_else(|| panic!("no form at {}: {}", self.url, self.text));
        let body = &self.text[start..];
        let body = &body[..body.find("</form>").unwrap_or(body.len())];
        let tag = &body[..body.find('>').expect("a tag")];
        let action = attribute(tag, "action").unwrap_or_default();
        let fields = body.split("<input").skip(1).filter_map(|input| {
            let input = &input[..input.find('>')?];
            Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
        });
        (self.url.join(&action).expect("a URL"), fields.collect())
    }

    /// Where the first link goes whose address contains this.
    #[track_caller]
    pub fn link(&self, part: &str) -> String {
        let links = self
            .text
            .split("<a ")
            .skip(1)
            .filter_map(|tag| attribute(&format!(" {}", &tag[..tag.find('>')?]), "href"));
        let to = links.into_iter().find(|to| to.contains(part));
        let to = to.unwrap_or_else(|| panic!("no link to {part} at {}: {}", self.url, self.text));
        self.url.join(&to).expect("a URL").into()
    }

    /// The text with its character references resolved.
    pub fn plain(&self) -> String {
        unescape(&self.text)
    }

    /// A parameter of the page's own URL.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(one, _)| one == name).map(|(_, value)| value.into_owned())
    }

    /// The code that the page shows for support.
    pub fn code(&self) -> Option<String> {
        let at = self.text.find("<p class=\"code\">")? + 16;
        Some(self.text[at..at + 9].to_owned())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.url, self.text);
        self
    }

    /// A refusal's page: its problem code.
    #[track_caller]
    pub fn refused(self, code: &str) -> Self {
        assert!(
            self.status.is_client_error() || self.status.is_server_error(),
            "{} {}",
            self.url,
            self.status
        );
        assert!(self.text.contains(code), "not {code}: {} {}", self.url, self.text);
        self
    }
}

impl Browser {
    /// A cookie of a host and port.
    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let url = Url::parse(url).expect("a URL");
        self.cookies.get(url.authority())?.get(name).cloned()
    }

    pub fn forget(&mut self, url: &str) {
        self.cookies.remove(Url::parse(url).expect("a URL").authority());
    }

    async fn once(&mut self, method: Method, url: &Url, form: Option<&[(String, String)]>) -> Page {
        let mut request = self.http.request(method.clone(), url.clone()).header("user-agent", "test browser");
        if let Some(jar) = self.cookies.get(url.authority()) {
            let all: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", all.join("; "));
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.expect("an answer");
        crate::client::remember_write(method, url.clone(), &response);
        let (status, headers) = (response.status(), response.headers().clone());
        let jar = self.cookies.entry(url.authority().to_owned()).or_default();
        for cookie in headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("text");
            let (pair, rest) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a pair");
            if rest.contains("Max-Age=0") || value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { url: url.clone(), status, headers, text: response.text().await.expect("a body") }
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..20 {
            let Some(to) = page.headers.get("location").and_then(|to| to.to_str().ok()) else { return page };
            if !page.status.is_redirection() {
                return page;
            }
            let to = page.url.join(to).expect("a URL");
            if self.stops.iter().any(|stop| to.as_str().starts_with(stop)) {
                page.url = to;
                page.text.clear();
                return page;
            }
            page = self.once(Method::GET, &to, None).await;
        }
        panic!("too many redirects: {}", page.url);
    }

    /// Opens a page, following redirects.
    pub async fn open(&mut self, url: impl AsRef<str>) -> Page {
        let url = Url::parse(url.as_ref()).expect("a URL");
        let page = self.once(Method::GET, &url, None).await;
        self.follow(page).await
    }

    /// Opens a page, following nothing.
    pub async fn peek(&mut self, url: impl AsRef<str>) -> Page {
        let url = Url::parse(url.as_ref()).expect("a URL");
        self.once(Method::GET, &url, None).await
    }

    /// Sends the page's form with these fields filled in.
    pub async fn submit(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let (action, mut fields) = page.form();
        for (name, value) in filled {
            fields.retain(|(one, _)| one != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.post(action.as_str(), &fields).await
    }

    /// Posts a form.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Page {
        let url = Url::parse(url).expect("a URL");
        let page = self.once(Method::POST, &url, Some(fields)).await;
        self.follow(page).await
    }

    /// Goes through npm oidc-provider's pages as this person, up to where they lead.
    pub async fn at_oidc_provider(&mut self, mut page: Page, person: &str) -> Page {
        for _ in 0..4 {
            if !page.url.path().contains("/interaction/") {
                return page;
            }
            page = if page.text.contains("value=\"login\"") {
                self.submit(&page, &[("login", person), ("password", "x")]).await
            } else {
                self.submit(&page, &[]).await
            };
        }
        page
    }
}
