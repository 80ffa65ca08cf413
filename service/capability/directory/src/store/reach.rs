//! How far a search reaches. What an index finds costs the same however many users there are; for all else the store looks at each of
//! them, so that who pays for it has to know how many that is.

use platform::sql::Sql;
use platform::{DbError, Statement, View};
use scim_core::condition::{Condition, Place};
use scim_core::filter::Operator;
use scim_core::schema::ResourceType;
use scim_core::search::Sort;
use uuid::Uuid;

use super::condition::{Source, is_address, is_in_emails, table};

/// Members and nested groups that are counted at most: counting goes over them, too.
const LINKS_COUNTED: u64 = 1_000_000;

/// Whom a list looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those that an index finds, few however many others there are.
    Index,
    /// Everybody.
    Everybody {
        /// What the filter looks at in each; `None` without one.
        filter: Option<Looks>,
        /// What the order looks at in each; `None` where it is an index's.
        sort: Option<Looks>,
    },
}

/// What is looked at in each row. Columns aren't counted: they come with the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Single values in the document.
    pub values: u64,
    /// Lists in the document, of which each element is looked at.
    pub lists: u64,
    /// A group's members or a user's groups, each of them.
    pub links: u64,
}

impl Looks {
    const NOTHING: Self = Self { values: 0, lists: 0, links: 0 };
    const VALUE: Self = Self { values: 1, ..Self::NOTHING };
    const LIST: Self = Self { lists: 1, ..Self::NOTHING };
    const LINK: Self = Self { links: 1, ..Self::NOTHING };
}

impl std::ops::Add for Looks {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            values: self.values + other.values,
            lists: self.lists + other.lists,
            links: self.links + other.links,
        }
    }
}

/// How many there are to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Users or groups.
    pub rows: u64,
    /// KiB of their attributes.
    pub kib: u64,
    /// Members and nested groups of all groups.
    pub links: u64,
}

/// Whom a list looks at, and at what in them.
pub fn reach(kind: &ResourceType, condition: Option<&Condition>, sort: Option<&Sort>) -> Reach {
    if condition.is_some_and(|condition| condition.terms().iter().any(|term| is_found(kind, term))) {
        return Reach::Index;
    }
    let filter = condition.map(|condition| looks(kind, condition));
    let sort = sort.and_then(|sort| match source(kind, &sort.place) {
        // Those without an external id stand in no order of its index.
        Source::Key(_) if sort.place.attribute != "externalId" => None,
        Source::Document if sort.place.multi => Some(Looks::LIST),
        Source::Document => Some(Looks::VALUE),
        _ => Some(Looks::NOTHING),
    });
    Reach::Everybody { filter, sort }
}

fn source(kind: &ResourceType, place: &Place) -> Source {
    Source::of(kind, place, String::new)
}

/// Whether it asks for a value's equality.
fn has_value(term: &Condition) -> bool {
    matches!(term, Condition::Compare(at, Operator::Eq, _) if at.sub.as_deref() == Some("value"))
}

/// Whether it names one member, or one group: those are asked for once, and not of each row.
fn names_link(kind: &ResourceType, term: &Condition) -> bool {
    match term {
        Condition::Compare(place, ..) => has_value(term) && matches!(source(kind, place), Source::Relation),
        Condition::Element(place, inner) => {
            has_value(inner) && matches!(source(kind, place), Source::Relation)
        }
        _ => false,
    }
}

/// Whether an index finds those for whom it holds. Of an alternative SQLite looks at everybody, in the order of the list; and in one
/// group may be everybody.
fn is_found(kind: &ResourceType, term: &Condition) -> bool {
    if names_link(kind, term) {
        return kind.has_members();
    }
    match term {
        Condition::Compare(place, Operator::Eq, _) => match source(kind, place) {
            Source::Id | Source::Key(_) => true,
            Source::Document => is_address(place),
            _ => false,
        },
        Condition::Element(place, inner) => is_in_emails(place) && inner.terms().iter().any(has_value),
        _ => false,
    }
}

/// What a condition looks at in a row.
fn looks(kind: &ResourceType, condition: &Condition) -> Looks {
    if is_found(kind, condition) || names_link(kind, condition) {
        return Looks::NOTHING;
    }
    let of_place = |place: &Place, in_document: Looks| match source(kind, place) {
        Source::Document => in_document,
        Source::Schemas => Looks::VALUE,
        Source::Relation => Looks::LINK,
        _ => Looks::NOTHING,
    };
    match condition {
        Condition::And(all) | Condition::Or(all) => {
            all.iter().fold(Looks::NOTHING, |sum, one| sum + looks(kind, one))
        }
        Condition::Not(inner) => looks(kind, inner),
        Condition::Present(place) if place.multi && place.sub.is_some() => of_place(place, Looks::LIST),
        Condition::Compare(place, ..) if place.multi => of_place(place, Looks::LIST),
        Condition::Present(place) | Condition::Compare(place, ..) => of_place(place, Looks::VALUE),
        Condition::Element(place, inner) => {
            let times = u64::try_from(inner.comparisons()).unwrap_or(u64::MAX);
            let one = of_place(place, Looks::LIST);
            Looks { lists: one.lists * times, links: one.links * times, ..one }
        }
    }
}

