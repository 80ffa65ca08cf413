//! A tenant as it is drawn: its organizations, connections, policies and directories, and who runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use entity::invitations::states::InvitationKind;
use identity_core::{Enforced, Policy};
use policy_core::TenantRole;
use serde_json::{Value, json};
use tests::saml::{Pair, idp_metadata, shared_pair};
use tests::{Client, Issuer, TestApp, Zitadel};
use uuid::Uuid;

use super::deeds::Deed;
use super::doors::{Door, Issuers, Person, Words};
use super::random::Random;
use super::record::{Connection, Protocol, Record, SignInPolicy};
use super::situations::{SITUATIONS, Situation};
use crate::sso::{Module, module, text};

pub(super) const IDP: &str = "https://idp.example/entity";
const SSO: &str = "https://idp.example/sso";
const SLUGS: [&str; 2] = ["default", "eng"];
/// How Zitadel's tokens name the tenant.
pub(super) const ZITADEL_ORG: &str = "urn:zitadel:iam:user:resourceowner:id";

/// How often each way came to each end.
pub(super) type Ends = BTreeMap<(String, String), usize>;

/// The service, and everybody outside who speaks to it.
pub(super) struct Outside {
    pub(super) app: TestApp,
    /// A registered issuer.
    pub(super) issuer: Issuer,
    /// Zitadel's tokens come from here.
    pub(super) backend: Issuer,
    /// Customers' OpenID Provider.
    pub(super) corp: Issuer,
    /// Customers' SAML provider's key.
    pub(super) idp: Pair,
    pub(super) gateway: Client,
    pub(super) module: Module,
    zitadel: Zitadel,
    /// The number of Zitadel's last event.
    pub(super) told: AtomicU64,
}

impl Outside {
    pub(super) async fn start() -> Self {
        let zitadel = Zitadel::start();
        let app = TestApp::with(|config| {
            config.rate_limit.enabled = false;
            let settings = config.section_mut::<exchange::Settings>();
            settings.exchange.auto_provision = true;
            settings.exchange.plan = "pro".to_owned();
            config.section_mut::<invitations::Settings>().per_organization_per_day = 10_000;
            config.jobs.poll = std::time::Duration::from_millis(10);
            zitadel.configure(config, &zitadel.url);
        })
        .await;
        let (issuer, backend) = (Issuer::start(), Issuer::start());
        issuer.register(&app.operator).await;
        backend.register_by(&app.operator, ZITADEL_ORG).await;
        let gateway = app.key("gateway", None).await;
        let module = module(&app, "app", json!({})).await;
        let (corp, idp, told) = (Issuer::start(), shared_pair("idp"), AtomicU64::new(0));
        Self { app, issuer, backend, corp, idp, gateway, module, zitadel, told }
    }

    pub(super) async fn stop(self) {
        self.app.stop().await;
        for issuer in [self.issuer, self.backend, self.corp] {
            issuer.stop().await;
        }
        self.zitadel.stop().await;
    }
}

/// How a tenant comes to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    ByOperator,
    AsOrgOfZitadels,
    /// By the first who comes.
    ByComing,
}

/// What every run has some of, whatever its seed: so that there is somebody for each door.
pub(super) struct Plan {
    begins: Begins,
    protocols: &'static [Protocol],
    /// The organization that proves the domain.
    proves: Option<usize>,
    has_policies: bool,
}

impl Plan {
    pub(super) fn of(seed: u64, situation: Situation) -> Self {
        // Else the same situation would always meet the same.
        let turn = seed / SITUATIONS.len() as u64 + seed;
        let by_backend = situation == Situation::OffByBackend;
        Self {
            begins: match seed % 4 {
                _ if by_backend => Begins::AsOrgOfZitadels,
                0 => Begins::ByComing,
                1 => Begins::ByOperator,
                _ => Begins::AsOrgOfZitadels,
            },
            protocols: match turn % 4 {
                0 => &[Protocol::Oidc],
                1 => &[Protocol::Saml],
                _ => &[Protocol::Oidc, Protocol::Saml],
            },
            proves: [None, Some(0), None, Some(1), None, Some(0)]
                [usize::try_from(turn % 6).expect("a place")],
            // Zitadel can only tell of who was let in.
            has_policies: !by_backend,
        }
    }
}

/// A tenant, and what the test has written down of it.
pub(super) struct Site<'a> {
    pub(super) outside: &'a Outside,
    pub(super) record: Record,
    /// What happened so far: how to see it again.
    pub(super) log: Vec<String>,
    pub(super) slug: String,
    /// Its id.
    pub(super) tenant: String,
    /// By which tokens name it.
    pub(super) external: String,
    pub(super) domain: String,
    pub(super) is_zitadels: bool,
    pub(super) admin: Client,
    /// Of each organization.
    pub(super) directories: Vec<Client>,
    pub(super) saml: Value,
    /// Mails with a code that were read.
    pub(super) mails: BTreeSet<String>,
    pub(super) ends: Ends,
}

