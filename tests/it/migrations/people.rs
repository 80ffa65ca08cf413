//! What the rows of the version before mean once the one decision about people reads them: each column that was converted, and that
//! nothing else was.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sea_orm::Value;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::before::Before;
use super::rows::*;

pub(super) const PEOPLE: &str = "m20261127_000001_people";
const PROVIDER: &str = "https://idp.example/a";
const ISSUER: &str = "https://issuer.example";

async fn text_of(before: &Before, column: &str, table: &str, number: u128) -> String {
    let sql = format!("SELECT COALESCE(CAST({column} AS TEXT), 'NULL') FROM {table} WHERE id = $1");
    before.texts(&sql, vec![id(number).into()]).await.remove(0)
}

#[actix_web::test]
async fn a_role_is_a_sign_ins_where_groups_give_it_and_nobody_gave_it_by_hand() {
    let before = Before::with_tenants(PEOPLE).await;
    before.insert("sso_policy", policy()).await;
    // Where, who made them, as what, whose the role was, by what they come, since how many days, who is on record for the role; whose it
    // is. All were made thirty days ago.
    let c = links_of(0xc1);
    let table = [
        (ACME, "jit", "admin", "local", (c.as_str(), 30), None, "sign_in"),
        (ACME, "jit", "contributor", "local", (&c, 30), Some("anonymous"), "sign_in"),
        (ACME, "jit", "contributor", "local", (&c, 20), Some("anonymous"), "sign_in"),
        (ACME, "jit", "admin", "local", (&c, 30), Some("key"), "local"),
        (ACME, "jit", "admin", "local", (&c, 30), Some("scim_token"), "local"),
        (ACME, "jit", "viewer", "local", (&c, 30), None, "local"),
        (ACME, "jit", "admin", "group", (&c, 30), None, "group"),
        (ACME, "scim", "admin", "local", (&c, 30), None, "local"),
        (ACME, "scim", "admin", "group", (&c, 30), None, "group"),
        (ACME, "invitation", "admin", "local", (&c, 30), None, "local"),
        // By doors that say nothing of groups: the gateway said the role, or they were the first of the tenant.
        (ACME, "jit", "admin", "local", ("gateway", 30), None, "local"),
        (ACME, "jit", "admin", "local", (ISSUER, 30), None, "local"),
        // The same, and a connection has brought them since.
        (ACME, "jit", "admin", "local", (&c, 20), None, "local"),
        // Without a policy of their own organization, and of their own tenant.
        (EMEA, "jit", "admin", "local", (&c, 30), None, "local"),
        (BETA, "jit", "admin", "local", (&c, 30), None, "local"),
    ];
    for (at, (place, source, role, role_source, (issuer, days), actor, _)) in (1_u128..).zip(table) {
        let more =
            vec![("source", source.into()), ("role", role.into()), ("role_source", role_source.into())];
        before.user(with(person(place, at, &format!("u{at}@x.test")), more)).await;
        let moments = (days_ago(days), days_ago(10));
        before.insert("user_identity", link(place, at, (issuer, &format!("u{at}")), moments)).await;
        if let Some(actor) = actor {
            before.insert("audit_event", role_changed(0x100 + at, at, actor)).await;
        }
    }
    before.upgrade().await;
    for (at, row) in (1_u128..).zip(table) {
        assert_eq!(text_of(&before, "role_source", "directory_user", at).await, row.6, "{row:?}");
        assert_eq!(text_of(&before, "role", "directory_user", at).await, row.2, "{row:?}");
    }
}

