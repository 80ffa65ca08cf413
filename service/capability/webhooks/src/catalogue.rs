//! Every type of event, in one place: what it means and what its `data` holds. `/api/v1/event-types` and `docs/events.md` are made from it; a
//! guard compares it with what the code emits.

use serde_json::{Map, Value, json};

/// A type of event.
#[derive(Debug)]
pub struct EventType {
    /// `noun.verbed`
    pub name: &'static str,
    /// One sentence.
    pub means: &'static str,
    /// Name and kind of each field: `id`, `text`, `texts`, `number`, `flag`, `time`; with `?` it may be null or absent.
    pub data: &'static [(&'static str, &'static str)],
}

const TENANT: &[(&str, &str)] = &[("tenantId", "id"), ("slug", "text"), ("plan", "text"), ("status", "text")];
const USER: &[(&str, &str)] = &[
    ("userId", "id"),
    ("organizationId", "id"),
    ("userName", "text"),
    ("externalId", "text?"),
    ("active", "flag"),
    ("attributes", "texts?"),
];
const GROUP: &[(&str, &str)] = &[
    ("groupId", "id"),
    ("organizationId", "id"),
    ("displayName", "text"),
    ("externalId", "text?"),
    ("attributes", "texts?"),
];
const INVITATION: &[(&str, &str)] =
    &[("invitationId", "id"), ("organizationId", "id"), ("email", "text"), ("role", "text")];

macro_rules! types {
    ($($name:literal $means:literal $data:expr;)*) => {
        /// All types, by name.
        pub const CATALOGUE: &[EventType] = &[$(EventType { name: $name, means: $means, data: $data },)*];
    };
}

types! {
    "billing.price_unknown" "A subscription has a price that belongs to no plan; the tenant keeps its plan." &[("subscription", "text"), ("price", "text"), ("planKept", "text")];
    "billing.updated" "The payment provider reported a change of a tenant's subscription." &[("subscription", "text"), ("status", "text"), ("effect", "text"), ("plan", "text")];
    "connection.changed" "A connection to an identity provider was created, changed or deleted." &[("organizationId", "id"), ("connectionId", "id"), ("change", "text")];
    "connection.expiring" "A certificate or client secret of a connection expires soon." &[("organizationId", "id"), ("connectionId", "id"), ("what", "text"), ("expiresAt", "time"), ("daysUntilExpiry", "number")];
    "directory.held" "An identity provider tried to remove more users than the directory guard allows; the removals are held." &[("organizationId", "id"), ("usersMax", "number?"), ("percentMax", "number?"), ("windowSeconds", "number")];
    "directory.restored" "A directory was restored to a point in time." &[("organizationId", "id"), ("restoreId", "id"), ("moment", "time")];
    "domain.changed" "A domain was claimed or verified, or its DNS record is no longer there." &[("organizationId", "id"), ("domain", "text"), ("verified", "flag")];
    "flag.changed" "A flag was created, changed or deleted." &[("key", "text")];
    "flag.override_changed" "A tenant's override of a flag was set or removed." &[("key", "text"), ("variant", "text?")];
    "group.created" "A group was created." GROUP;
    "group.deleted" "A group was deleted." GROUP;
    "group.updated" "A group or its members changed." GROUP;
    "instance.available" "An instance accepts tenants now." &[("instanceId", "id")];
    "instance.capacity_low" "The shared instances are nearly full." &[("driver", "text"), ("mode", "text"), ("region", "text?")];
    "instance.health_changed" "An instance became healthy or unhealthy." &[("instanceId", "id"), ("health", "text")];
    "invitation.accepted" "An invitation was accepted." INVITATION;
    "invitation.created" "An invitation was created." INVITATION;
    "invitation.expired" "An invitation expired before it was accepted." INVITATION;
    "invitation.revoked" "An invitation was revoked." INVITATION;
    "join_request.created" "A person with a verified e-mail address asked to join." &[("joinRequestId", "id"), ("organizationId", "id"), ("email", "text"), ("role", "text")];
    "join_request.decided" "A request to join was approved or declined." &[("joinRequestId", "id"), ("organizationId", "id"), ("email", "text"), ("role", "text")];
    "module.changed" "A module was registered or changed." &[("moduleId", "id")];
    "operator.recovered" "An operator signed in with a recovery code." &[("operatorId", "id"), ("codesLeft", "number")];
    "quota.soft_limit_reached" "A tenant's usage of a resource exceeds the soft limit." &[("resource", "text"), ("softLimit", "number"), ("used", "number"), ("limit", "number?")];
    "scim_token.expiring" "A SCIM token expires soon." &[("organizationId", "id"), ("tokenId", "id"), ("expiresAt", "time")];
    "session.ended" "One or more sessions ended." &[("userId", "id?"), ("sessionId", "id?"), ("organizationId", "id?"), ("reason", "text"), ("count", "number")];
    "sign_in.failed" "A sign-in was refused after the identity provider had answered." &[("signInId", "id"), ("organizationId", "id"), ("connectionId", "id"), ("reason", "text")];
    "tenant.activated" "A tenant is provisioned and active." TENANT;
    "tenant.created" "A tenant was created; its provisioning begins." TENANT;
    "tenant.deleted" "A tenant was deleted completely." TENANT;
    "tenant.deprovisioning" "A tenant's deletion began, or the recycle period before it." TENANT;
    "tenant.drifted" "A tenant's realm or org at its identity backend differs from the desired state." TENANT;
    "tenant.failed" "A tenant could not be provisioned; all completed steps were undone." TENANT;
    "tenant.move_failed" "A tenant could not be moved; it stays where it was." TENANT;
    "tenant.moved" "A tenant was moved." TENANT;
    "tenant.moving" "The move of a tenant begins." TENANT;
    "tenant.restored" "A tenant's deletion was cancelled." TENANT;
    "tenant.resumed" "A suspended tenant was resumed." TENANT;
    "tenant.suspended" "A tenant was suspended." TENANT;
    "tenant.updated" "A tenant's name, plan or region changed." TENANT;
    "user.arrived" "An invited person signed in through an identity provider." &[("userId", "id"), ("organizationId", "id"), ("invitationId", "id")];
    "user.created" "A user was created." USER;
    "user.deactivated" "A user was deactivated and can no longer sign in." USER;
    "user.deleted" "A user was deleted." USER;
    "user.reactivated" "A user was reactivated and can sign in again." USER;
    "user.updated" "A user was changed." USER;
    "webhook_endpoint.disabled" "The service disabled a webhook endpoint: it failed for five days, or answered 410 (Gone)." &[("endpointId", "id"), ("url", "text"), ("reason", "text")];
}

