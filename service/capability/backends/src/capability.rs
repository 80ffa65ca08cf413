//! What this capability brings to the service.

use entity::tenancy::states::IdentityBackend;
use web::{Capability, Finding, PlatformService, Routes};

use crate::codes;
use crate::settings::Settings;

/// What the doctor asks; what is done at backends is provisioning's.
pub fn capability() -> Capability {
    Capability::new(Routes::new).settings::<Settings>().problems(codes::DECLARED).checks(check)
}

async fn check(service: PlatformService) -> Vec<Finding> {
    let mut found = Vec::new();
    let outside = crate::configured(&service).into_iter().filter(|which| *which != IdentityBackend::Builtin);
    for which in outside {
        let asked = match crate::backend(&service, which) {
            Ok(backend) => backend.ping(&service.outside()).await.map_err(|failure| failure.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let name = which.as_str();
        let with_remedy = |error| format!("{error}: check identity.{name}");
        let is = asked.map(|()| "it answers our credentials".to_owned()).map_err(with_remedy);
        found.push(Finding::of(name, is));
    }
    found
}
