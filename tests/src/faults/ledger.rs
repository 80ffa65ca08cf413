//! The books: what the service said, compared with what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::Method;
use serde_json::{Value, json};

use super::ask;
use crate::{Client, Reply};

/// What the caller knows of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: it must be there for ever.
    Acknowledged,
    /// It must never be there.
    Refused,
    /// No answer came, or one that says that it isn't known: both are right.
    Unknown,
}

impl Outcome {
    pub fn of(reply: Option<&Reply>) -> Self {
        match reply {
            None => Outcome::Unknown,
            Some(reply) if reply.status.is_success() => Outcome::Acknowledged,
            Some(reply) if is_unknown(reply) => Outcome::Unknown,
            Some(_) => Outcome::Refused,
        }
    }
}

/// Whether a reply says that a commit was under way: by its code, or in SCIM, which has no code for it, by its words.
fn is_unknown(reply: &Reply) -> bool {
    let said = ["store.outcome_unknown", "may or may not have been made"];
    reply.status.is_server_error() && said.iter().any(|text| reply.text.contains(text))
}

/// What each thing may be, after writes of which some are unknown. `None`: it isn't there.
#[derive(Debug, Default)]
pub struct Registers {
    may_be: BTreeMap<String, BTreeSet<Option<String>>>,
}

impl Registers {
    /// A write of `value` to `name` had this outcome.
    pub fn write(&mut self, name: &str, value: Option<&str>, outcome: Outcome) {
        let value = value.map(ToOwned::to_owned);
        let may_be = self.may_be.entry(name.to_owned()).or_insert_with(|| [None].into());
        match outcome {
            Outcome::Acknowledged => *may_be = [value].into(),
            Outcome::Unknown => drop(may_be.insert(value)),
            Outcome::Refused => {}
        }
    }

    /// What is there and must not be, or the other way round.
    pub fn contradictions(&self, what: &str, there: &BTreeMap<String, String>) -> Vec<String> {
        let wrong = self.may_be.iter().filter(|(name, may_be)| !may_be.contains(&there.get(*name).cloned()));
        let wrong: Vec<String> = wrong
            .map(|(name, may_be)| format!("{name} is {:?}, not one of {may_be:?}", there.get(name)))
            .collect();
        let strangers = there.keys().filter(|name| !self.may_be.contains_key(*name)).count();
        let mut found = Vec::new();
        if let Some(first) = wrong.first() {
            found.push(format!(
                "{} of {} {what} are wrong, the first: {first}",
                wrong.len(),
                self.may_be.len()
            ));
        }
        if strangers > 0 {
            found.push(format!("{strangers} {what} are there that nobody asked for"));
        }
        found
    }
}

#[derive(Default)]
struct Books {
    /// Title by user name.
    users: Registers,
    created: BTreeMap<String, Outcome>,
    /// How often each status came; 0: no answer.
    statuses: BTreeMap<u16, usize>,
}

