//! Who reaches how much of the store: one tenant's rows, the platform's, or all. SQL stands in stores, and a row is asked for from its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::architecture::{files, root};
use super::rules::sources;

/// How often something stands in the files of each capability that has it at all.
fn count_by_crate(count: impl Fn(&str, &str) -> usize) -> Vec<(String, usize)> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (file, text) in sources("service/capability") {
        *found.entry(file.split('/').next().unwrap_or_default().to_owned()).or_default() +=
            count(&file, &text);
    }
    found.retain(|_, count| *count > 0);
    found.into_iter().collect()
}

#[test]
fn no_handler_takes_the_whole_service() {
    let all = sources("service");
    let found: Vec<&str> = all
        .iter()
        .filter(|(_, text)| text.contains(".whole_service()"))
        .map(|(file, _)| file.as_str())
        .collect();
    // Health and readiness look after the store itself.
    assert_eq!(
        found,
        ["src/operations.rs"],
        "take `caller.read`, `caller.write`, `caller.at` or `caller.tools()`"
    );
}

/// How often jobs, chores and authenticators take the whole service, by crate, and why: they come to a tenant by a job, one after the other, or
/// by what a credential shows. The numbers only fall: who works on one tenant takes a `TenantService`, who works on the platform's rows a
/// `PlatformService`.
const WHOLE_SERVICE: [(&str, usize, &str); 10] = [
    ("connections", 2, "chores: connections and domains of all tenants are looked at"),
    ("inbox", 7, "the job of an event learns from the event whose it is; a chore compares all tenants"),
    ("invitations", 3, "the handlers of jobs of any tenant, and the end of invitations of all"),
    ("keys", 2, "an authenticator"),
    ("mail", 2, "the job of a mail of any tenant"),
    ("oidc_provider", 2, "the job of a session of any tenant"),
    ("operators", 2, "an authenticator"),
    ("provisioning", 8, "runs make, move and remove tenants; a chore compares all"),
    (
        "scim",
        8,
        "an authenticator, the log of requests, the handler of jobs of any tenant, and warnings to all",
    ),
    ("sign_in", 3, "an authenticator; the job that looks in which tenants somebody has an address"),
];

/// Whether `Service` stands there as the type of a parameter or a field.
fn takes_whole(text: &str) -> usize {
    let is_end = |rest: &str| !rest.starts_with(|one: char| one.is_alphanumeric() || one == '_');
    let of =
        |begin: &str| text.match_indices(begin).filter(|(at, _)| is_end(&text[at + begin.len()..])).count();
    ["&Service", "&'a Service", ": Service"].into_iter().map(of).sum()
}

#[test]
fn who_takes_the_whole_service_needs_it() {
    let found = count_by_crate(|_, text| takes_whole(text));
    let listed: Vec<(String, usize)> =
        WHOLE_SERVICE.iter().map(|(name, count, _)| ((*name).to_owned(), *count)).collect();
    assert_eq!(found, listed, "take a PlatformService or a TenantService, or say why not in WHOLE_SERVICE");
}

/// How often a handler takes the platform's part of the service (`caller.platform()`), by crate, and for what. The numbers only fall.
const PLATFORM: [(&str, usize, &str); 11] = [
    (
        "exchange",
        3,
        "registered issuers and modules, signing keys, and the connection of a token, before a tenant is known",
    ),
    ("flags", 1, "the module of a client id, for a caller of the platform"),
    ("inbox", 1, "events come in for the whole platform, and are stored before it is known whose they are"),
    ("invitations", 1, "a stranger's request is left to a job, whichever tenant it names"),
    ("mail", 2, "the last mails of all tenants, on a developer's machine alone"),
    (
        "oidc_provider",
        11,
        "registered modules and signing keys; requests that were pushed before anybody signs in",
    ),
    ("operators", 10, "operators, their passkeys and sessions belong to no tenant"),
    ("provisioning", 4, "places and regions are the platform's; a realm is looked for among its backends"),
    (
        "scim",
        2,
        "whether an endpoint takes security events; a dry run is compared with the copy, which is another tenant",
    ),
    ("sign_in", 6, "registered modules, requests that wait, and which tenant a hint means"),
    ("webhooks", 2, "the stream of events is that of a caller of the platform"),
];

#[test]
fn who_takes_the_platforms_part_says_for_what() {
    let found = count_by_crate(|_, text| text.matches(".platform()").count());
    let listed: Vec<(String, usize)> =
        PLATFORM.iter().map(|(name, count, _)| ((*name).to_owned(), *count)).collect();
    assert_eq!(found, listed, "take `caller.read`, `caller.write`, `caller.at` or `caller.tools()`");
}

