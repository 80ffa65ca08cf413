//! A condition in the store's language. Every attribute can be asked for; those that identity providers ask for (`id`,
//! `userName`, `externalId`, e-mail, a group's `displayName`, `members`) are found by an index, whatever else is asked
//! beside them. The rest is looked up in the row's document: as sent where case counts, folded where it doesn't.

use platform::sql::{Sql, Step};
use scim_core::condition::{Condition, Place};
use scim_core::filter::Operator;
use scim_core::schema::{Kind, ResourceType};
use scim_core::{ErrorType, ScimError};
use sea_orm::Value;
use serde_json::Value as Json;
use uuid::Uuid;

/// Where the value of a place is kept.
pub(super) enum Source {
    /// A text column with an index.
    Key(&'static str),
    /// Something made of columns.
    Text(String),
    /// A boolean column.
    Bool(&'static str),
    /// A moment's column.
    Moment(&'static str),
    /// The id.
    Id,
    /// In other tables: a group's members, a user's groups.
    Relation,
    /// The schemas in use.
    Schemas,
    /// In the documents.
    Document,
}

impl Source {
    /// Where a place of a resource type is kept; `location` writes what stands for a resource's location.
    pub(super) fn of(kind: &ResourceType, place: &Place, location: impl FnOnce() -> String) -> Self {
        if place.extension.is_some() {
            return Source::Document;
        }
        match (kind.has_members(), place.name().as_str()) {
            (_, "id") => Source::Id,
            (_, "externalId") => Source::Key("r.external_id"),
            (false, "userName") => Source::Key("r.user_name_key"),
            (true, "displayName") => Source::Key("r.display_name_key"),
            (false, "active") => Source::Bool("r.active"),
            (_, "meta.created") => Source::Moment("r.created_at"),
            (_, "meta.lastModified") => Source::Moment("r.updated_at"),
            (_, "meta.resourceType") => Source::Text(format!("'{}'", kind.name)),
            (_, "meta.version") => Source::Text("('W/\"' || r.version || '\"')".to_owned()),
            (_, "meta.location") => Source::Text(location()),
            (_, "schemas") => Source::Schemas,
            (true, name) if name == "members" || name.starts_with("members.") => Source::Relation,
            (false, name) if name == "groups" || name.starts_with("groups.") => Source::Relation,
            _ => Source::Document,
        }
    }
}

/// Whether a place is in a user's e-mail addresses, of which there is a table with an index.
pub(super) fn is_in_emails(place: &Place) -> bool {
    place.extension.is_none() && place.attribute == "emails"
}

/// Whether a place is such an address itself.
pub(super) fn is_address(place: &Place) -> bool {
    is_in_emails(place) && place.sub.as_deref() == Some("value")
}

/// The table of a resource type.
pub(super) fn table(kind: &ResourceType) -> &'static str {
    if kind.has_members() { "directory_group" } else { "directory_user" }
}

/// Writes conditions and collects their parameters. `$1` is the tenant, `$2` the organization.
pub(super) struct Writer<'a> {
    pub(super) sql: Sql,
    kind: &'a ResourceType,
    base: &'a str,
    pub(super) values: Vec<Value>,
    aliases: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(sql: Sql, kind: &'a ResourceType, base: &'a str, organization: Uuid) -> Self {
        Self { sql, kind, base, values: vec![organization.into()], aliases: 0 }
    }

    /// A parameter.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len() + 1)
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("e{}", self.aliases)
    }

    pub(super) fn source(&mut self, place: &Place) -> Source {
        let kind = self.kind;
        Source::of(kind, place, || {
            let start = self.bind(format!("{}{}/", self.base, kind.endpoint));
            format!("({start} || {})", self.sql.id_text("r.id"))
        })
    }

    /// The document that holds a place as it is compared, and the names that lead there.
    pub(super) fn document(&self, place: &Place) -> (&'static str, Vec<String>) {
        let names = place
            .extension
            .iter()
            .chain([&place.attribute])
            .chain(&place.sub)
            .filter(|name| !name.is_empty());
        if place.is_folded() || place.kind == Kind::DateTime {
            ("r.folded", names.map(|name| name.to_lowercase()).collect())
        } else {
            ("r.resource", names.cloned().collect())
        }
    }

    pub(super) fn write(&mut self, condition: &Condition) -> Result<String, ScimError> {
        self.within(condition, None)
    }