#[actix_web::test]
async fn whom_a_directory_keeps_it_switched_off_and_of_others_nobody_knows() {
    let before = Before::with_tenants(PEOPLE).await;
    let table = [
        ("scim", false, "directory"),
        ("scim", true, "NULL"),
        ("jit", false, "NULL"),
        ("jit", true, "NULL"),
        ("invitation", false, "NULL"),
    ];
    for (at, (source, active, _)) in (1_u128..).zip(table) {
        let address = format!("u{at}@x.test");
        let row = with(person(ACME, at, &address), vec![("source", source.into())]);
        before.user(if active { row } else { with(row, off(&address)) }).await;
    }
    before.upgrade().await;
    for (at, (source, active, wanted)) in (1_u128..).zip(table) {
        let by = text_of(&before, "deactivated_by", "directory_user", at).await;
        assert_eq!(by, wanted, "{source} {active}");
        assert_eq!(text_of(&before, "address_proof", "directory_user", at).await, "NULL");
    }
}

#[actix_web::test]
async fn a_connection_is_of_its_provider_since_it_was_changed_last() {
    let before = Before::with_tenants(PEOPLE).await;
    let tested = |days| vec![("tested_at", Value::from(days_ago(days)))];
    let saml = |issuer: Option<&str>| {
        let issuer = issuer.map(ToOwned::to_owned);
        vec![("type", "saml".into()), ("issuer", issuer.into()), ("settings", json!({}).into())]
    };
    let made = |number: u128| oidc(ACME, number, (PROVIDER, "c"));
    let again = changed(days_ago(10));
    // Its client, days ago since when it is of its provider, and days ago when that answered.
    let table = [
        (made(1), "c", 30, None),
        (with(made(2), tested(20)), "c", 30, Some(20)),
        (with(made(3), again.clone()), "c", 10, None),
        (with(with(made(4), again.clone()), tested(20)), "c", 10, None),
        (with(with(made(5), again.clone()), tested(10)), "c", 10, Some(10)),
        (with(with(made(6), again.clone()), tested(5)), "c", 10, Some(5)),
        (with(with(made(7), saml(Some("urn:idp"))), tested(5)), "NULL", 30, Some(5)),
        (with(made(8), saml(None)), "NULL", 30, None),
    ];
    for (row, ..) in table.clone() {
        before.insert("connection", row).await;
    }
    before.upgrade().await;
    for (at, (_, client, claimed, proven)) in (1_u128..).zip(table) {
        assert_eq!(text_of(&before, "client_id", "connection", at).await, client, "{at}");
        let row = before
            .ask("SELECT claimed_at, proven_at FROM connection WHERE id = $1", vec![id(at).into()])
            .await;
        let moment = |name: &str| row[0].try_get::<Option<Moment>>("", name).expect("a moment");
        assert_eq!(
            (moment("claimed_at"), moment("proven_at")),
            (Some(days_ago(claimed)), proven.map(days_ago)),
            "{at}"
        );
    }
}

#[actix_web::test]
async fn a_link_is_of_the_provider_behind_its_connection_where_that_can_be_told() {
    let before = Before::with_tenants(PEOPLE).await;
    let (moment, tick) = (days_ago(10), TimeDelta::microseconds(1));
    let (never, unknown, half) = (1, 3, 4);
    before.insert("connection", oidc(ACME, never, (PROVIDER, "c1"))).await;
    before.insert("connection", with(oidc(ACME, 2, (PROVIDER, "c2")), changed(moment))).await;
    let saml =
        vec![("type", "saml".into()), ("issuer", None::<String>.into()), ("settings", json!({}).into())];
    before.insert("connection", with(oidc(ACME, unknown, (PROVIDER, "")), saml)).await;
    // Changed between two whole seconds: SQLite compares moments as text.
    let later = moment + TimeDelta::milliseconds(500);
    before.insert("connection", with(oidc(ACME, half, (PROVIDER, "c4")), changed(later))).await;
    let old = moment - TimeDelta::days(5);
    let links = [
        (links_of(never), (old, old), links_at(never, PROVIDER)),
        (links_of(2), (old, old), links_of(2)),
        (links_of(2), (moment - tick, moment - tick), links_of(2)),
        (links_of(2), (moment, moment), links_at(2, PROVIDER)),
        (links_of(2), (moment + tick, moment + tick), links_at(2, PROVIDER)),
        // It came from before, and has come in since.
        (links_of(2), (old, moment + tick), links_at(2, PROVIDER)),
        (links_of(half), (moment, moment), links_of(half)),
        (links_of(half), (later - tick, later - tick), links_of(half)),
        (links_of(half), (later, later), links_at(half, PROVIDER)),
        (links_of(half), (later + tick, later + tick), links_at(half, PROVIDER)),
        (links_of(unknown), (old, old), links_of(unknown)),
        (ISSUER.to_owned(), (old, old), ISSUER.to_owned()),
        ("gateway".to_owned(), (old, old), "gateway".to_owned()),
    ];
    for (at, (issuer, moments, _)) in (0x10_u128..).zip(&links) {
        before.user(person(ACME, at, &format!("u{at}@x.test"))).await;
        before.insert("user_identity", link(ACME, at, (issuer, &format!("S{at} é")), *moments)).await;
    }
    before.upgrade().await;
    for (at, (issuer, moments, wanted)) in (0x10_u128..).zip(&links) {
        assert_eq!(before.links(at).await, [(wanted.clone(), format!("S{at} é"))], "{issuer} {moments:?}");
    }
}