/// Where a caller comes to a tenant otherwise than by the path or a look-up (`caller.within(…)`), how often, and why that is safe.
const WITHIN: [(&str, usize, &str); 8] = [
    ("capability/exchange/src/http/session.rs", 1, "the connection whose provider signed the token"),
    ("capability/flags/src/cache.rs", 2, "the caller is of the platform"),
    ("capability/oidc_provider/src/http/sign_out.rs", 1, "an ID token that we signed"),
    ("capability/oidc_provider/src/http/tokens.rs", 1, "an access token that we signed"),
    ("capability/provisioning/src/http.rs", 1, "the tenant that the caller, of the platform, creates"),
    (
        "capability/sign_in/src/http/authorize.rs",
        1,
        "hints of somebody who wants to sign in: an organization's id is read",
    ),
    (
        "capability/sign_in/src/http/callback.rs",
        1,
        "the sign-in that is proven is named by its id, and opened by the browser that began it",
    ),
    (
        "capability/sign_in/src/http/leave.rs",
        1,
        "hints of somebody who wants to sign in: its connections are read",
    ),
];

#[test]
fn a_caller_comes_to_a_tenant_by_what_it_showed() {
    let mut found = Vec::new();
    for (file, text) in sources("service") {
        let count = text.matches("caller.within(").count();
        // The makers of tenants are the service's own.
        if count > 0 && file.starts_with("capability/") {
            found.push((file, count));
        }
    }
    let listed: Vec<(String, usize)> =
        WITHIN.iter().map(|(file, count, _)| ((*file).to_owned(), *count)).collect();
    assert_eq!(found, listed, "take `caller.at`");
}

#[test]
fn sql_stands_in_stores() {
    let found = count_by_crate(|file, text| {
        let inside = file.split("/src/").nth(1).unwrap_or_default();
        if inside.split(['/', '.']).any(|part| part.starts_with("store")) {
            return 0;
        }
        let begins = |rest: &str| {
            let rest = rest.trim_start();
            ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "]
                .iter()
                .any(|word| rest.starts_with(word))
        };
        let texts = text.match_indices('"').filter(|(at, _)| begins(&text[at + 1..])).count();
        // None runs without one of these.
        let made = ["Statement::of_tenant(", "Statement::built(", "Statement::new("];
        let made: usize = made.iter().map(|one| text.matches(one).count()).sum();
        texts.max(made)
    });
    assert!(found.is_empty(), "SQL belongs into a capability's store: {found:?}");
}

/// The rows of each owner: the files of its folder in `entity/src` that are tables.
fn rows_by_owner() -> BTreeMap<String, Vec<String>> {
    let mut tables = Vec::new();
    files(&root().join("entity/src"), ".rs", &mut tables);
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in tables {
        if !std::fs::read_to_string(&path).expect("a file").contains("DeriveEntityModel") {
            continue;
        }
        let owner = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let row = path.file_stem().expect("a name").to_string_lossy().into_owned();
        rows.entry(owner).or_default().push(row);
    }
    rows
}

/// A crate names a row that is another's.
struct Naming {
    by: String,
    row: String,
    /// Whether it asks the store for it by itself, instead of having it from its owner.
    is_query: bool,
}

fn namings() -> Vec<Naming> {
    let rows = rows_by_owner();
    let mut found = Vec::new();
    for (file, text) in sources("service") {
        let inside = file.strip_prefix("capability/").unwrap_or(&file);
        let by = inside.split('/').next().unwrap_or_default();
        for named in text.split("entity::").skip(1) {
            let Some((owner, rest)) = named.split_once("::") else { continue };
            let Some(own) = rows.get(owner).filter(|_| owner != by) else { continue };
            // `entity::owner::row::…` or `entity::owner::{row, other::…}`.
            let names = match rest.strip_prefix('{') {
                Some(many) => many.split('}').next().unwrap_or_default(),
                None => rest.split([':', ';', ',', ' ', ')', '>', '(']).next().unwrap_or_default(),
            };
            for name in names.split(',').filter_map(|one| one.trim().split([':', ' ']).next()) {
                if !own.iter().any(|row| row == name) {
                    continue;
                }
                let items =
                    rest.strip_prefix(name).and_then(|rest| rest.split(';').next()).unwrap_or_default();
                let is_query =
                    ["::Entity", "::Column"].iter().any(|of| text.contains(&format!("{name}{of}")))
                        || ["Entity", "Column"].iter().any(|of| items.contains(of));
                found.push(Naming { by: by.to_owned(), row: format!("{owner}::{name}"), is_query });
            }
        }
    }
    found
}