    fn within(&mut self, condition: &Condition, element: Option<&Element>) -> Result<String, ScimError> {
        match condition {
            Condition::And(all) => self.all(all, " AND ", element),
            Condition::Or(all) => self.all(all, " OR ", element),
            // What isn't there is unknown to SQL, and false to SCIM.
            Condition::Not(inner) => Ok(format!("NOT COALESCE({}, FALSE)", self.within(inner, element)?)),
            Condition::Present(place) => self.test(place, None, element),
            Condition::Compare(place, operator, value) => self.test(place, Some((*operator, value)), element),
            Condition::Element(place, inner) => self.element(place, inner),
        }
    }

    fn all(
        &mut self,
        all: &[Condition],
        joint: &str,
        element: Option<&Element>,
    ) -> Result<String, ScimError> {
        let parts: Vec<String> = all.iter().map(|one| self.within(one, element)).collect::<Result<_, _>>()?;
        Ok(format!("({})", parts.join(joint)))
    }

    fn test(
        &mut self,
        place: &Place,
        check: Check<'_>,
        element: Option<&Element>,
    ) -> Result<String, ScimError> {
        if let Some(element) = element {
            return self.in_element(element, place, check);
        }
        match self.source(place) {
            Source::Id => Ok(self.id("r.id", check)),
            Source::Key(column) => Ok(self.text(column, check)),
            Source::Text(expression) => Ok(self.text(&expression, check)),
            Source::Bool(column) => Ok(match check {
                None => format!("{column} IS NOT NULL"),
                Some((_, wanted)) => {
                    format!("{column} = {}", self.bind(wanted.as_bool().unwrap_or_default()))
                }
            }),
            Source::Moment(column) => self.moment(column, check),
            Source::Schemas => self.schemas(check),
            Source::Relation => self.relation(place, check),
            Source::Document if is_address(place) => match check {
                Some((Operator::Eq, Json::String(wanted))) => Ok(self.email(wanted)),
                _ => self.in_any_element(place, check),
            },
            Source::Document if place.multi && (place.sub.is_some() || check.is_some()) => {
                self.in_any_element(place, check)
            }
            Source::Document => {
                let (document, names) = self.document(place);
                let steps: Vec<Step<'_>> = names.iter().map(|name| Step::Key(name)).collect();
                Ok(self.json(document, &steps, place.kind, check))
            }
        }
    }

    /// Those with this address, by its index.
    fn email(&mut self, folded: &str) -> String {
        let wanted = self.bind(folded.to_owned());
        let select = format!(
            "SELECT user_id FROM directory_user_email WHERE tenant_id = $1 AND organization_id = $2 AND value_key = {wanted}"
        );
        self.sql.among("r.id", &select)
    }

    fn id(&mut self, column: &str, check: Check<'_>) -> String {
        match check {
            None => "TRUE".to_owned(),
            Some((Operator::Eq, wanted)) => match wanted.as_str().and_then(|text| Uuid::try_parse(text).ok())
            {
                Some(id) => format!("{column} = {}", self.bind(id)),
                None => "FALSE".to_owned(),
            },
            check => {
                let text = self.sql.id_text(column);
                self.text(&text, check)
            }
        }
    }

    fn text(&mut self, expression: &str, check: Check<'_>) -> String {
        let present = format!("({expression} IS NOT NULL AND {expression} <> '')");
        let Some((operator, wanted)) = check else { return present };
        let wanted = wanted.as_str().unwrap_or_default();
        let part = matches!(operator, Operator::Co | Operator::Sw | Operator::Ew);
        if part && wanted.is_empty() {
            return present;
        }
        let parameter = self.bind(wanted.to_owned());
        let ordered = self.sql.by_code_point(expression);
        match operator {
            Operator::Co => self.sql.contains(expression, &parameter),
            Operator::Sw => self.sql.starts_with(expression, &parameter),
            Operator::Ew => self.sql.ends_with(expression, &parameter),
            Operator::Eq | Operator::Ne => format!("{expression} = {parameter}"),
            ordering => format!("{ordered} {} {parameter}", symbol(ordering)),
        }
    }

