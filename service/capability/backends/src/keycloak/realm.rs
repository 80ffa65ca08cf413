//! What of a realm differs from what its tenant and its template say, and what repairs it.

use http::Method;
use platform::http::Failure;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::admin::Admin;
use super::{BROKER, Keycloak, REALM, ROLES, Repair, TEMPLATE, TEMPLATE_VERSION, encoded, id_of, realm_path};
use crate::{DesiredState, Difference};

/// Where a client sends people back to, in whatever order.
fn redirects(client: &Value) -> String {
    let list = client.get("redirectUris").cloned().unwrap_or_default();
    let mut list: Vec<String> = serde_json::from_value(list).unwrap_or_default();
    list.sort();
    list.join(" ")
}

/// The realm's own settings.
fn settings(path: &str, desired: &DesiredState, found: &Value) -> Vec<Repair> {
    let mut body = Map::new();
    let mut differences = Vec::new();
    if found.get("enabled").and_then(Value::as_bool) != Some(desired.enabled) {
        differences.push(Difference::new("realm.enabled", desired.enabled, !desired.enabled));
        body.insert("enabled".to_owned(), desired.enabled.into());
    }
    let name = found.get("displayName").and_then(Value::as_str).unwrap_or_default();
    if name != desired.name {
        differences.push(Difference::new("realm.displayName", &desired.name, name));
        body.insert("displayName".to_owned(), desired.name.clone().into());
    }
    let mut attributes = found.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    let template = attributes.get(TEMPLATE).and_then(Value::as_str).unwrap_or("none").to_owned();
    if template != TEMPLATE_VERSION {
        differences.push(Difference::new("realm.template", TEMPLATE_VERSION, template));
        // Attributes that aren't named would be removed.
        attributes.insert(TEMPLATE.to_owned(), TEMPLATE_VERSION.into());
        body.insert("attributes".to_owned(), Value::Object(attributes));
    }
    let repair = |difference| Repair {
        difference,
        method: Method::PUT,
        path: path.to_owned(),
        body: Value::Object(body.clone()),
    };
    differences.into_iter().map(repair).collect()
}

impl Keycloak<'_> {
    /// What of a realm differs from what its tenant and its template say.
    pub(super) async fn repairs_of_realm(
        &self,
        admin: &Admin<'_>,
        desired: &DesiredState,
        found: &Value,
    ) -> Result<Vec<Repair>, Failure> {
        let path = realm_path(desired)?;
        let mut repairs = settings(&path, desired, found);
        let roles = admin.list(&format!("{path}/roles?briefRepresentation=true&max=1000")).await?;
        let is_there =
            |role: &str| roles.iter().any(|found| found.get("name").is_some_and(|name| name == role));
        repairs.extend(ROLES.into_iter().filter(|role| !is_there(role)).map(|role| Repair {
            difference: Difference::missing(format!("role.{role}")),
            method: Method::POST,
            path: format!("{path}/roles"),
            body: json!({"name": role}),
        }));
        repairs.extend(self.repair_of_client(admin, &path, desired).await?);
        repairs.extend(self.repair_of_broker(admin, &path).await?);
        Ok(repairs)
    }

    /// The client that modules use.
    async fn repair_of_client(
        &self,
        admin: &Admin<'_>,
        path: &str,
        desired: &DesiredState,
    ) -> Result<Option<Repair>, Failure> {
        let template = self.template(REALM, "", desired)?;
        let client = template.pointer("/clients/0").cloned().unwrap_or_default();
        let named = format!("{path}/clients?clientId={}", encoded(&self.settings.audience));
        let clients = admin.list(&named).await?;
        let Some(found) = clients.first() else {
            return Ok(Some(Repair {
                difference: Difference::missing("client"),
                method: Method::POST,
                path: format!("{path}/clients"),
                body: client,
            }));
        };
        let (should, is) = (redirects(&client), redirects(found));
        let enabled = found.get("enabled").and_then(Value::as_bool) == Some(true);
        if should == is && enabled {
            return Ok(None);
        }
        let difference = if enabled {
            Difference::new("client.redirectUris", should, is)
        } else {
            Difference::new("client.enabled", true, false)
        };
        let body = json!({
            "clientId": self.settings.audience, "redirectUris": self.settings.redirect_uris, "enabled": true,
        });
        let path = format!("{path}/clients/{}", id_of(found)?);
        Ok(Some(Repair { difference, method: Method::PUT, path, body }))
    }

    /// The platform's own identity provider, brokered for support, where one is configured.
    async fn repair_of_broker(&self, admin: &Admin<'_>, path: &str) -> Result<Option<Repair>, Failure> {
        let settings = self.settings;
        if settings.broker_issuer.is_empty() {
            return Ok(None);
        }
        let instances = format!("{path}/identity-provider/instances");
        if admin.get(&format!("{instances}/{BROKER}")).await?.is_some() {
            return Ok(None);
        }
        let base = settings.broker_issuer.trim_end_matches('/');
        let discovery = http::Request::get(format!("{base}/.well-known/openid-configuration"));
        let answer = admin.outside.json(discovery, None).await?;
        if !answer.status().is_success() {
            return Err(Failure::of("the platform's identity provider", &answer, None));
        }
        let document = |name: &str| answer.body().get(name).cloned().unwrap_or_default();
        let body = json!({
            "alias": BROKER, "displayName": "Platform", "providerId": "oidc", "enabled": true, "trustEmail": false,
            "hideOnLogin": true, "storeToken": false,
            "config": {
                "issuer": document("issuer"), "authorizationUrl": document("authorization_endpoint"),
                "tokenUrl": document("token_endpoint"), "jwksUrl": document("jwks_uri"), "useJwksUrl": "true",
                "validateSignature": "true", "clientId": settings.broker_client_id, "pkceEnabled": "true",
                "pkceMethod": "S256", "clientAuthMethod": "client_secret_basic", "syncMode": "IMPORT",
                "clientSecret": settings.broker_client_secret.expose_secret(),
            },
        });
        let difference = Difference::missing("identityProvider.platform");
        Ok(Some(Repair { difference, method: Method::POST, path: instances, body }))
    }
}
