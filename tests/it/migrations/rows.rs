//! Rows as the version before wrote them, with the columns that it had.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use platform::clock::Clock;
use platform::crypto::{Envelope, sha256};
use sea_orm::Value;
use serde_json::json;
use tests::MASTER_KEY;
use uuid::Uuid;

pub(super) type Moment = DateTime<Utc>;
/// Columns of a row.
pub(super) type Row = Vec<(&'static str, Value)>;
/// A tenant and an organization of it.
pub(super) type Place = (Uuid, Uuid);

pub(super) const ACME: Place = (id(0xa), id(0xa0));
/// Another organization of acme's.
pub(super) const EMEA: Place = (id(0xa), id(0xa1));
pub(super) const BETA: Place = (id(0xb), id(0xb0));

pub(super) const fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 + number)
}

/// So many days ago, at a whole second: the same moment whenever a test asks.
pub(super) fn days_ago(days: i64) -> Moment {
    static NOW: LazyLock<i64> = LazyLock::new(|| Clock::default().now().timestamp());
    DateTime::from_timestamp(*NOW, 0).expect("a moment") - TimeDelta::days(days)
}

/// A row with other columns, and more.
pub(super) fn with(mut row: Row, more: Row) -> Row {
    row.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    row.extend(more);
    row
}

fn of((tenant, organization): Place) -> Row {
    vec![("tenant_id", tenant.into()), ("organization_id", organization.into())]
}

pub(super) fn made(at: Moment) -> Row {
    vec![("version", 1_i64.into()), ("created_at", at.into()), ("updated_at", at.into())]
}

/// A viewer whom a first sign-in made.
pub(super) fn person(place: Place, number: u128, address: &str) -> Row {
    let resource =
        json!({"userName": address, "active": true, "emails": [{"value": address, "primary": true}]});
    let row = vec![
        ("id", id(number).into()),
        ("user_name", address.into()),
        ("user_name_key", address.to_lowercase().into()),
        ("email", address.into()),
        ("active", true.into()),
        ("role", "viewer".into()),
        ("role_source", "local".into()),
        ("source", "jit".into()),
        ("resource", resource.clone().into()),
        ("folded", resource.into()),
    ];
    with(with(of(place), row), made(days_ago(30)))
}

/// What a row of somebody says who is switched off.
pub(super) fn off(address: &str) -> Row {
    let resource =
        json!({"userName": address, "active": false, "emails": [{"value": address, "primary": true}]});
    vec![("active", false.into()), ("resource", resource.clone().into()), ("folded", resource.into())]
}

/// A link that was made and last used at these moments.
pub(super) fn link(place: Place, user: u128, (issuer, subject): (&str, &str), at: (Moment, Moment)) -> Row {
    let row = vec![
        ("user_id", id(user).into()),
        ("issuer", issuer.into()),
        ("subject", subject.into()),
        ("created_at", at.0.into()),
        ("last_seen_at", at.1.into()),
    ];
    with(of(place), row)
}

/// The issuer of a connection's links, while the provider was not part of it.
pub(super) fn links_of(connection: u128) -> String {
    format!("connection:{}", id(connection))
}

/// The same, with the provider.
pub(super) fn links_at(connection: u128, provider: &str) -> String {
    format!("connection:{} {provider}", id(connection))
}

/// A connection to an OpenID Provider that nobody has changed.
pub(super) fn oidc(place: Place, number: u128, (issuer, client): (&str, &str)) -> Row {
    let settings = json!({
        "issuer": issuer, "clientId": client, "scopes": ["openid", "email", "profile"], "attributeMapping": {},
        "signOutUpstream": false,
    });
    let secret = seal("connection", id(number), b"s");
    let row = vec![
        ("id", id(number).into()),
        ("type", "oidc".into()),
        ("name", client.into()),
        ("enabled", true.into()),
        ("issuer", issuer.into()),
        ("settings", settings.into()),
        ("client_secret", secret.into()),
    ];
    with(with(of(place), row), made(days_ago(30)))
}

/// A connection that was changed, for the third time, then.
pub(super) fn changed(at: Moment) -> Row {
    vec![("version", 4_i64.into()), ("updated_at", at.into())]
}