    fn moment(&mut self, column: &str, check: Check<'_>) -> Result<String, ScimError> {
        let Some((operator, wanted)) = check else { return Ok("TRUE".to_owned()) };
        let parsed = wanted.as_str().and_then(|text| text.parse::<platform::Timestamp>().ok());
        let at = parsed.ok_or_else(|| unsupported("a moment"))?;
        // Shown with milliseconds, so compared with them: what was read finds what it was read from.
        let next = at + chrono::TimeDelta::milliseconds(1);
        let (at, next) = (self.bind(at), self.bind(next));
        Ok(match operator {
            Operator::Gt => format!("{column} >= {next}"),
            Operator::Ge => format!("{column} >= {at}"),
            Operator::Lt => format!("{column} < {at}"),
            Operator::Le => format!("{column} < {next}"),
            _ => format!("({column} >= {at} AND {column} < {next})"),
        })
    }

    fn schemas(&mut self, check: Check<'_>) -> Result<String, ScimError> {
        let wanted = match check {
            None => return Ok("TRUE".to_owned()),
            Some((Operator::Eq, Json::String(wanted))) => wanted,
            Some(_) => return Err(unsupported("`schemas` with this operator")),
        };
        if self.kind.schema.urn.eq_ignore_ascii_case(wanted) {
            return Ok("TRUE".to_owned());
        }
        Ok(match self.kind.extension(wanted) {
            Some(extension) => self.sql.json_present("r.resource", &[Step::Key(&extension.urn)]),
            None => "FALSE".to_owned(),
        })
    }

