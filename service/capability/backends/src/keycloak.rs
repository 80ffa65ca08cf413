//! Keycloak 26: a realm of its own from a versioned template, or an organization in the shared realm.
//!
//! What was made carries the tenant's id in an attribute. A realm or an organization of the same name without it is somebody
//! else's: it is neither taken over nor removed.

mod admin;
mod owner;
mod realm;

use entity::exchange::states::ResolveBy;
use entity::tenancy::states::IdentityKind;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use minijinja::{Environment, context};
use platform::http::{Failure, Outside};
use serde_json::{Value, json};

use self::admin::Admin;
use crate::{DesiredState, Difference, IdentityBackend, Issuer, Made, discover, settings};

/// Which template made a realm.
const TEMPLATE_VERSION: &str = "1";
const REALM: &str = include_str!("../../../../templates/keycloak/realm.v1.json");
const SHARED_REALM: &str = include_str!("../../../../templates/keycloak/shared-realm.v1.json");
/// The attribute that says whose a realm or an organization is.
const OWNER: &str = "tenantry_tenant";
/// The attribute that says which template made a realm.
const TEMPLATE: &str = "tenantry_template";
/// Roles of a tenant's realm.
const ROLES: [&str; 5] = ["admin", "contributor", "viewer", "guest", "service"];
/// The alias of the platform's own identity provider in a tenant's realm.
const BROKER: &str = "platform";

pub(crate) struct Keycloak<'a> {
    pub(crate) settings: &'a settings::Keycloak,
}

/// A difference, and what repairs it.
struct Repair {
    difference: Difference,
    method: http::Method,
    path: String,
    body: Value,
}

impl IdentityBackend for Keycloak<'_> {
    fn ensure<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Made, Failure>> {
        async move {
            let admin = Admin { settings: self.settings, outside };
            if desired.kind == IdentityKind::Realm {
                self.ensure_realm(&admin, desired).await
            } else {
                self.ensure_organization(&admin, desired).await
            }
        }
        .boxed_local()
    }

    fn compare<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Vec<Difference>, Failure>> {
        async move {
            let admin = Admin { settings: self.settings, outside };
            let repairs = if desired.kind == IdentityKind::Realm {
                let Some(found) = admin.realm(&realm_path(desired)?).await? else {
                    return Ok(vec![Difference::missing("realm")]);
                };
                owned(&found, desired, "realm")?;
                self.repairs_of_realm(&admin, desired, &found).await?
            } else {
                let Some(found) = self.organization(&admin, desired).await? else {
                    return Ok(vec![Difference::missing("organization")]);
                };
                self.repairs_of_organization(desired, &found)?
            };
            Ok(repairs.into_iter().map(|repair| repair.difference).collect())
        }
        .boxed_local()
    }

    fn remove<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async move {
            let admin = Admin { settings: self.settings, outside };
            if desired.kind == IdentityKind::Realm {
                let path = realm_path(desired)?;
                // What isn't ours stays: the run was given up because it was there.
                match admin.realm(&path).await? {
                    Some(found) if owner(&found) == Some(&desired.tenant.to_string()) => {
                        admin.delete(&path).await
                    }
                    _ => Ok(()),
                }
            } else {
                match self.organization(&admin, desired).await? {
                    Some(found) => admin.delete(&self.organization_path(&id_of(&found)?)).await,
                    None => Ok(()),
                }
            }
        }
        .boxed_local()
    }

    fn ping<'a>(&'a self, outside: &'a Outside) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async move {
            let admin = Admin { settings: self.settings, outside };
            let path = format!("/admin/realms/{}", self.settings.admin_realm);
            match admin.get(&path).await? {
                Some(_) => Ok(()),
                None => Err(Failure::permanent(format!("there is no realm {}", self.settings.admin_realm))),
            }
        }
        .boxed_local()
    }
}