/// The type of this name.
pub(crate) fn find(name: &str) -> Option<&'static EventType> {
    CATALOGUE.iter().find(|one| one.name == name)
}

/// Whether this is a type, or `noun.*` of some.
pub(crate) fn knows(wanted: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(noun) => {
            CATALOGUE.iter().any(|one| one.name.split_once('.').is_some_and(|(family, _)| family == noun))
        }
        None => find(wanted).is_some(),
    }
}

impl EventType {
    /// The schema of `data` (JSON Schema 2020-12). Receivers ignore what they don't know: fields may be added.
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, kind) in self.data {
            let (kind, optional) = kind.strip_suffix('?').map_or((*kind, false), |kind| (kind, true));
            let (base, more) = match kind {
                "id" => ("string", Some(("format", json!("uuid")))),
                "time" => ("string", Some(("format", json!("date-time")))),
                "texts" => ("array", Some(("items", json!({"type": "string"})))),
                "number" => ("integer", None),
                "flag" => ("boolean", None),
                _ => ("string", None),
            };
            let mut property = Map::new();
            let types = if optional { json!([base, "null"]) } else { json!(base) };
            property.insert("type".to_owned(), types);
            property.extend(more.map(|(key, value)| (key.to_owned(), value)));
            properties.insert((*name).to_owned(), Value::Object(property));
            if !optional {
                required.push(*name);
            }
        }
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": self.name, "description": self.means,
            "type": "object", "properties": properties, "required": required,
        })
    }
}

/// The catalogue as a page: what `docs/events.md` holds.
pub fn page() -> String {
    let mut page = String::from("| type | when | data |\n|---|---|---|\n");
    for one in CATALOGUE {
        let data: Vec<String> = one.data.iter().map(|(name, kind)| format!("`{name}` {kind}")).collect();
        page.push_str(&format!("| `{}` | {} | {} |\n", one.name, one.means, data.join(", ")));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_and_its_names_are_dotted() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].name < pair[1].name));
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
        assert!(CATALOGUE.iter().all(|one| one.name.bytes().all(fits) && one.name.split('.').count() == 2));
    }

    #[test]
    fn a_family_is_known_by_its_noun() {
        assert!(knows("user.created") && knows("user.*") && knows("webhook_endpoint.*"));
        for unknown in ["user", "us.*", "*", ".*", "user.exploded", "user.cre*"] {
            assert!(!knows(unknown), "{unknown}");
        }
    }
}