/// How many users or groups an organization has. It reads no attributes, but goes over all rows: whoever asks remembers the answer.
pub async fn population(view: &View, organization: Uuid, kind: &ResourceType) -> Result<Population, DbError> {
    let population = Statement::built(population_text(view.sql(), kind))?;
    let rows = view.query(&population, vec![organization.into()]).await?;
    let Some(row) = rows.first() else { return Ok(Population::default()) };
    let number = |name: &str| -> Result<u64, DbError> {
        Ok(u64::try_from(row.try_get::<i64>("", name)?).unwrap_or(0))
    };
    Ok(Population { rows: number("n")?, kib: number("bytes")? >> 10, links: number("links")? })
}

fn population_text(sql: Sql, kind: &ResourceType) -> String {
    let table = table(kind);
    let scope = "tenant_id = $1 AND organization_id = $2";
    let links = |table: &str| {
        format!(
            "(SELECT COUNT(*) FROM (SELECT 1 AS one FROM {table} WHERE {scope} LIMIT {LINKS_COUNTED}) AS counted)"
        )
    };
    format!(
        "SELECT COUNT(*) AS n, COALESCE(SUM({}), 0) AS bytes, {} + {} AS links FROM {table} WHERE {scope}",
        sql.stored_bytes("resource"),
        links("directory_group_member"),
        links("directory_group_child"),
    )
}

#[cfg(test)]
mod tests {
    use scim_core::Profile;
    use scim_core::filter::Filter;
    use scim_core::schema::{GROUPS, USERS};

    use super::*;

    #[test]
    fn an_index_finds_few_and_all_else_looks_at_everybody() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let columns = Looks::default();
        let (values, lists, links) = (
            |values| Some(Looks { values, ..columns }),
            |lists| Some(Looks { lists, ..columns }),
            |links| Some(Looks { links, ..columns }),
        );
        for (kind, filter, looks) in [
            (&*USERS, "userName eq \"a\"", None),
            (&*USERS, "externalId eq \"a\"", None),
            (&*USERS, &format!("id eq \"{id}\""), None),
            (&*USERS, "emails eq \"a@x\"", None),
            (&*USERS, "emails[type eq \"work\" and value eq \"a@x\"]", None),
            (&*USERS, "active eq true and userName eq \"a\" and title co \"x\"", None),
            (&*GROUPS, "displayName eq \"a\"", None),
            (&*GROUPS, &format!("id eq \"{id}\" and members eq \"{id}\""), None),
            (&*GROUPS, &format!("members[value eq \"{id}\"]"), None),
            (&*USERS, "userName sw \"a\"", Some(columns)),
            (&*USERS, "active eq true", Some(columns)),
            (&*USERS, "meta.lastModified gt \"2026-11-26T00:00:00Z\"", Some(columns)),
            (&*USERS, "userName eq \"a\" or userName eq \"b\"", Some(columns)),
            (&*USERS, "not (userName eq \"a\")", Some(columns)),
            (&*USERS, &format!("groups eq \"{id}\""), Some(columns)),
            (&*USERS, "title eq \"x\"", values(1)),
            (&*USERS, "title pr or name.familyName co \"x\"", values(2)),
            (&*USERS, "userName eq \"a\" or title eq \"x\"", values(1)),
            (&*USERS, "emails.value co \"x\"", lists(1)),
            (&*USERS, "emails[type eq \"work\" and value co \"x\"]", lists(2)),
            (
                &*USERS,
                "not (emails.value co \"x\" and title eq \"x\")",
                Some(Looks { values: 1, lists: 1, links: 0 }),
            ),
            (&*USERS, "groups.display co \"x\"", links(1)),
            (&*GROUPS, "members[display co \"x\" and type eq \"User\"]", links(2)),
            (&*GROUPS, "displayName co \"x\"", Some(columns)),
        ] {
            let parsed = Filter::parse(filter, Profile::Compat).unwrap();
            let condition = Condition::bind(kind, &parsed, Profile::Compat).unwrap();
            let wanted =
                looks.map_or(Reach::Index, |looks| Reach::Everybody { filter: Some(looks), sort: None });
            assert_eq!(reach(kind, Some(&condition), None), wanted, "{filter}");
        }
        assert_eq!(reach(&USERS, None, None), Reach::Everybody { filter: None, sort: None });
    }
}
