//! Whole answers, compared with those in `snapshots/`: what a caller sees changes on purpose only. `INSTA_UPDATE=always` writes them anew;
//! read the diff.

mod mails;
mod pages;
mod problems;
mod resources;
mod scim;
mod sign_in;

use serde_json::Value;
use tests::{Page, Reply, redacted};

/// The headers that say something about an answer.
const HEADERS: [&str; 7] =
    ["content-type", "location", "etag", "cache-control", "retry-after", "www-authenticate", "allow"];

/// Compares a text with the snapshot of this name.
#[track_caller]
fn text_is(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, redacted(text)));
}

/// Compares JSON with the snapshot of this name.
#[track_caller]
fn json_is(name: &str, value: &Value) {
    text_is(name, &serde_json::to_string_pretty(value).expect("JSON"));
}

fn headers(status: reqwest::StatusCode, headers: &reqwest::header::HeaderMap) -> String {
    let lines =
        HEADERS.iter().filter_map(|name| Some(format!("{name}: {}", headers.get(*name)?.to_str().ok()?)));
    std::iter::once(status.to_string()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Compares an answer of the API with the snapshot of this name: its status, headers and body.
#[track_caller]
fn answer_is(name: &str, reply: &Reply) {
    let body = match serde_json::from_str::<Value>(&reply.text) {
        Ok(value) => serde_json::to_string_pretty(&value).expect("JSON"),
        Err(_) => reply.text.replace("><", ">\n<"),
    };
    text_is(name, &format!("{}\n\n{body}", headers(reply.status, &reply.headers)));
}

/// Compares a page with the snapshot of this name: its status, headers, title and what is shown; not the style, which all pages share.
#[track_caller]
fn page_is(name: &str, page: &Page) {
    let between = |from: &str, to: &str| {
        let rest = page.text.split_once(from).unwrap_or_else(|| panic!("no {from}: {}", page.text)).1;
        rest.split(to).next().unwrap_or_default().trim().to_owned()
    };
    let (title, main) = (between("<title>", "</title>"), between("<main", "</main>"));
    // A script is a file of its own, of which nobody reads a copy.
    let main = match (main.find("<script>"), main.find("</script>")) {
        (Some(from), Some(to)) => format!("{}<script>…{}", &main[..from], &main[to..]),
        _ => main,
    };
    text_is(name, &format!("{}\n\n{title}\n\n<main {main}</main>", headers(page.status, &page.headers)));
}
