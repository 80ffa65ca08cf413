//! Zitadel v2 by Connect JSON, as its own clients speak: an org with an id that we choose, its admin, metadata that says whose it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::exchange::issuer::ZITADEL_ORG;
use entity::exchange::states::ResolveBy;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use platform::http::{Failure, Outside};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{DesiredState, Difference, IdentityBackend, Issuer, Made, discover, settings};

const ORGANIZATIONS: &str = "zitadel.org.v2.OrganizationService";
const USERS: &str = "zitadel.user.v2.UserService";
/// The metadata key that says whose an org is.
const OWNER: &str = "tenantry_tenant";
/// Characters of an org's name.
const NAME_MAX: usize = 200;
/// Users read at once.
const PAGE: usize = 500;
/// Pages of one org's users that are read.
const PAGES_MAX: usize = 400;

pub(crate) struct Zitadel<'a> {
    pub(crate) settings: &'a settings::Zitadel,
}

/// A user as Zitadel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its id there: `sub` of its tokens.
    pub id: String,
    /// Whether it may sign in.
    pub active: bool,
}

/// Whether an org is there and active.
pub async fn is_active(
    settings: &settings::Zitadel,
    outside: &Outside,
    organization: &str,
) -> Result<bool, Failure> {
    let zitadel = Zitadel { settings };
    let body = json!({"queries": [{"idQuery": {"id": organization}}]});
    let found = zitadel.call(outside, ORGANIZATIONS, "ListOrganizations", &body).await?;
    let state = found.as_ref().and_then(|body| body.pointer("/result/0/state")?.as_str());
    Ok(state == Some("ORGANIZATION_STATE_ACTIVE"))
}

/// All users of an org.
pub async fn people(
    settings: &settings::Zitadel,
    outside: &Outside,
    organization: &str,
) -> Result<Vec<Person>, Failure> {
    let zitadel = Zitadel { settings };
    let page = async |page: usize| {
        let body = json!({
            "query": {"offset": (page * PAGE).to_string(), "limit": PAGE, "asc": true},
            "queries": [{"organizationIdQuery": {"organizationId": organization}}],
            "sortingColumn": "USER_FIELD_NAME_CREATION_DATE",
        });
        let answer = zitadel.call(outside, USERS, "ListUsers", &body).await?;
        Ok(answer.and_then(|body| body.get("result")?.as_array().cloned()).unwrap_or_default())
    };
    all_of(page).await
}

/// The people of all pages. Of an org with too many nobody is compared: who is beyond the last page isn't gone.
async fn all_of(page: impl AsyncFn(usize) -> Result<Vec<Value>, Failure>) -> Result<Vec<Person>, Failure> {
    let mut found = Vec::new();
    for number in 0..PAGES_MAX {
        let list = page(number).await?;
        let more = list.len() == PAGE;
        found.extend(list.into_iter().filter_map(|user| {
            let id = user.get("userId")?.as_str()?.to_owned();
            // Locked and inactive people are out; new ones have not set a password yet.
            let state = user.get("state").and_then(Value::as_str).unwrap_or_default();
            Some(Person { id, active: matches!(state, "USER_STATE_ACTIVE" | "USER_STATE_INITIAL") })
        }));
        if !more {
            return Ok(found);
        }
    }
    Err(Failure::permanent("the org has more users than are compared"))
}

/// Whether the org has a name that only we give.
fn is_named_by_us(found: &Value, desired: &DesiredState) -> bool {
    let ending = format!("({})", desired.slug);
    found.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(&ending))
}

fn message(answer: &Response<Value>) -> Option<String> {
    answer.body().get("message")?.as_str().map(ToOwned::to_owned)
}