/// The books of one tenant's users. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ledger {
    books: Arc<Mutex<Books>>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("a lock")
    }

    /// Creates a user by SCIM and records what came of it.
    pub async fn create(&self, scim: &Client, name: &str) -> Option<Reply> {
        let reply = ask(scim.request(Method::POST, "/scim/v2/Users").json(&json!({"userName": name}))).await;
        self.created(name, reply.as_ref());
        reply
    }

    /// Records the answer to a request that would make a user, without a title.
    pub fn created(&self, name: &str, reply: Option<&Reply>) {
        let outcome = Outcome::of(reply);
        let before = self.books().created.insert(name.to_owned(), outcome);
        assert!(before.is_none(), "each name is asked for once: {name}");
        self.changed(name, Some(""), reply);
    }

    /// Records the answer to a request that would change a user's title, or remove the user.
    pub fn changed(&self, name: &str, title: Option<&str>, reply: Option<&Reply>) {
        let mut books = self.books();
        books.users.write(name, title, Outcome::of(reply));
        *books.statuses.entry(reply.map_or(0, |reply| reply.status.as_u16())).or_default() += 1;
    }

    /// How many creations had an outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.books().created.values().filter(|one| **one == outcome).count()
    }

    /// How often each status came since the last call; 0: no answer.
    pub fn take_statuses(&self) -> BTreeMap<u16, usize> {
        std::mem::take(&mut self.books().statuses)
    }

    /// What contradicts the books: rows that were lost or came back, events and audit records that are missing or there twice, usage
    /// that isn't the number of rows. `slug` is the tenant's.
    pub async fn contradictions(&self, operator: &Client, scim: &Client, slug: &str) -> Vec<String> {
        // An event gets its place in the list a moment after its commit, also if the process died in between.
        for _ in 0..300 {
            if self.compared(operator, scim, slug).await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        self.compared(operator, scim, slug).await
    }

    async fn compared(&self, operator: &Client, scim: &Client, slug: &str) -> Vec<String> {
        let there = users(scim).await;
        let mut found = self.books().users.contradictions("users", &there);
        let tenant = operator.get(&format!("/api/v1/tenants/{slug}")).await.expect(200);
        let tenant = tenant["id"].as_str().expect("an id").to_owned();
        let names = async |kind: &str| -> Vec<String> {
            let events = items(operator, &format!("/api/v1/events?limit=200&type={kind}")).await;
            let own = events.iter().filter(|one| one["tenantId"] == tenant.as_str());
            own.filter_map(|one| text(&one["data"]["userName"])).collect()
        };
        let records = async |action: &str| {
            let path =
                format!("/api/v1/audit-events?limit=200&action={action}&outcome=success&tenantId={tenant}");
            items(operator, &path).await.len()
        };
        let (made, gone) = (names("user.created").await, names("user.deleted").await);
        let once: BTreeSet<&String> = made.iter().collect();
        let created = self.books().created.clone();
        let heard = |outcome: Outcome| created.iter().filter(move |(_, one)| **one == outcome);
        let silent = heard(Outcome::Acknowledged).filter(|(name, _)| !once.contains(name)).count();
        let ghosts = heard(Outcome::Refused).filter(|(name, _)| once.contains(name)).count();
        let mut expect = |what: &str, is: usize, wanted: usize| {
            if is != wanted {
                found.push(format!("{what}: {is}, not {wanted}"));
            }
        };
        expect("acknowledged users without an event", silent, 0);
        expect("refused users with an event", ghosts, 0);
        expect("events of creations, users", made.len(), once.len());
        expect(
            "created less deleted, users that are there",
            made.len() - gone.len().min(made.len()),
            there.len(),
        );
        expect("audit records of creations, events", records("user.create").await, made.len());
        expect("audit records of deletions, events", records("user.delete").await, gone.len());
        let quotas = operator.get(&format!("/api/v1/tenants/{slug}/quotas")).await.expect(200);
        let users =
            quotas["items"].as_array().and_then(|all| all.iter().find(|one| one["resource"] == "users"));
        let used = users.and_then(|one| one["used"].as_u64()).unwrap_or(u64::MAX);
        expect("used, users", usize::try_from(used).unwrap_or(usize::MAX), there.len());
        found
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// Everybody's title by `userName`.
async fn users(scim: &Client) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut index = 1;
    loop {
        let path = format!("/scim/v2/Users?count=1000&startIndex={index}&attributes=userName,title");
        let page = scim.get(&path).await.expect(200);
        let people = page["Resources"].as_array().cloned().unwrap_or_default();
        index += people.len();
        let title = |one: &Value| text(&one["title"]).unwrap_or_default();
        all.extend(people.iter().filter_map(|one| Some((text(&one["userName"])?, title(one)))));
        if people.is_empty() || page["totalResults"].as_u64().is_none_or(|total| index as u64 > total) {
            return all;
        }
    }
}

/// All items of a list that is read by cursor.
pub(super) async fn items(operator: &Client, path: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = operator.get(&format!("{path}{after}")).await.expect(200);
        all.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["nextCursor"].as_str() {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}