/// A row at least of each kind that people leave behind.
async fn furnished() -> Before {
    let before = Before::with_tenants(PEOPLE).await;
    before.insert("sso_policy", policy()).await;
    before.insert("connection", oidc(ACME, 1, (PROVIDER, "c1"))).await;
    for (place, number) in [(ACME, 2), (EMEA, 3), (BETA, 4)] {
        before.user(with(person(place, number, "ann@x.test"), vec![("role", "admin".into())])).await;
    }
    let at = (days_ago(20), days_ago(3));
    before.insert("user_identity", link(ACME, 2, (&links_of(1), "ann"), at)).await;
    before.insert("user_identity", link(BETA, 4, (ISSUER, "ann"), at)).await;
    before.insert("invitation", invitation(ACME, 5, ("zoe@x.test", "admin"), "t1")).await;
    let accepted =
        vec![("status", "accepted".into()), ("accepted_at", days_ago(19).into()), ("user_id", id(3).into())];
    before.insert("invitation", with(invitation(EMEA, 6, ("ann@x.test", "admin"), "t2"), accepted)).await;
    before.insert("directory_expected", expected(ACME, 5, ("zoe@x.test", "admin"))).await;
    before.insert("session", session(7, 2, &links_of(1))).await;
    before.insert("sign_in", begun(8, 1, b"sealed".to_vec())).await;
    before
}

