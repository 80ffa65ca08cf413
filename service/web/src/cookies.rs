//! Cookies of our own pages, and whether a request comes from one of these pages.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse};

use crate::Tools;

/// Whether a browser sent the request from one of our own pages. A form on a page that sends no referrer has the origin `null`;
/// there `Sec-Fetch-Site` says it, which no script can set (Fetch Metadata, section 2.4).
pub fn is_from_own_page(tools: &Tools, request: &HttpRequest) -> bool {
    let value = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    value("sec-fetch-site") == Some("same-origin")
        || value("origin").is_some_and(|origin| origin == tools.config.public_url())
}

/// The name of operators' cookie.
pub fn operator_cookie(tools: &Tools) -> String {
    cookie_name(tools, "tnt_operator")
}

/// The name of the cookie of people whom an identity provider signed in.
pub fn session_cookie(tools: &Tools) -> String {
    cookie_name(tools, "tnt_session")
}

/// With `__Host-` a cookie belongs to this host alone: no neighbour can plant one (RFC 6265bis, section 4.1.3.2).
pub fn cookie_name(tools: &Tools, name: &str) -> String {
    let prefix = if tools.config.public_url().starts_with("https://") { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// Sets a cookie of our own pages, out of scripts' reach; with 0 seconds the browser forgets it.
pub fn set_cookie(
    tools: &Tools,
    response: &mut HttpResponse,
    (name, value): (String, &str),
    same_site: SameSite,
    seconds: i64,
) {
    let cookie = Cookie::build(name, value.to_owned())
        .path("/")
        .http_only(true)
        .secure(tools.config.public_url().starts_with("https://"))
        .same_site(same_site)
        .max_age(Duration::seconds(seconds))
        .finish();
    // Only a cookie that can't be written fails, and these can.
    let _ = response.add_cookie(&cookie);
}
