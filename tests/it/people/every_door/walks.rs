//! Going through a door: over HTTP, as its people do.

use identity_core::{Groups, Source};
use policy_core::TenantRole;
use reqwest::Method;
use serde_json::{Value, json};
use tests::saml::Mint;
use tests::{Browser, JoinRequest, Page, RecordedMail, Reply, SignIn, Tokens};
use uuid::Uuid;

use super::doors::{Door, Words};
use super::expected::{CODES, Code, FULL, OFF, REMOVED, TAKEN};
use super::facts::Said;
use super::record::Protocol;
use super::site::{IDP, Site, ZITADEL_ORG};
use crate::people::{ACCEPT, EMAIL, EXCHANGE, ORGANIZATION, USERS, VERIFIED, with, without};
use crate::sso::{CALLBACK, claims as claims_of, text};

/// What came of it.
pub(super) enum Came {
    /// In; who it is and as what, where the door tells.
    In {
        user: Option<Uuid>,
        role: Option<TenantRole>,
    },
    /// A page asks for a code.
    Asked(Box<(Browser, Page)>),
    Refused(Code),
}

pub(super) fn parsed(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(|text| text.parse().ok())
}

fn role(value: &Value) -> Option<TenantRole> {
    value.as_str().and_then(TenantRole::parse)
}

/// The code that an answer tells, by the words that go with it.
fn code_in(text: &str) -> Code {
    let code = CODES.into_iter().find(|code| text.contains(code));
    match code.unwrap_or_else(|| panic!("no code that is known: {text}")) {
        OFF if text.contains("directory removed this person") => REMOVED,
        code => code,
    }
}

