//! The order of a list (RFC 7644, section 3.4.2.3): by a place, those without a value last; or first, descending.

use platform::sql::Step;
use scim_core::schema::Kind;
use scim_core::search::Sort;
use scim_core::{ErrorType, ScimError};
use uuid::Uuid;

use super::condition::{Source, Writer};

/// What a list is sorted by, in the store's language.
pub(super) struct Key {
    expression: String,
    /// The key as a text, which goes into a mark.
    pub(super) text: String,
    cast: Cast,
    nullable: bool,
    descending: bool,
}

#[derive(Clone, Copy)]
enum Cast {
    None,
    Number,
    Moment,
}

impl Key {
    pub(super) fn of(writer: &mut Writer<'_>, sort: &Sort) -> Result<Self, ScimError> {
        let sql = writer.sql;
        let place = &sort.place;
        let none = || {
            let detail = format!("The list can't be sorted by `{}`.", place.name());
            ScimError::new(ErrorType::InvalidPath, detail)
        };
        let text = |text: String, nullable: bool| (sql.by_code_point(&text), text, Cast::None, nullable);
        let (expression, text, cast, nullable) = match writer.source(place) {
            Source::Key(column) => text(column.to_owned(), place.attribute == "externalId"),
            Source::Text(expression) => text(expression, false),
            Source::Bool(column) => text(sql.bool_text(column), false),
            Source::Id => text(sql.id_text("r.id"), false),
            Source::Moment(column) => (column.to_owned(), sql.moment_text(column), Cast::Moment, false),
            Source::Document if place.multi => text(first_element(writer, sort), true),
            Source::Document => {
                let (document, steps) = writer.document(place);
                let steps: Vec<Step<'_>> = steps.iter().map(|key| Step::Key(key)).collect();
                if matches!(place.kind, Kind::Integer | Kind::Decimal) {
                    let number = sql.json_number(document, &steps);
                    (number.clone(), sql.number_text(&number), Cast::Number, true)
                } else {
                    text(sql.json_text(document, &steps), true)
                }
            }
            Source::Relation | Source::Schemas => return Err(none()),
        };
        Ok(Self { expression, text, cast, nullable, descending: sort.descending })
    }

    /// What stands behind `ORDER BY`.
    pub(super) fn order(&self) -> String {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = format!("({} IS NULL) {direction}, ", self.expression);
        let nulls = if self.nullable { nulls.as_str() } else { "" };
        format!("{nulls}{} {direction}, r.id ASC", self.expression)
    }

    /// Whether a row stands behind the one with this id and key.
    pub(super) fn behind(&self, writer: &mut Writer<'_>, id: Uuid, key: Option<&str>) -> String {
        let id = writer.bind(id);
        let expression = &self.expression;
        let Some(key) = key else {
            let same = format!("({expression} IS NULL AND r.id > {id})");
            return if self.descending { format!("({same} OR {expression} IS NOT NULL)") } else { same };
        };
        let parameter = writer.bind(key.to_owned());
        let key = match self.cast {
            Cast::None => parameter,
            Cast::Number => writer.sql.number(&parameter),
            Cast::Moment => writer.sql.moment(&parameter),
        };
        let (compare, nulls) =
            if self.descending { ("<", String::new()) } else { (">", format!(" OR {expression} IS NULL")) };
        format!("({expression} {compare} {key} OR ({expression} = {key} AND r.id > {id}){nulls})")
    }
}

/// The value of the primary element, or else of the first one.
fn first_element(writer: &mut Writer<'_>, sort: &Sort) -> String {
    let (document, steps) = writer.document(&sort.place);
    let (attribute, sub) = match &sort.place.sub {
        Some(_) => steps.split_at(steps.len() - 1),
        None => (steps.as_slice(), [].as_slice()),
    };
    let keys = |keys: &[String]| keys.to_vec();
    let (attribute, sub) = (keys(attribute), keys(sub));
    let alias = writer.alias();
    let steps: Vec<Step<'_>> = attribute.iter().map(|key| Step::Key(key)).collect();
    let (table, index) = writer.sql.elements("r.folded", &steps, &alias);
    let at = |last: &[String]| -> String {
        let mut all = steps.clone();
        all.push(Step::At(&index));
        all.extend(last.iter().map(|key| Step::Key(key)));
        writer.sql.json_text(document, &all)
    };
    let primary = {
        let mut all = steps.clone();
        all.push(Step::At(&index));
        all.push(Step::Key("primary"));
        writer.sql.json_is("r.folded", &all, true)
    };
    let first = {
        let mut all = steps.clone();
        all.push(Step::At("0"));
        all.extend(sub.iter().map(|key| Step::Key(key)));
        writer.sql.json_text(document, &all)
    };
    format!("COALESCE((SELECT {} FROM {table} WHERE {primary} LIMIT 1), {first})", at(&sub))
}