#[actix_web::test]
async fn nothing_else_changes_and_a_second_run_changes_nothing() {
    let before = furnished().await;
    let mut old = before.everything().await;
    let applied = before.upgrade().await;
    assert_eq!(applied.first().map(String::as_str), Some(PEOPLE));
    let new = before.everything().await;
    // The record of what was applied, and the two columns of which others tell.
    old.remove("seaql_migrations");
    // The instance that every store came with, and on which nobody is, goes with a later migration.
    old.remove("instance");
    let converted = |table: &str, column: &str| {
        [("directory_user", "role_source"), ("user_identity", "issuer")].contains(&(table, column))
    };
    for (table, rows) in old {
        let kept = |row: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let same = |(name, _): &(&String, &String)| !converted(&table, name);
            row.iter().filter(same).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let mut was: Vec<_> = rows.iter().map(kept).collect();
        let columns: Vec<String> = was.first().into_iter().flat_map(|row| row.keys().cloned()).collect();
        let only = |row: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            row.iter()
                .filter(|(name, _)| columns.contains(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        let mut is: Vec<_> = new[&table].iter().map(only).collect();
        was.sort();
        is.sort();
        assert_eq!(is, was, "{table}");
    }
    // Nobody has left, nothing was told by the identity backend, nobody came with an invitation.
    assert!(new["directory_departed"].is_empty());
    for (table, column) in [
        ("user_identity", "sequence"),
        ("tenant", "identity_sequence"),
        ("sign_in", "invitation_digest"),
        ("directory_user", "address_proof"),
    ] {
        let rows = &new[table];
        assert!(
            !rows.is_empty() && rows.iter().all(|row| row[column] == "NULL"),
            "{table} {column} {rows:?}"
        );
    }
    assert_eq!(before.upgrade().await, Vec::<String>::new());
    assert_eq!(before.everything().await, new);
}

#[actix_web::test]
async fn what_the_new_columns_hold_is_bounded_and_new_tables_are_behind_the_wall() {
    let before = furnished().await;
    before.upgrade().await;
    for (column, right, wrong) in [
        ("role_source", &["local", "group", "sign_in"][..], "nobody"),
        ("deactivated_by", &["directory", "admin", "backend"], "nobody"),
        ("address_proof", &["nothing", "word", "domain", "mail"], "everything"),
    ] {
        let set = |value: &str| format!("UPDATE directory_user SET {column} = '{value}'");
        for value in right {
            assert!(before.takes(&set(value)).await, "{column} {value}");
        }
        assert!(!before.takes(&set(wrong)).await, "{column}");
    }
    assert!(!before.takes("UPDATE directory_user SET role_source = NULL").await);
    for (place, user) in [(ACME, 2), (BETA, 4)] {
        let row = vec![
            ("tenant_id", place.0.into()),
            ("organization_id", place.1.into()),
            ("kind", "address".into()),
            ("key", "ann@x.test".into()),
            ("user_id", id(user).into()),
            ("departed_at", days_ago(1).into()),
        ];
        before.insert("directory_departed", row).await;
    }
    if before.is_postgres() { rows_are_walled(&before).await } else { types_are_walled(&before).await }
}

async fn counted(connection: &mut PgConnection, table: &'static str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    connection.fetch_one(sql).await.expect(table).get(0)
}

/// Postgres: a tenant's transaction sees its own rows, and the platform's all.
async fn rows_are_walled(before: &Before) {
    let open = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
                AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(before.texts(open, Vec::new()).await, Vec::<String>::new());
    let mut login = PgConnection::connect(&before.store.url).await.expect("the service");
    login.execute("SET ROLE tenantry_app").await.expect("a role");
    let scope = format!("SET app.tenant_id = '{}'", ACME.0);
    login.execute(sqlx::AssertSqlSafe(scope)).await.expect("a scope");
    for (table, own, all) in [
        ("directory_departed", 1, 2),
        ("directory_user", 2, 3),
        ("user_identity", 1, 2),
        ("connection", 1, 1),
    ] {
        assert_eq!(counted(&mut login, table).await, own, "{table}");
        login.execute("SET ROLE tenantry_platform").await.expect("a role");
        assert_eq!(counted(&mut login, table).await, all, "{table}");
        login.execute("SET ROLE tenantry_app").await.expect("a role");
    }
    let foreign = format!(
        "INSERT INTO directory_departed VALUES ('{}', '{}', 'address', 'eve@x.test', '{}', now())",
        BETA.0,
        BETA.1,
        id(4)
    );
    let refused = login.execute(sqlx::AssertSqlSafe(foreign)).await.expect_err("another tenant's");
    assert!(refused.to_string().contains("row-level security"), "{refused}");
}

/// SQLite has no walls between rows; wrong types are refused, and no row refers to one that is not there.
async fn types_are_walled(before: &Before) {
    let loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
                 AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations'";
    assert_eq!(before.texts(loose, Vec::new()).await, Vec::<String>::new());
    assert!(!before.takes("UPDATE directory_departed SET user_id = 'a text'").await);
    assert!(!before.takes("UPDATE user_identity SET sequence = 'a text'").await);
    let dangling = before.texts("SELECT \"table\" FROM pragma_foreign_key_check", Vec::new()).await;
    assert_eq!(dangling, Vec::<String>::new());
}