impl Site<'_> {
    pub(super) async fn walk(&mut self, door: Door, said: &Said, words: &Words) -> Came {
        match door {
            Door::Issuer | Door::Backend | Door::IdToken => {
                let body = with(self.named(said), "subjectToken", self.token(door, said, words));
                exchanged(&self.outside.app.operator.post(EXCHANGE, body).await)
            }
            Door::Gateway => exchanged(&self.by_gateway(said).await),
            Door::Module => self.by_module(said, words).await,
            Door::Oidc | Door::OidcByLink => self.by_oidc(door, said, words).await,
            Door::Saml | Door::SamlByLink => self.by_saml(door, said).await,
            Door::Page => self.by_page(said).await,
            Door::Api | Door::Join => self.by_api(said).await,
            Door::Approval => self.approved(said).await,
            Door::Push => self.pushed(said, words).await,
        }
    }

    /// What the caller of an exchange says beside the token.
    fn named(&self, said: &Said) -> Value {
        let named = said.organization.filter(|_| matches!(said.source, Source::Issuer(_)));
        named.map_or(json!({}), |named| json!({"organization": Self::slug_of(self.place(named))}))
    }

    fn token(&self, door: Door, said: &Said, words: &Words) -> String {
        let issuer = match door {
            Door::Backend => &self.outside.backend,
            Door::IdToken => &self.outside.corp,
            _ => &self.outside.issuer,
        };
        let mut claims = issuer.claims(said.subject.as_deref().expect("a subject"), &self.external);
        claims = match &said.address {
            Some(address) => with(claims, "email", address.as_str()),
            None => without(claims, "email"),
        };
        claims = match said.verified {
            Some(verified) => with(claims, "email_verified", verified),
            None => without(claims, "email_verified"),
        };
        if door == Door::IdToken {
            claims = with(claims, "aud", self.slug.as_str());
        }
        if door == Door::Backend {
            claims = with(claims, ZITADEL_ORG, self.external.as_str());
            if let Some(role) = words.role {
                let granted = json!({role.name(): {self.external.as_str(): "acme.example"}});
                claims = with(claims, "urn:zitadel:iam:org:project:roles", granted);
            }
        }
        if let Groups::Said(groups) = &said.groups {
            claims = with(claims, "groups", json!(groups));
        }
        issuer.sign(&claims)
    }

    async fn by_gateway(&self, said: &Said) -> Reply {
        let request = self.outside.gateway.request(Method::POST, EXCHANGE).json(&json!({}));
        let mut request = request
            .header("X-User-ID", said.subject.as_deref().expect("a subject"))
            .header("X-Org-ID", &self.external);
        if let Some(address) = &said.address {
            request = request.header(EMAIL, address);
        }
        if let Some(verified) = said.verified {
            request = request.header(VERIFIED, verified.to_string());
        }
        if let Some(organization) = said.organization {
            request = request.header(ORGANIZATION, Self::slug_of(self.place(organization)));
        }
        if let Some(role) = said.role {
            request = request.header("X-User-Roles", role.name());
        }
        Reply::read(request).await
    }

    async fn by_module(&self, said: &Said, words: &Words) -> Came {
        let (token, named) = (self.token(Door::Module, said, words), self.named(said));
        let module = &self.outside.module;
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("client_id", &module.id),
            ("client_secret", &module.secret),
        ];
        form.extend(named["organization"].as_str().map(|named| ("organization", named)));
        let reply = self.outside.app.anyone().form("/oauth2/token", &form).await;
        let body = reply.json();
        if let Some(token) = body["access_token"].as_str() {
            let claims = claims_of(token);
            return Came::In { user: parsed(&claims["sub"]), role: role(&claims["roles"][0]) };
        }
        // OAuth has no such codes: it has the words that go with them.
        let said = body["error_description"].as_str().unwrap_or_default();
        let removed = said.contains("directory removed").then_some(directory::codes::USER_DEACTIVATED);
        let code = tenantry::problem_codes().into_iter().find(|code| code.title() == said).or(removed);
        Came::Refused(code_in(&format!("{} {said}", code.map_or("unknown", web::Code::name))))
    }

    fn connection_id(&self, protocol: Protocol) -> String {
        self.record.connection(protocol).expect("a connection").id.to_string()
    }

    /// Where a browser begins: at the module, or by the link of an invitation.
    fn beginning(&self, door: Door, said: &Said) -> String {
        let connection = self.connection_id(door.protocol().expect("a connection"));
        if matches!(door, Door::Oidc | Door::Saml) {
            let more = [("connection", connection.as_str()), ("prompt", "login")];
            return self.outside.module.authorize(&self.outside.app, &more);
        }
        let token = self.mailed_token(said);
        let base = &self.outside.app.operator.base;
        format!("{base}/login?tenant={}&connection={connection}&invitation={token}", self.slug)
    }

    async fn by_oidc(&mut self, door: Door, said: &Said, words: &Words) -> Came {
        let (subject, address, verified) = (said.subject.clone(), said.address.clone(), said.verified);
        let groups = words.groups;
        self.outside.corp.misbehave(|mischief| {
            mischief.claims = Some(Box::new(move |claims: &mut Value| {
                let map = claims.as_object_mut().expect("claims");
                map.extend([("sub".to_owned(), json!(subject))]);
                for name in ["email", "email_verified"] {
                    map.remove(name);
                }
                map.extend(address.as_ref().map(|address| ("email".to_owned(), json!(address))));
                map.extend(verified.map(|verified| ("email_verified".to_owned(), json!(verified))));
                map.extend(groups.map(|group| ("groups".to_owned(), json!([group]))));
            }));
        });
        let mut browser = Browser::default();
        let page = browser.open(self.beginning(door, said)).await;
        self.arrived(browser, page).await
    }

    async fn by_saml(&mut self, door: Door, said: &Said) -> Came {
        let mut browser = Browser::default();
        browser.stops.push("https://idp.example/".to_owned());
        let page = browser.open(self.beginning(door, said)).await;
        let request = page.parameter("SAMLRequest").unwrap_or_else(|| panic!("{} {}", page.url, page.text));
        let xml = saml_core::from_redirect(&request).expect("a request");
        let request = xml.split_once(" ID=\"").and_then(|(_, rest)| rest.split_once('"')).expect("an ID").0;
        let (audience, acs) = (text(&self.saml, "entityId"), text(&self.saml, "acsUrl"));
        let mut mint = Mint::new(IDP, &audience, &acs, Some(request), self.outside.app.clock.now());
        mint.name_id = said.subject.clone().expect("a subject");
        mint.attributes.extend(said.address.clone().map(|address| ("email".to_owned(), vec![address])));
        if let Groups::Said(groups) = &said.groups {
            mint.attributes.push(("groups".to_owned(), groups.clone()));
        }
        let fields = [("SAMLResponse".to_owned(), saml_core::to_post(&mint.xml(&self.outside.idp)))];
        let page = browser.post(&acs, &fields).await;
        self.arrived(browser, page).await
    }

    /// Where a browser is after its provider answered, or after a code was entered.
    pub(super) async fn arrived(&self, browser: Browser, page: Page) -> Came {
        let is_back = page.url.as_str().starts_with(CALLBACK);
        if let Some(code) = page.parameter("code").filter(|_| is_back) {
            let tokens: Tokens = self.outside.module.redeem(&self.outside.app, &code).await.found();
            let claims = claims_of(tokens.id());
            return Came::In { user: parsed(&claims["sub"]), role: role(&claims["roles"][0]) };
        }
        if page.status == 200 && page.text.contains("name=\"code\"") {
            return Came::Asked(Box::new((browser, page)));
        }
        if page.status == 200 && browser.cookie(&self.outside.app.operator.base, "tnt_session").is_some() {
            let trace: SignIn = self.admin.get(&self.path("/sign-ins?limit=1")).await.first();
            let opened = trace.steps.iter().find(|step| step.name == "session.opened").expect("a session");
            let detail = opened.detail.as_ref().expect("a detail");
            return Came::In { user: parsed(&detail["userId"]), role: None };
        }
        Came::Refused(code_in(&page.text))
    }

    /// The code in the mail that asks this address for a proof.
    pub(super) async fn mailed_code(&mut self, to: &str) -> String {
        let seen = &self.mails;
        let is_new = |mail: &RecordedMail| mail.is_for("account-proof", to) && !seen.contains(&mail.id);
        let mail = self.outside.app.mail("the code's mail", is_new).await;
        let code = mail.code();
        self.mails.insert(mail.id);
        code
    }

    fn mailed_token(&self, said: &Said) -> &str {
        let of = |one: &&super::record::Invitation| Some(one.id) == said.brings;
        &self.record.invitations.iter().find(of).expect("an invitation").token
    }

    async fn by_page(&self, said: &Said) -> Came {
        let page = format!(
            "{}/invitations/accept?token={}",
            self.outside.app.operator.base,
            self.mailed_token(said)
        );
        let mut browser = Browser::default();
        let page = browser.open(page).await;
        if page.status != 200 {
            return Came::Refused(code_in(&page.text));
        }
        // Where people come in by their provider only there is no form, only the way there.
        if page.text.contains("Go to sign-in") {
            return Came::Refused(super::expected::ENFORCED);
        }
        let page = browser.submit(&page, &[]).await;
        match page.status.as_u16() {
            200 => Came::In { user: None, role: None },
            _ => Came::Refused(code_in(&page.text)),
        }
    }

    async fn accept(&self, said: &Said) -> Reply {
        let anyone = self.outside.app.anyone();
        anyone.post(ACCEPT, json!({"token": self.mailed_token(said), "displayName": "P"})).await
    }

    async fn by_api(&self, said: &Said) -> Came {
        let reply = self.accept(said).await;
        let body = reply.json();
        match reply.status.as_u16() {
            200 => Came::In { user: parsed(&body["userId"]), role: role(&body["role"]) },
            _ => Came::Refused(code_in(&reply.text)),
        }
    }

    /// The address is proven by the mailed token, and an admin lets them in.
    async fn approved(&mut self, said: &Said) -> Came {
        let reply = self.accept(said).await;
        if reply.status != 200 {
            return Came::Refused(code_in(&reply.text));
        }
        let all: Vec<JoinRequest> = self.admin.get(&self.path("/join-requests?limit=200")).await.items();
        let is = |one: &&JoinRequest| {
            Some(one.email.as_str()) == said.address.as_deref() && one.status == "pending"
        };
        let asked = all.iter().find(is).expect("a request");
        let approve = self.path(&format!("/join-requests/{}/approve", asked.id));
        let reply = self.admin.post(&approve, json!({})).await;
        let body = reply.json();
        match reply.status.as_u16() {
            200 => Came::In { user: parsed(&body["userId"]), role: None },
            _ => Came::Refused(code_in(&reply.text)),
        }
    }

    async fn pushed(&self, said: &Said, words: &Words) -> Came {
        let organization = said.organization.expect("an organization");
        let directory = &self.directories[self.place(organization)];
        let mut body = json!({"userName": said.names[0], "active": words.form.active});
        if let Some(email) = said.names.get(1) {
            body = with(body, "emails", json!([{"value": email}]));
        }
        if let Some(subject) = &said.subject {
            body = with(body, "externalId", subject.as_str());
        }
        let reply = directory.post(USERS, body).await;
        match reply.status.as_u16() {
            201 => Came::In { user: parsed(&reply.json()["id"]), role: None },
            _ => Came::Refused(scim_code(&reply)),
        }
    }
}

/// SCIM has no codes of ours: what it says in theirs.
pub(super) fn scim_code(reply: &Reply) -> Code {
    let body = reply.json();
    let detail = text(&body, "detail");
    match (reply.status.as_u16(), body["scimType"].as_str()) {
        (409, Some("uniqueness")) => TAKEN,
        (403, None) if detail.contains("the limit of `users`") => FULL,
        (409, None) if detail.contains("last") && detail.contains("admin") => "user.last_admin",
        _ => panic!("{}", reply.text),
    }
}

fn exchanged(reply: &Reply) -> Came {
    match reply.status.as_u16() {
        200 => {
            let user = &reply.json()["user"];
            Came::In { user: parsed(&user["id"]), role: role(&user["role"]) }
        }
        _ => Came::Refused(code_in(&reply.text)),
    }
}