    fn json(&mut self, document: &str, steps: &[Step<'_>], kind: Kind, check: Check<'_>) -> String {
        let Some((operator, wanted)) = check else { return self.sql.json_present(document, steps) };
        match kind {
            Kind::Boolean => self.sql.json_is(document, steps, wanted.as_bool().unwrap_or_default()),
            Kind::Integer | Kind::Decimal => {
                let number = self.bind(wanted.as_f64().unwrap_or_default());
                format!("{} {} {number}", self.sql.json_number(document, steps), symbol(operator))
            }
            _ => {
                let text = self.sql.json_text(document, steps);
                self.text(&text, check)
            }
        }
    }

    /// One element of a multi-valued attribute fulfils the inner condition.
    fn element(&mut self, place: &Place, inner: &Condition) -> Result<String, ScimError> {
        if let Source::Relation = self.source(place) {
            let rows = self.rows(&place.attribute);
            return self.exists(rows, inner);
        }
        let (table, inside) = self.elements(place);
        let test = self.within(inner, Some(&inside))?;
        let exists = format!("EXISTS (SELECT 1 FROM {table} WHERE {test})");
        let address = inner.terms().iter().find_map(|term| match term {
            Condition::Compare(at, Operator::Eq, Json::String(wanted))
                if is_in_emails(place) && at.sub.as_deref() == Some("value") =>
            {
                Some(wanted.clone())
            }
            _ => None,
        });
        Ok(match address {
            Some(wanted) => format!("({} AND {exists})", self.email(&wanted)),
            None => exists,
        })
    }

    /// The elements of a multi-valued attribute, as a table for `FROM`, and what stands for one of them.
    fn elements(&mut self, place: &Place) -> (String, Element) {
        let names: Vec<String> = place.extension.iter().chain([&place.attribute]).cloned().collect();
        let alias = self.alias();
        let steps: Vec<Step<'_>> = names.iter().map(|name| Step::Key(name)).collect();
        let (table, index) = self.sql.elements("r.resource", &steps, &alias);
        (table, Element::Document { names, index })
    }

    fn in_any_element(&mut self, place: &Place, check: Check<'_>) -> Result<String, ScimError> {
        let (table, inside) = self.elements(place);
        let test = self.in_element(&inside, place, check)?;
        Ok(format!("EXISTS (SELECT 1 FROM {table} WHERE {test})"))
    }

    fn in_element(
        &mut self,
        element: &Element,
        place: &Place,
        check: Check<'_>,
    ) -> Result<String, ScimError> {
        match element {
            Element::Document { names, index } => {
                let folded = place.is_folded() || place.kind == Kind::DateTime;
                let spell = |name: &String| if folded { name.to_lowercase() } else { name.clone() };
                let names: Vec<String> = names.iter().map(spell).collect();
                let sub = place.sub.as_ref().map(spell);
                let mut steps: Vec<Step<'_>> = names.iter().map(|name| Step::Key(name)).collect();
                steps.push(Step::At(index));
                steps.extend(sub.iter().map(|name| Step::Key(name)));
                Ok(self.json(if folded { "r.folded" } else { "r.resource" }, &steps, place.kind, check))
            }
            Element::Rows { alias } => match place.sub.as_deref() {
                Some("value") => Ok(self.id(&format!("{alias}.id"), check)),
                Some("type") => Ok(self.text(&format!("{alias}.kind"), check)),
                Some("display") => Ok(self.text(&format!("{alias}.name"), check)),
                _ => Err(unsupported("this sub-attribute")),
            },
        }
    }

    /// A group's members or a user's groups as rows with `id`, `kind`, `name`.
    fn rows(&mut self, attribute: &str) -> (String, String) {
        let alias = self.alias();
        let scope = "m.tenant_id = $1 AND m.organization_id = $2";
        let named = |table: &str| {
            format!("JOIN {table} n ON n.tenant_id = m.tenant_id AND n.organization_id = m.organization_id")
        };
        let table = if attribute == "members" {
            let users = named("directory_user");
            let groups = named("directory_group");
            format!(
                "(SELECT m.user_id AS id, 'user' AS kind, n.user_name_key AS name FROM directory_group_member m {users} AND n.id = m.user_id \
                 WHERE {scope} AND m.group_id = r.id \
                 UNION ALL SELECT m.child_id, 'group', n.display_name_key FROM directory_group_child m {groups} AND n.id = m.child_id \
                 WHERE {scope} AND m.group_id = r.id) AS {alias}"
            )
        } else {
            let groups = named("directory_group");
            format!(
                "(SELECT m.group_id AS id, 'direct' AS kind, n.display_name_key AS name FROM directory_group_member m {groups} AND n.id = m.group_id \
                 WHERE {scope} AND m.user_id = r.id) AS {alias}"
            )
        };
        (table, alias)
    }

    fn exists(&mut self, (table, alias): (String, String), inner: &Condition) -> Result<String, ScimError> {
        // `members[value eq "id"]` and nothing else: by the member's index.
        if let Condition::Compare(place, Operator::Eq, wanted) = inner
            && place.sub.as_deref() == Some("value")
        {
            return Ok(self.related(wanted));
        }
        let test = self.within(inner, Some(&Element::Rows { alias }))?;
        Ok(format!("EXISTS (SELECT 1 FROM {table} WHERE {test})"))
    }

    fn relation(&mut self, place: &Place, check: Check<'_>) -> Result<String, ScimError> {
        if let (Some("value"), Some((Operator::Eq, wanted))) = (place.sub.as_deref(), check) {
            return Ok(self.related(wanted));
        }
        let (table, alias) = self.rows(&place.attribute);
        let test = match (place.sub.is_some(), check) {
            (false, _) => "TRUE".to_owned(),
            (true, check) => self.in_element(&Element::Rows { alias }, place, check)?,
        };
        Ok(format!("EXISTS (SELECT 1 FROM {table} WHERE {test})"))
    }

    /// Groups that have this member, or users that are in this group.
    fn related(&mut self, wanted: &Json) -> String {
        let Some(id) = wanted.as_str().and_then(|text| Uuid::try_parse(text).ok()) else {
            return "FALSE".to_owned();
        };
        let id = self.bind(id);
        let scope = "tenant_id = $1 AND organization_id = $2";
        if self.kind.has_members() {
            let select = format!(
                "SELECT group_id FROM directory_group_member WHERE {scope} AND user_id = {id} \
                 UNION ALL SELECT group_id FROM directory_group_child WHERE {scope} AND child_id = {id}"
            );
            self.sql.among("r.id", &select)
        } else {
            let select =
                format!("SELECT user_id FROM directory_group_member WHERE {scope} AND group_id = {id}");
            self.sql.among("r.id", &select)
        }
    }
}

/// `None`: whether there is a value.
type Check<'a> = Option<(Operator, &'a Json)>;

/// What a condition inside brackets is about.
enum Element {
    /// The element at an index of an array.
    Document { names: Vec<String>, index: String },
    /// A row of a relation.
    Rows { alias: String },
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Gt => ">",
        Operator::Ge => ">=",
        Operator::Lt => "<",
        Operator::Le => "<=",
        _ => "=",
    }
}

fn unsupported(what: &str) -> ScimError {
    ScimError::new(ErrorType::InvalidFilter, format!("The filter can't use {what}."))
}
