//! The scenario itself: each paragraph is what one user of the service does.

#![allow(clippy::indexing_slicing, reason = "serde_json answers null for what isn't there")]

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, FixedOffset, TimeDelta};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, Issuer};
use super::module::{Module, pushed};
use super::{Steps, users};

pub(super) struct Scenario {
    base: String,
    key: String,
    http: reqwest::Client,
}

/// What earlier paragraphs leave for later ones.
struct Tenant {
    id: String,
    scim: String,
    users: Vec<String>,
}

impl Scenario {
    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the demo plays its own users, who talk to loopback"
    )]
    pub(super) fn new(base: String, key: String) -> anyhow::Result<Self> {
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { base, key, http })
    }

    pub(super) async fn play(
        &self,
        issuer: &Issuer,
        module: &Module,
        steps: &mut Steps,
    ) -> anyhow::Result<()> {
        let mut pushes = module.listen();
        self.prepare(issuer, module, steps).await?;
        let mut tenant = self.provision(steps).await?;
        let push = pushed(&mut pushes, |push| push["tenantId"] == tenant.id.as_str()).await?;
        steps.say(&format!(
            "the module got the tenant's flags, version {}: {}",
            push["version"], push["flags"]
        ));
        self.push_directory(&mut tenant, steps).await?;
        let session = self.sign_in(issuer, steps).await?;
        self.invite(&tenant, steps).await?;
        self.deactivate(&tenant, issuer, &session, steps).await?;
        self.undo(&tenant, steps).await
    }

    fn request(&self, method: Method, path: &str, bearer: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(bearer)
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path, &self.key).header("Prefer", "wait=20").json(&body);
        read(request.send().await?, path).await
    }

    async fn prepare(&self, issuer: &Issuer, module: &Module, steps: &mut Steps) -> anyhow::Result<()> {
        self.post("/api/v1/issuers", json!({"issuer": issuer.url, "audience": AUDIENCE})).await?;
        self.post("/api/v1/modules", json!({"name": "reports", "baseUrl": module.url})).await?;
        self.post("/api/v1/flags", json!({"key": "dark-mode", "type": "boolean", "defaultVariant": "on"}))
            .await?;
        self.post(
            "/api/v1/flags",
            json!({"key": "export", "type": "boolean", "defaultVariant": "on", "plans": ["enterprise"]}),
        )
        .await?;
        steps.say("registered an issuer, a module and two flags (one for enterprise plans only)");
        Ok(())
    }

    async fn provision(&self, steps: &mut Steps) -> anyhow::Result<Tenant> {
        let made = self
            .post(
                "/api/v1/tenants",
                json!({
                    "slug": "contoso", "name": "Contoso", "plan": "pro", "identity": {"backend": "builtin", "kind": "realm", "externalId": "org_contoso"},
                    "owner": {"email": "owner@contoso.example", "name": "Olga Owner"},
                }),
            )
            .await?;
        ensure!(made["status"] == "active", "the tenant is {}", made["status"]);
        let id = text(&made["id"])?;
        let timeline = read(
            self.request(Method::GET, "/api/v1/tenants/contoso/provisioning", &self.key).send().await?,
            "timeline",
        )
        .await?;
        let names: Vec<&str> = timeline["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|step| step["name"].as_str())
            .collect();
        steps.say(&format!("provisioned the tenant contoso: {}", names.join(" → ")));
        let token = self
            .post("/api/v1/tenants/contoso/organizations/default/scim-tokens", json!({"name": "Entra"}))
            .await?;
        steps.say("created a SCIM token for its identity provider (shown once, stored as an Argon2id hash)");
        Ok(Tenant { id, scim: text(&token["token"])?, users: Vec::new() })
    }

    async fn push_directory(&self, tenant: &mut Tenant, steps: &mut Steps) -> anyhow::Result<()> {
        for user in users::all() {
            let name = text(&user["userName"])?;
            // As both do: look first, create if there is nobody.
            let found = self
                .request(Method::GET, "/scim/v2/Users", &tenant.scim)
                .query(&[("filter", format!("userName eq \"{name}\""))]);
            let found = read(found.send().await?, "look-up").await?;
            ensure!(found["totalResults"] == 0, "{name} is there already");
            let made = self.request(Method::POST, "/scim/v2/Users", &tenant.scim).json(&user).send().await?;
            tenant.users.push(text(&read(made, "create user").await?["id"])?);
        }
        steps.say(&format!(
            "the identity provider pushed {} users, every other one as Entra does it, every other as Okta",
            tenant.users.len()
        ));
        for (number, name) in ["Engineering", "Finance", "Research", "Everybody"].into_iter().enumerate() {
            let made = self
                .request(Method::POST, "/scim/v2/Groups", &tenant.scim)
                .json(&users::group(name))
                .send()
                .await?;
            let id = text(&read(made, "create group").await?["id"])?;
            let members: Vec<String> =
                tenant.users.iter().skip(number).step_by(if number == 3 { 1 } else { 3 }).cloned().collect();
            let patch = if number % 2 == 0 { users::entra_add(&members) } else { users::okta_add(&members) };
            let patched = self
                .request(Method::PATCH, &format!("/scim/v2/Groups/{id}"), &tenant.scim)
                .json(&patch)
                .send()
                .await?;
            ensure!(patched.status().is_success(), "members of {name}: {}", patched.status());
        }
        steps.say("… and 4 groups with their members");
        Ok(())
    }

    async fn exchange(&self, issuer: &Issuer) -> anyhow::Result<Response> {
        let token = issuer.token(&users::subject(0), &users::address("Ada"), "org_contoso")?;
        let request = self
            .request(Method::POST, "/api/internal/sso/exchange", &self.key)
            .json(&json!({"subjectToken": token}));
        Ok(request.send().await?)
    }

    async fn introspect(&self, token: &str) -> anyhow::Result<bool> {
        let request = self.request(Method::POST, "/oauth2/introspect", &self.key).form(&[("token", token)]);
        Ok(read(request.send().await?, "introspection").await?["active"] == true)
    }

    async fn sign_in(&self, issuer: &Issuer, steps: &mut Steps) -> anyhow::Result<Value> {
        let session = read(self.exchange(issuer).await?, "exchange").await?;
        ensure!(session["tenantSlug"] == "contoso", "the token is for {}", session["tenantSlug"]);
        ensure!(self.introspect(&text(&session["token"])?).await?, "the new token is not active");
        steps.say(&format!(
            "{} signed in: her issuer's token was exchanged for one of {}/realms/contoso",
            session["user"]["displayName"].as_str().unwrap_or_default(),
            self.base
        ));
        Ok(session)
    }

    async fn invite(&self, tenant: &Tenant, steps: &mut Steps) -> anyhow::Result<()> {
        let path = format!("/api/v1/tenants/{}/invitations", tenant.id);
        // The default organization's people come by SCIM; partners are invited by hand.
        let organizations = format!("/api/v1/tenants/{}/organizations", tenant.id);
        self.post(&organizations, json!({"slug": "partners", "name": "Partners"})).await?;
        self.post(&path, json!({
            "email": "zoe@partner.example", "role": "contributor", "organization": "partners", "message": "We'd like your eyes on the reports.",
        })).await?;
        let mut link = None;
        for _ in 0..100 {
            let mails = self
                .http
                .get(format!("{}/dev/mail", self.base))
                .header("Accept", "application/json")
                .send()
                .await?;
            let mails = read(mails, "mail").await?;
            let mut to_zoe = mails["items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|mail| mail["recipient"] == "zoe@partner.example");
            link = to_zoe.find_map(|mail| mail["links"][0].as_str().map(ToOwned::to_owned));
            if link.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let link = link.context("no mail was sent")?;
        steps.say("invited zoe@partner.example; the mail is at /dev/mail");
        let page = self.http.get(&link).send().await?;
        ensure!(page.status() == StatusCode::OK, "the invitation's page: {}", page.status());
        let token = link.split_once("token=").map(|(_, token)| token).context("the link has no token")?;
        let form = [("token", token), ("displayName", "Zoë Partner")];
        let accepted = self.http.post(format!("{}/invitations/accept", self.base)).form(&form).send().await?;
        ensure!(accepted.status() == StatusCode::OK, "accepting: {}", accepted.status());
        let again = self.http.post(format!("{}/invitations/accept", self.base)).form(&form).send().await?;
        ensure!(again.status() == StatusCode::GONE, "accepting twice: {}", again.status());
        steps.say("she accepted on the page; the link is dead now");
        Ok(())
    }

    async fn deactivate(
        &self,
        tenant: &Tenant,
        issuer: &Issuer,
        session: &Value,
        steps: &mut Steps,
    ) -> anyhow::Result<()> {
        let ada = tenant.users.first().context("nobody was pushed")?;
        let patch = self
            .request(Method::PATCH, &format!("/scim/v2/Users/{ada}"), &tenant.scim)
            .json(&users::deactivate());
        let after = read(patch.send().await?, "deactivation").await?;
        ensure!(after["active"] == false, "the user is still active");
        ensure!(!self.introspect(&text(&session["token"])?).await?, "her access token still works");
        let form =
            [("grant_type", "refresh_token".to_owned()), ("refresh_token", text(&session["refreshToken"])?)];
        let refreshed = self.http.post(format!("{}/oauth2/token", self.base)).form(&form).send().await?;
        ensure!(refreshed.status() == StatusCode::BAD_REQUEST, "refreshing: {}", refreshed.status());
        let again = self.exchange(issuer).await?;
        ensure!(again.status() == StatusCode::FORBIDDEN, "signing in again: {}", again.status());
        steps.say("the identity provider deactivated her: token, refresh and new sign-in are all refused");
        Ok(())
    }

    /// The moment of the newest change, by the server's clock.
    async fn newest_change(&self, tenant: &Tenant) -> anyhow::Result<DateTime<FixedOffset>> {
        let path = "/scim/v2/Users?count=1&sortBy=meta.lastModified&sortOrder=descending&attributes=meta";
        let newest = self.request(Method::GET, path, &tenant.scim).send().await?;
        let newest = read(newest, "the newest user").await?;
        let at = DateTime::parse_from_rfc3339(&text(&newest["Resources"][0]["meta"]["lastModified"])?)?;
        // It is told in whole milliseconds; the change itself may be later by less than one.
        Ok(at + TimeDelta::milliseconds(1))
    }

    /// Somebody unassigns everybody by mistake: the guard stops it, and what had gone comes back.
    async fn undo(&self, tenant: &Tenant, steps: &mut Steps) -> anyhow::Result<()> {
        let at = |what: &str| format!("/api/v1/tenants/{}/organizations/default/{what}", tenant.id);
        let guard =
            self.request(Method::PUT, &at("directory-guard"), &self.key).json(&json!({"usersMax": 10}));
        read(guard.send().await?, "the guard").await?;
        let moment = self.newest_change(tenant).await?;
        let (mut gone, mut blocked) = (0, 0);
        for user in &tenant.users {
            let path = format!("/scim/v2/Users/{user}");
            match self.request(Method::DELETE, &path, &tenant.scim).send().await?.status() {
                StatusCode::NO_CONTENT => gone += 1,
                StatusCode::SERVICE_UNAVAILABLE => blocked += 1,
                other => bail!("deleting: {other}"),
            }
        }
        ensure!(gone == 10 && blocked > 10, "{gone} were removed, {blocked} were blocked");
        steps.say(&format!("it then tried to remove everybody by mistake: the guard allowed {gone} removals and blocked {blocked}"));
        let restores = at("directory-restores");
        let moment = json!({"moment": moment.to_rfc3339()});
        read(self.request(Method::POST, &restores, &self.key).json(&moment).send().await?, "undoing").await?;
        for _ in 0..200 {
            let list =
                read(self.request(Method::GET, &restores, &self.key).send().await?, "the restore").await?;
            ensure!(list["items"][0]["status"] != "failed", "the restore failed: {list}");
            if list["items"][0]["status"] == "done" {
                let users = self.request(Method::GET, "/scim/v2/Users?count=0", &tenant.scim).send().await?;
                let there = read(users, "counting").await?["totalResults"].clone();
                ensure!(there.as_u64() >= Some(tenant.users.len() as u64), "{there} are back");
                steps.say(&format!(
                    "an admin restored the directory: {there} users are back, each with the same id"
                ));
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        bail!("the directory isn't back")
    }
}

async fn read(response: Response, what: &str) -> anyhow::Result<Value> {
    let status = response.status();
    let body = response.text().await?;
    if !status.is_success() {
        bail!("{what}: {status} {body}");
    }
    serde_json::from_str(&body).with_context(|| format!("{what}: not JSON"))
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(ToOwned::to_owned).context("a text was expected")
}