impl Zitadel<'_> {
    /// Calls a procedure; `None`: there is no such thing. "It is there already" and "it is so already" are answers.
    async fn call(
        &self,
        outside: &Outside,
        service: &str,
        procedure: &str,
        body: &Value,
    ) -> Result<Option<Value>, Failure> {
        let url = format!("{}/{service}/{procedure}", self.settings.url.trim_end_matches('/'));
        let request = Request::post(url)
            .header("authorization", format!("Bearer {}", self.settings.token.expose_secret()))
            .header("connect-protocol-version", "1");
        let answer = outside.json(request, Some(body)).await?;
        if answer.status().is_success() {
            return Ok(Some(answer.into_body()));
        }
        match answer.body().get("code").and_then(Value::as_str) {
            Some("not_found") => Ok(None),
            Some("already_exists" | "failed_precondition") => Ok(Some(Value::Null)),
            _ => Err(Failure::of("Zitadel", &answer, message(&answer))),
        }
    }

    /// The org, if it is there and says that it is ours.
    async fn find(&self, outside: &Outside, desired: &DesiredState) -> Result<Option<Value>, Failure> {
        let id = desired.external_id.as_deref().unwrap_or_default();
        let body = json!({"queries": [{"idQuery": {"id": id}}]});
        let found = self.call(outside, ORGANIZATIONS, "ListOrganizations", &body).await?;
        let Some(found) = found.and_then(|body| body.get("result")?.get(0).cloned()) else { return Ok(None) };
        Ok(Some(found))
    }

    async fn is_ours(&self, outside: &Outside, desired: &DesiredState) -> Result<bool, Failure> {
        let body = json!({"organizationId": desired.external_id});
        let found = self.call(outside, ORGANIZATIONS, "ListOrganizationMetadata", &body).await?;
        let list = found.and_then(|body| body.get("metadata")?.as_array().cloned()).unwrap_or_default();
        let ours = STANDARD.encode(desired.tenant.to_string());
        Ok(list.iter().any(|one| one["key"] == OWNER && one["value"] == ours.as_str()))
    }

    async fn claim(&self, outside: &Outside, desired: &DesiredState) -> Result<(), Failure> {
        let value = STANDARD.encode(desired.tenant.to_string());
        let body =
            json!({"organizationId": desired.external_id, "metadata": [{"key": OWNER, "value": value}]});
        self.call(outside, ORGANIZATIONS, "SetOrganizationMetadata", &body).await.map(drop)
    }

    async fn make(&self, outside: &Outside, desired: &DesiredState) -> Result<(), Failure> {
        // Names are unique in an instance of Zitadel, tenants' names are not: the slug makes them so.
        let name: String = format!("{} ({})", desired.name, desired.slug).chars().take(NAME_MAX).collect();
        let admins: Vec<Value> = desired
            .owner
            .iter()
            .map(|(email, name)| {
                let (given, family) =
                    name.as_deref().and_then(|name| name.rsplit_once(' ')).unwrap_or(("Admin", "Admin"));
                json!({
                    "human": {
                        "username": email, "profile": {"givenName": given, "familyName": family},
                        "email": {"email": email, "sendCode": {}},
                    },
                    "roles": ["ORG_OWNER"],
                })
            })
            .collect();
        let body = json!({"name": name, "organizationId": desired.external_id, "admins": admins});
        self.call(outside, ORGANIZATIONS, "AddOrganization", &body).await.map(drop)
    }

    fn differences(&self, desired: &DesiredState, found: &Value) -> Vec<Difference> {
        let state = found.get("state").and_then(Value::as_str).unwrap_or_default();
        let should =
            if desired.enabled { "ORGANIZATION_STATE_ACTIVE" } else { "ORGANIZATION_STATE_INACTIVE" };
        if state == should { Vec::new() } else { vec![Difference::new("org.state", should, state)] }
    }
}

impl IdentityBackend for Zitadel<'_> {
    fn ensure<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Made, Failure>> {
        async move {
            let found = match self.find(outside, desired).await? {
                Some(found) => found,
                None => {
                    self.make(outside, desired).await?;
                    let taken = || Failure::not_ours("an org with this name");
                    self.find(outside, desired).await?.ok_or_else(taken)?
                }
            };
            if !self.is_ours(outside, desired).await? {
                // Making an org and saying whose it is are two calls: one without an owner is an attempt that broke off between
                // them, as long as it has the name that only we give.
                if !is_named_by_us(&found, desired) {
                    return Err(Failure::not_ours("an org with this id"));
                }
                self.claim(outside, desired).await?;
            }
            for _ in self.differences(desired, &found) {
                let procedure =
                    if desired.enabled { "ActivateOrganization" } else { "DeactivateOrganization" };
                let body = json!({"organizationId": desired.external_id});
                self.call(outside, ORGANIZATIONS, procedure, &body).await?;
            }
            let issuer = discover(outside, &self.settings.url).await?;
            let issuer = Issuer {
                issuer,
                audience: self.settings.audience.clone(),
                resolve_by: ResolveBy::Claim,
                claim: ZITADEL_ORG.to_owned(),
            };
            Ok(Made { external_id: desired.external_id.clone(), issuer: Some(issuer) })
        }
        .boxed_local()
    }

    fn compare<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Vec<Difference>, Failure>> {
        async move {
            let Some(found) = self.find(outside, desired).await? else {
                return Ok(vec![Difference::missing("org")]);
            };
            let mut differences = self.differences(desired, &found);
            if !self.is_ours(outside, desired).await? {
                differences.push(Difference::missing(format!("metadata.{OWNER}")));
            }
            Ok(differences)
        }
        .boxed_local()
    }

    fn remove<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async move {
            let Some(found) = self.find(outside, desired).await? else { return Ok(()) };
            if self.is_ours(outside, desired).await? || is_named_by_us(&found, desired) {
                let body = json!({"organizationId": desired.external_id});
                self.call(outside, ORGANIZATIONS, "DeleteOrganization", &body).await?;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn ping<'a>(&'a self, outside: &'a Outside) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async move {
            let body = json!({"query": {"limit": 1}});
            self.call(outside, ORGANIZATIONS, "ListOrganizations", &body).await.map(drop)
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn an_org_of_200_000_is_not_compared() {
        let people = |number: usize| {
            let page = async |page: usize| {
                let rest = number.saturating_sub(page * PAGE).min(PAGE);
                Ok(vec![json!({"userId": "1", "state": "USER_STATE_ACTIVE"}); rest])
            };
            all_of(page).now_or_never().unwrap().map(|people| people.len())
        };
        assert_eq!(people(199_999).unwrap(), 199_999);
        assert!(people(200_000).is_err());
    }
}