/// A pending invitation, to be accepted by this token.
pub(super) fn invitation(place: Place, number: u128, (email, role): (&str, &str), token: &str) -> Row {
    let row = vec![
        ("id", id(number).into()),
        ("kind", "personal".into()),
        ("email", email.into()),
        ("email_key", email.to_lowercase().into()),
        ("role", role.into()),
        ("token_digest", sha256(token.as_bytes()).to_vec().into()),
        ("status", "pending".into()),
        ("inviter", "Olga".into()),
        ("expires_at", days_ago(-7).into()),
    ];
    with(with(of(place), row), made(days_ago(20)))
}

/// That the person of an invitation is expected at the door.
pub(super) fn expected(place: Place, number: u128, (email, role): (&str, &str)) -> Row {
    let row = vec![
        ("email_key", email.to_lowercase().into()),
        ("role", role.into()),
        ("invitation_id", id(number).into()),
        ("reservations", json!([]).into()),
        ("expires_at", days_ago(-7).into()),
    ];
    with(of(place), row)
}

/// The sign-in policy of acme's organization `default`.
pub(super) fn policy() -> Row {
    vec![
        ("tenant_id", ACME.0.into()),
        ("organization_id", ACME.1.into()),
        ("enforced", false.into()),
        ("allowed_domains", json!([]).into()),
        ("jit_provisioning", true.into()),
        ("default_role", "viewer".into()),
        (
            "group_roles",
            json!([{"group": "ops", "role": "admin"}, {"group": "dev", "role": "contributor"}]).into(),
        ),
        ("version", 1_i64.into()),
        ("created_at", days_ago(30).into()),
        ("updated_at", days_ago(30).into()),
    ]
}

/// A record that somebody's role was changed by such an actor.
pub(super) fn role_changed(number: u128, user: u128, actor: &str) -> Row {
    vec![
        ("id", id(number).into()),
        ("tenant_id", ACME.0.into()),
        ("occurred_at", days_ago(20).into()),
        ("actor_kind", actor.into()),
        ("actor_id", "a".into()),
        ("action", "user.role".into()),
        ("target_kind", "user".into()),
        ("target_id", id(user).to_string().into()),
        ("outcome", "success".into()),
        ("details", json!({"from": "viewer", "to": "admin", "by": "local"}).into()),
    ]
}

/// A session that a key opened for somebody in acme's organization `default`.
pub(super) fn session(number: u128, user: u128, issuer: &str) -> Row {
    vec![
        ("tenant_id", ACME.0.into()),
        ("organization_id", ACME.1.into()),
        ("id", id(number).into()),
        ("user_id", id(user).into()),
        ("issuer", issuer.into()),
        ("client_id", "key:operator".into()),
        ("audience", "tenantry".into()),
        ("created_at", days_ago(1).into()),
        ("expires_at", days_ago(-20).into()),
    ]
}

/// The way back from the provider, which only the browser knows, and the browser's cookie.
pub(super) const STATE: &str = "_0123456789abcdef0123456789abcdef01234567";
pub(super) const BROWSER: &str = "tnt_br_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// A sign-in that a browser began a moment ago and that goes on to our own page.
pub(super) fn begun(number: u128, connection: u128, secrets: Vec<u8>) -> Row {
    let now = Clock::default().now();
    vec![
        ("tenant_id", ACME.0.into()),
        ("organization_id", ACME.1.into()),
        ("id", id(number).into()),
        ("connection_id", id(connection).into()),
        ("code", "ABCD-EFGH".into()),
        ("purpose", "sign_in".into()),
        ("status", "started".into()),
        ("state_digest", sha256(STATE.as_bytes()).to_vec().into()),
        ("browser_digest", sha256(BROWSER.as_bytes()).to_vec().into()),
        ("secrets", secrets.into()),
        ("continues", json!("home").into()),
        ("steps", json!([]).into()),
        ("proof_attempts", 0_i64.into()),
        ("started_at", now.into()),
        ("expires_at", (now + TimeDelta::minutes(10)).into()),
    ]
}

/// What the service seals under the master key of the tests.
pub(super) fn seal(purpose: &'static str, id: Uuid, plain: &[u8]) -> Vec<u8> {
    let envelope = Envelope::new(MASTER_KEY).expect("a master key");
    envelope.seal(purpose, id.as_bytes(), plain).expect("sealed")
}
