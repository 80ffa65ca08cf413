//! A real Keycloak, started by `tests/keycloak` and shared by all tests; each makes a realm of its own.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Browser, Client, Page, Reply, SmtpServer};

/// The secret of the client that makes realms.
const SECRET: &str = "a-secret-for-tests";

/// A realm of its own in Keycloak, with one person: alice, whose password is "alice".
pub struct Keycloak {
    pub url: String,
    pub realm: String,
    admin: Client,
}

impl Keycloak {
    pub async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/keycloak");
        let output = tokio::process::Command::new(script).output().await.expect("tests/keycloak runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let url = String::from_utf8(output.stdout).expect("text").trim().to_owned();
        let anyone = Client { base: url.clone(), bearer: None, http: crate::app::http() };
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", "admin"),
            ("password", "admin"),
        ];
        let token = anyone.form("/realms/master/protocol/openid-connect/token", &form).await.expect(200);
        let admin = anyone.with(token["access_token"].as_str().expect("a token"));
        let realm = format!("corp-{}", uuid::Uuid::now_v7().simple());
        let body = json!({"realm": realm, "enabled": true, "sslRequired": "none"});
        admin.post("/admin/realms", body).await.expect(201);
        let made = Self { url, realm, admin };
        made.service_account().await;
        let alice = json!({
            "username": "alice", "enabled": true, "email": "alice@corp.example", "emailVerified": true, "firstName": "Alice",
            "lastName": "Doe", "credentials": [{"type": "password", "value": "alice", "temporary": false}],
        });
        made.post("users", alice).await.expect(201);
        made
    }

    /// The client whose service account may make realms, and nothing else; made once for all tests.
    async fn service_account(&self) {
        let client = json!({
            "clientId": "tenantry", "secret": SECRET, "serviceAccountsEnabled": true, "publicClient": false,
            "standardFlowEnabled": false,
            // Without the roles in each realm that it made: a token with some hundred of them is refused.
            "attributes": {"client.use.lightweight.access.token.enabled": "true"},
        });
        if self.admin.post("/admin/realms/master/clients", client).await.status != 201 {
            return;
        }
        let found = self.admin.get("/admin/realms/master/clients?clientId=tenantry").await.expect(200);
        let path = format!(
            "/admin/realms/master/clients/{}/service-account-user",
            found[0]["id"].as_str().expect("an id")
        );
        let user = self.admin.get(&path).await.expect(200);
        let role = self.admin.get("/admin/realms/master/roles/create-realm").await.expect(200);
        let path =
            format!("/admin/realms/master/users/{}/role-mappings/realm", user["id"].as_str().expect("an id"));
        self.admin.post(&path, json!([role])).await.expect(204);
    }

    /// Points a configuration at this Keycloak, or at what stands before it.
    pub fn configure(&self, config: &mut platform::config::Config, url: &str) {
        let settings = &mut config.section_mut::<backends::Settings>().keycloak;
        settings.url = url.to_owned();
        settings.client_secret = secrecy::SecretString::from(SECRET);
        settings.shared_realm = format!("shared-{}", self.realm);
        settings.redirect_uris = vec!["https://app.example/callback".to_owned()];
    }

    /// As an admin sees it; the token is asked anew, for it lives a minute.
    pub async fn admin(&self) -> Client {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", "admin"),
            ("password", "admin"),
        ];
        let anyone = self.admin.anonymous();
        let token = anyone.form("/realms/master/protocol/openid-connect/token", &form).await.expect(200);
        anyone.with(token["access_token"].as_str().expect("a token"))
    }

    pub fn issuer(&self) -> String {
        format!("{}/realms/{}", self.url, self.realm)
    }

    pub async fn post(&self, what: &str, body: Value) -> Reply {
        self.admin.post(&format!("/admin/realms/{}/{what}", self.realm), body).await
    }

    /// A client as Keycloak reads it out of a service provider's metadata.
    pub async fn read_metadata(&self, xml: &str) -> Value {
        let path = format!("/admin/realms/{}/client-description-converter", self.realm);
        let request = self
            .admin
            .request(Method::POST, &path)
            .header("content-type", "application/xml")
            .body(xml.to_owned());
        Reply::read(request).await.expect(200)
    }

    /// Changes what has this address.
    pub async fn update(&self, location: &str, body: Value) {
        let reply = self.admin.put(location, body).await;
        assert!(reply.status.is_success(), "{}", reply.text);
    }

    /// Ends Alice's sessions, as an admin would: clients are told by back-channel.
    pub async fn log_alice_out(&self) {
        let users =
            self.admin.get(&format!("/admin/realms/{}/users?username=alice", self.realm)).await.expect(200);
        let id = users[0]["id"].as_str().expect("an id");
        self.post(&format!("users/{id}/logout"), json!({})).await.expect(204);
    }

    /// Goes through the login page as alice, and on by whatever form comes back.
    pub async fn sign_in(&self, browser: &mut Browser, page: Page) -> Page {
        assert!(page.text.contains("kc-form-login"), "{}: {}", page.url, page.text);
        let page = browser.submit(&page, &[("username", "alice"), ("password", "alice")]).await;
        self.go_on(browser, page).await
    }

    /// Answers whatever Keycloak's pages ask somebody for, one after the other, until it lets them go or asks the same again.
    pub async fn answer(
        &self,
        browser: &mut Browser,
        mut page: Page,
        (name, password): (&str, &str),
    ) -> Page {
        let known = [
            ("username", name),
            ("password", password),
            ("password-new", password),
            ("password-confirm", password),
        ];
        for _ in 0..4 {
            if !page.url.as_str().starts_with(&self.url) || !page.text.contains("<form") {
                break;
            }
            let (_, asked) = page.form();
            let filled: Vec<(&str, &str)> =
                known.into_iter().filter(|(field, _)| asked.iter().any(|(one, _)| one == field)).collect();
            if filled.is_empty() {
                break;
            }
            page = browser.submit(&page, &filled).await;
        }
        page
    }

    /// Whoever runs Keycloak gives a realm a mail server.
    pub async fn sends_mail(&self, realm: &str, server: &SmtpServer) {
        let smtp =
            json!({"host": "127.0.0.1", "port": server.0.port.to_string(), "from": "id@platform.example"});
        let done =
            self.admin().await.put(&format!("/admin/realms/{realm}"), json!({"smtpServer": smtp})).await;
        assert_eq!(done.status, 204, "{}", done.text);
    }

    /// An admin of a realm makes somebody, with a password. Answers their id, which is `sub` of their tokens.
    pub async fn hire(
        &self,
        realm: &str,
        email: &str,
        (first, last, password): (&str, &str, &str),
    ) -> String {
        let person = json!({
            "username": email, "enabled": true, "email": email, "emailVerified": true, "firstName": first, "lastName": last,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        });
        let made = self.admin().await.post(&format!("/admin/realms/{realm}/users"), person).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.header("location").rsplit('/').next().expect("an id").to_owned()
    }

    /// An admin of a realm makes somebody a member of one of its organizations.
    pub async fn joins(&self, realm: &str, organization: &str, user: &str) {
        let path = format!("/admin/realms/{realm}/organizations/{organization}/members");
        // The body is the id alone.
        let request =
            self.admin().await.request(Method::POST, &path).header("content-type", "application/json");
        let joined = Reply::read(request.body(user.to_owned())).await;
        assert_eq!(joined.status, 201, "{}", joined.text);
    }

    /// An admin of a realm gives somebody one of its roles, or takes it back.
    pub async fn role(&self, how: Method, realm: &str, user: &str, role: &str) {
        let admin = self.admin().await;
        let role = admin.get(&format!("/admin/realms/{realm}/roles/{role}")).await.expect(200);
        let path = format!("/admin/realms/{realm}/users/{user}/role-mappings/realm");
        let done = Reply::read(admin.request(how, &path).json(&json!([role]))).await;
        assert_eq!(done.status, 204, "{}", done.text);
    }

    /// Sends on whatever SAML message a page of Keycloak's holds.
    pub async fn go_on(&self, browser: &mut Browser, page: Page) -> Page {
        let capitals = [
            ("NAME=", "name="),
            ("VALUE=", "value="),
            ("<FORM", "<form"),
            ("</FORM>", "</form>"),
            ("ACTION=", "action="),
            ("<INPUT", "<input"),
        ];
        let text = capitals.iter().fold(page.text.clone(), |text, (from, to)| text.replace(from, to));
        if page.url.as_str().starts_with(&self.url) && text.contains("name=\"SAML") {
            return browser.submit(&Page { text, ..page }, &[]).await;
        }
        page
    }
}