fn listed(names: &BTreeMap<String, BTreeSet<String>>) -> Vec<(&str, Vec<&str>)> {
    names.iter().map(|(by, names)| (by.as_str(), names.iter().map(String::as_str).collect())).collect()
}

/// Rows that crates know which are another's, and have from it: by crate, as owner and row. The list only shrinks.
const ROWS_OF_OTHERS: [(&str, &[&str]); 19] = [
    ("audit", &["platform::audit_event"]),
    ("azure", &["provisioning::deployment"]),
    ("backends", &["exchange::issuer"]),
    (
        "directory",
        &["connections::connection", "connections::policy", "invitations::invitation", "tenancy::tenant"],
    ),
    ("exchange", &["directory::user", "modules::module", "sessions::session", "tenancy::tenant"]),
    ("flags", &["modules::module", "platform::outbox_event", "tenancy::tenant"]),
    ("inbox", &["directory::identity", "directory::user", "tenancy::tenant"]),
    ("invitations", &["tenancy::tenant"]),
    ("keys", &["tenancy::plan", "tenancy::tenant"]),
    ("mail", &["tenancy::tenant"]),
    (
        "oidc_provider",
        &[
            "directory::user",
            "modules::module",
            "platform::outbox_event",
            "sessions::browser_session",
            "sessions::session",
        ],
    ),
    ("platform", &["tenancy::plan"]),
    (
        "provisioning",
        &["platform::outbox_event", "tenancy::instance", "tenancy::organization", "tenancy::tenant"],
    ),
    ("quota", &["tenancy::plan", "tenancy::tenant"]),
    (
        "scim",
        &[
            "directory::change",
            "directory::group",
            "directory::guard",
            "directory::restore",
            "directory::role_mapping",
            "directory::user",
            "platform::outbox_event",
        ],
    ),
    ("sign_in", &["modules::module", "sessions::browser_session", "tenancy::tenant"]),
    ("src", &["platform::job", "platform::outbox_event"]),
    ("web", &["platform::idempotency_record"]),
    ("webhooks", &["platform::outbox_event", "platform::outbox_state"]),
];

#[test]
fn a_row_is_known_by_few_who_do_not_own_it() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in namings() {
        found.entry(one.by).or_default().insert(one.row);
    }
    let known: Vec<(&str, Vec<&str>)> =
        ROWS_OF_OTHERS.iter().map(|(by, names)| (*by, names.to_vec())).collect();
    assert_eq!(listed(&found), known, "a row belongs to its owner: ask a function of the owner for it");
}

/// Rows that crates ask the store for by themselves although they are another's, and why. The list only shrinks.
const QUERIES_OF_OTHERS: [(&str, &[&str], &str); 9] = [
    (
        "audit",
        &["platform::audit_event"],
        "reads the records that `platform` writes: no other reader has them",
    ),
    (
        "backends",
        &["exchange::issuer"],
        "stores the issuer that it learns of Zitadel; `exchange` stands above it",
    ),
    (
        "directory",
        &["connections::connection", "connections::policy", "invitations::invitation"],
        "what the decision about people is made of; those who own it stand above it",
    ),
    (
        "keys",
        &["tenancy::plan", "tenancy::tenant"],
        "whether the tenant of a key may come in; `tenancy` stands above it",
    ),
    ("mail", &["tenancy::tenant"], "the name in a mail; `tenancy` stands above it"),
    (
        "quota",
        &["tenancy::plan", "tenancy::tenant"],
        "which limits a tenant's plan has; `tenancy` stands above it",
    ),
    ("src", &["platform::job"], "operators' view of the queue"),
    ("web", &["platform::idempotency_record"], "the gate's repeats; the row lies beside `platform`'s own"),
    (
        "webhooks",
        &["platform::outbox_event", "platform::outbox_state"],
        "the feed, replays and the sink read the outbox, each by a filter of its own",
    ),
];

#[test]
fn a_row_is_asked_for_from_its_owner() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in namings().into_iter().filter(|one| one.is_query) {
        found.entry(one.by).or_default().insert(one.row);
    }
    let known: Vec<(&str, Vec<&str>)> =
        QUERIES_OF_OTHERS.iter().map(|(by, names, _)| (*by, names.to_vec())).collect();
    assert_eq!(listed(&found), known, "ask a function of the owner for it");
}
