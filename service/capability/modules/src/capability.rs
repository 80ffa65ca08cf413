//! What this capability brings to the service.

use platform::http::{HttpError, UrlRefused};
use platform::retention::Retained;
use web::{Capability, Finding, PlatformService};

use crate::{codes, ops, store};

/// Routes, and the question whether the modules are there.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .emits(ops::EVENTS)
        .retains([Retained::until_removed("module")])
        .checks(check)
}

async fn check(service: PlatformService) -> Vec<Finding> {
    let mut found = Vec::new();
    let modules = service.db.read(async |view| store::modules(view).await).await;
    for module in modules.unwrap_or_default() {
        let asked = match module.base_url.parse() {
            Ok(url) => service.http.get_text(&url).await.map(drop),
            Err(_) => Err(HttpError::Refused(UrlRefused::NoUrl)),
        };
        // Any answer is a sign of life: what stands at the base URL is the module's own affair.
        let alive = match asked {
            Ok(()) | Err(HttpError::Status { .. } | HttpError::Body { .. }) => {
                Ok(format!("{} answers", module.base_url))
            }
            Err(error) => Err(format!("{error}: check the module's baseUrl")),
        };
        found.push(Finding::of(format!("module {}", module.name), alive));
    }
    found
}