impl<'a> Site<'a> {
    pub(super) async fn drawn(outside: &'a Outside, slug: &str, (plan, random): (Plan, &mut Random)) -> Self {
        let mut site = Self {
            outside,
            record: Record::default(),
            log: Vec::new(),
            slug: slug.to_owned(),
            tenant: String::new(),
            external: format!("org-{slug}"),
            domain: format!("{slug}.test"),
            is_zitadels: plan.begins == Begins::AsOrgOfZitadels,
            admin: outside.gateway.clone(),
            directories: Vec::new(),
            saml: Value::Null,
            mails: BTreeSet::new(),
            ends: Ends::new(),
        };
        match plan.begins {
            Begins::ByComing => site.begin_by_coming(random).await,
            Begins::ByOperator | Begins::AsOrgOfZitadels => site.begin(random).await,
        }
        site.connect(plan.protocols, random).await;
        site.prove(plan.proves).await;
        if plan.has_policies {
            site.set_policies(random).await;
        }
        site
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}{rest}", self.slug)
    }

    /// A path of one of the two organizations.
    pub(super) fn at(&self, organization: usize, rest: &str) -> String {
        self.path(&format!("/organizations/{}/{rest}", SLUGS[organization]))
    }

    pub(super) fn slug_of(organization: usize) -> &'static str {
        SLUGS[organization]
    }

    pub(super) fn place(&self, organization: Uuid) -> usize {
        self.record.organizations.iter().position(|one| *one == organization).expect("an organization")
    }

    pub(super) fn issuers(&self) -> Issuers<'a> {
        let outside = self.outside;
        let backend = self.is_zitadels.then_some(outside.backend.url.as_str());
        Issuers { registered: &outside.issuer.url, backend }
    }

    pub(super) fn person(&self, name: &str) -> Person {
        let address = format!("{name}@{}", self.domain);
        Person { name: name.to_owned(), address, users: Vec::new(), codes: 0 }
    }

    /// An operator makes it; somebody may be there or expected who runs it.
    async fn begin(&mut self, random: &mut Random) {
        let identity = match self.is_zitadels {
            true => json!({"backend": "zitadel"}),
            false => json!({"externalId": self.external}),
        };
        let body = json!({"slug": self.slug, "name": self.slug, "plan": "pro", "identity": identity});
        let app = &self.outside.app;
        let made = app.operator.active_tenant(body).await;
        self.external = made.identity.external_id.expect("an id");
        self.log.push(format!("{}: an operator makes {identity}", self.slug));
        self.found().await;
        let mut keeper = self.person("keeper");
        if random.below(4) > 0 {
            self.does(&mut keeper, Deed::Invite(0, TenantRole::Admin)).await;
        }
        if random.below(3) > 0 {
            self.comes(&mut keeper, Door::Api, &Words::plain()).await;
        }
    }

    /// Somebody comes of whose organization nobody knows.
    async fn begin_by_coming(&mut self, random: &mut Random) {
        let door = random.pick(&[Door::Issuer, Door::Gateway, Door::Module]);
        let mut founder = self.person("founder");
        self.comes(&mut founder, door, &Words::plain()).await;
    }

    /// The tenant is there: who administers it, and its two organizations.
    pub(super) async fn found(&mut self) {
        let app = &self.outside.app;
        let tenant = app.operator.get(&self.path("")).await.expect(200);
        (self.slug, self.tenant) = (text(&tenant, "slug"), text(&tenant, "id"));
        self.admin = app.key("admin", Some(&self.tenant)).await;
        let default = self.admin.get(&self.at(0, "").replace("default/", "default")).await.expect(200);
        let body = json!({"slug": SLUGS[1], "name": SLUGS[1]});
        let eng = self.admin.post(&self.path("/organizations"), body).await.expect(201);
        self.record.organizations = [id(&default), id(&eng)];
        for organization in 0..2 {
            let directory = self.directory(organization).await;
            self.directories.push(directory);
        }
    }

    /// A directory that hasn't pushed anybody yet.
    pub(super) async fn directory(&self, organization: usize) -> Client {
        let made = self.admin.post(&self.at(organization, "scim-tokens"), json!({"name": "idp"})).await;
        self.outside.app.operator.with(text(&made.expect(201), "token"))
    }

    async fn connect(&mut self, protocols: &[Protocol], random: &mut Random) {
        let corp = &self.outside.corp.url;
        let oidc = json!({"type": "oidc", "name": "oidc", "issuer": corp, "clientId": self.slug, "clientSecret": "s"});
        let saml = idp_metadata(IDP, SSO, &[&self.outside.idp]);
        let saml = json!({"type": "saml", "name": "saml", "metadataXml": saml});
        let all = [(Protocol::Oidc, oidc, corp.clone()), (Protocol::Saml, saml, IDP.to_owned())];
        for (protocol, body, provider) in all.into_iter().filter(|(one, ..)| protocols.contains(one)) {
            let at = usize::from(random.once_in(4));
            let made = self.admin.post(&self.at(at, "connections"), body).await.expect(201);
            let organization = self.record.organizations[at];
            self.record.connections.push(Connection { id: id(&made), organization, protocol, provider });
            self.log.push(format!("a connection of {protocol:?} in {}", SLUGS[at]));
            if protocol == Protocol::Saml {
                self.saml = made;
            }
        }
    }

    async fn prove(&mut self, at: Option<usize>) {
        let Some(at) = at else { return };
        let body = json!({"domain": self.domain});
        let made = self.admin.post(&self.at(at, "domains"), body).await.expect(201);
        self.outside.app.dns.set(&text(&made, "recordName"), &text(&made, "recordValue"));
        let verify = self.at(at, &format!("domains/{}/verify", text(&made, "id")));
        self.admin.post(&verify, json!({})).await.expect(200);
        self.record.proven = Some(self.record.organizations[at]);
        self.log.push(format!("{} has proven the domain", SLUGS[at]));
    }

    async fn set_policies(&mut self, random: &mut Random) {
        for at in 0..2 {
            if random.once_in(3) {
                continue;
            }
            let organization = self.record.organizations[at];
            let here = self.record.connections.iter().filter(|one| one.organization == organization);
            let here: Vec<Uuid> = here.map(|one| one.id).collect();
            let names = if here.is_empty() || random.once_in(2) { None } else { Some(random.pick(&here)) };
            let enforced = match names {
                _ if here.is_empty() || random.below(6) > 0 => Enforced::No,
                None => Enforced::ByAny,
                Some(only) => Enforced::By(only),
            };
            let domains: [&[&str]; 4] = [&[], &[], &[&self.domain], &["other.example"]];
            let groups = if random.once_in(2) {
                vec![("staff".to_owned(), random.pick(&[TenantRole::Contributor, TenantRole::Admin]))]
            } else {
                Vec::new()
            };
            let rules = Policy {
                enforced,
                allowed_domains: random.pick(&domains).iter().map(|&one| one.to_owned()).collect(),
                jit: !random.once_in(6),
                default_role: random.pick(&[TenantRole::Viewer, TenantRole::Guest, TenantRole::Contributor]),
                group_roles: groups,
            };
            self.set_policy(at, SignInPolicy { rules, names }).await;
        }
    }

    async fn set_policy(&mut self, at: usize, policy: SignInPolicy) {
        let SignInPolicy { rules, names } = &policy;
        let groups =
            rules.group_roles.iter().map(|(group, role)| json!({"group": group, "role": role.name()}));
        let body = json!({
            "enforced": rules.enforced != Enforced::No, "connectionId": names, "allowedDomains": rules.allowed_domains,
            "jitProvisioning": rules.jit, "defaultRole": rules.default_role.name(), "groupRoles": groups.collect::<Value>(),
        });
        self.admin.put(&self.at(at, "sso-policy"), body.clone()).await.expect(200);
        self.log.push(format!("the policy of {}: {body}", SLUGS[at]));
        self.record.policies.insert(self.record.organizations[at], policy);
    }

    /// Room for nobody, or for everybody.
    pub(super) async fn limit(&mut self, limit: Option<usize>) {
        let body = json!({"items": [{"resource": "users", "limit": limit}]});
        self.outside.app.operator.put(&self.path("/quotas"), body).await.expect(200);
        self.log.push(format!("seats: {limit:?}"));
        self.record.limit = limit;
    }

    /// Whether a mail would be sent to who asks to join, and where they would be.
    pub(super) fn joins(&self, person: &Person) -> Option<Uuid> {
        let organization = self.record.proven?;
        let users = self.record.users.iter().filter(|user| user.organization == organization);
        let is_member = users.clone().any(|user| user.addresses().contains(&person.address));
        let mut invitations = self.record.invitations.iter().filter(|one| one.email == person.address);
        let asked = invitations.clone().any(|one| one.kind != InvitationKind::Personal);
        let is_invited = invitations.any(|one| one.is_pending() && one.organization == organization);
        let is_managed = self.record.managed.contains(&organization);
        (!is_member && !asked && !is_invited && !is_managed).then_some(organization)
    }
}

pub(super) fn id(value: &Value) -> Uuid {
    text(value, "id").parse().expect("an id")
}