impl Keycloak<'_> {
    fn template(&self, text: &str, realm: &str, desired: &DesiredState) -> Result<Value, Failure> {
        // The name's ending makes every value JSON.
        let mut environment = Environment::new();
        let filled = environment.add_template("realm.json", text).and_then(|()| {
            environment.get_template("realm.json")?.render(context! {
                realm => realm,
                name => &desired.name,
                tenant => desired.tenant.to_string(),
                client => &self.settings.audience,
                redirect_uris => &self.settings.redirect_uris,
            })
        });
        let filled = filled.map_err(|error| Failure::permanent(format!("the realm's template: {error}")))?;
        serde_json::from_str(&filled)
            .map_err(|error| Failure::permanent(format!("the realm's template: {error}")))
    }

    async fn ensure_realm(&self, admin: &Admin<'_>, desired: &DesiredState) -> Result<Made, Failure> {
        let path = realm_path(desired)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let found = match admin.realm(&path).await? {
            Some(found) => found,
            None => {
                let mut body = self.template(REALM, &name, desired)?;
                if let Some(person) = owner::of(desired) {
                    owner::add_to(&mut body, &person);
                }
                // Somebody else may have made it meanwhile, or an earlier attempt whose answer was lost.
                admin.create("/admin/realms", &body).await?;
                let found = admin.realm(&path).await?;
                found.ok_or_else(|| Failure::later("the realm was made and isn't there"))?
            }
        };
        owned(&found, desired, "realm")?;
        for repair in self.repairs_of_realm(admin, desired, &found).await? {
            admin.send(repair.method, &repair.path, Some(&repair.body)).await?;
        }
        let issuer = discover(admin.outside, &format!("{}/realms/{name}", self.base())).await?;
        if let Some(person) = owner::of(desired)
            && let Some(there) = owner::find(admin, &path, &person).await?
        {
            owner::greet(admin, &path, &there).await?;
        }
        Ok(Made { external_id: Some(name), issuer: Some(self.issuer(issuer, ResolveBy::Issuer)) })
    }

    fn issuer(&self, issuer: String, resolve_by: ResolveBy) -> Issuer {
        Issuer {
            issuer,
            audience: self.settings.audience.clone(),
            resolve_by,
            claim: "organization".to_owned(),
        }
    }

    fn base(&self) -> &str {
        self.settings.url.trim_end_matches('/')
    }

    fn organization_path(&self, id: &str) -> String {
        format!("/admin/realms/{}/organizations/{}", encoded(&self.settings.shared_realm), encoded(id))
    }

    /// The tenant's organization, by its id or by the attribute that says whose it is.
    async fn organization(
        &self,
        admin: &Admin<'_>,
        desired: &DesiredState,
    ) -> Result<Option<Value>, Failure> {
        if let Some(id) = &desired.external_id
            && let Some(found) = admin.get(&self.organization_path(id)).await?
        {
            owned(&found, desired, "organization")?;
            return Ok(Some(found));
        }
        let realm = encoded(&self.settings.shared_realm);
        let query = encoded(&format!("{OWNER}:{}", desired.tenant));
        let path = format!(
            "/admin/realms/{realm}/organizations?q={query}&exact=true&first=0&max=2&briefRepresentation=false"
        );
        let found = admin.list(&path).await?;
        Ok(found.into_iter().find(|one| owner(one) == Some(&desired.tenant.to_string())))
    }

    async fn ensure_organization(&self, admin: &Admin<'_>, desired: &DesiredState) -> Result<Made, Failure> {
        let realm = &self.settings.shared_realm;
        let path = format!("/admin/realms/{}", encoded(realm));
        if admin.get(&path).await?.is_none() {
            admin.create("/admin/realms", &self.template(SHARED_REALM, realm, desired)?).await?;
            // Another tenant's run may be making it: it is there for nobody until it is there whole.
            if admin.get(&path).await?.is_none() {
                return Err(Failure::later("the shared realm is being made"));
            }
        }
        let found = match self.organization(admin, desired).await? {
            Some(found) => found,
            None => {
                let body = json!({
                    "name": desired.slug, "alias": desired.slug, "description": desired.name, "enabled": desired.enabled,
                    "attributes": {OWNER: [desired.tenant.to_string()]}, "domains": [],
                });
                admin.create(&format!("{path}/organizations"), &body).await?;
                let found = self.organization(admin, desired).await?;
                found.ok_or_else(|| Failure::not_ours(format!("an organization called {}", desired.slug)))?
            }
        };
        for repair in self.repairs_of_organization(desired, &found)? {
            admin.send(repair.method, &repair.path, Some(&repair.body)).await?;
        }
        if let Some(person) = owner::of(desired) {
            owner::in_organization(admin, &path, &id_of(&found)?, &person).await?;
        }
        let issuer = discover(admin.outside, &format!("{}/realms/{}", self.base(), encoded(realm))).await?;
        let issuer = self.issuer(issuer, ResolveBy::Organization);
        Ok(Made { external_id: Some(id_of(&found)?), issuer: Some(issuer) })
    }

    fn repairs_of_organization(&self, desired: &DesiredState, found: &Value) -> Result<Vec<Repair>, Failure> {
        let mut body = found.as_object().cloned().unwrap_or_default();
        let mut differences = Vec::new();
        for (field, value) in
            [("enabled", Value::from(desired.enabled)), ("description", Value::from(desired.name.clone()))]
        {
            let found = found.get(field).cloned().unwrap_or_default();
            if found != value {
                differences.push(Difference::new(format!("organization.{field}"), &value, found));
                body.insert(field.to_owned(), value);
            }
        }
        let path = self.organization_path(&id_of(found)?);
        let repair = |difference| Repair {
            difference,
            method: http::Method::PUT,
            path: path.clone(),
            body: Value::Object(body.clone()),
        };
        Ok(differences.into_iter().map(repair).collect())
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn realm_path(desired: &DesiredState) -> Result<String, Failure> {
    let name = desired.external_id.as_ref().ok_or_else(|| Failure::permanent("the realm has no name"))?;
    Ok(format!("/admin/realms/{}", encoded(name)))
}

fn id_of(found: &Value) -> Result<String, Failure> {
    let id = found.get("id").and_then(Value::as_str);
    id.map(ToOwned::to_owned).ok_or_else(|| Failure::later("Keycloak answered something without an id"))
}

/// Whose a realm or an organization is: an attribute is a text there and a list here.
fn owner(found: &Value) -> Option<&str> {
    let attribute = found.get("attributes")?.get(OWNER)?;
    attribute.as_str().or_else(|| attribute.get(0)?.as_str())
}

fn owned(found: &Value, desired: &DesiredState, what: &str) -> Result<(), Failure> {
    if owner(found) == Some(&desired.tenant.to_string()) {
        return Ok(());
    }
    let name = desired.external_id.as_deref().unwrap_or(&desired.slug);
    Err(Failure::not_ours(format!("a {what} called {name}")))
}
