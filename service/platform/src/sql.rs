//! What SQLite and Postgres spell differently, for SQL that is put together by hand: documents, texts, moments.
//!
//! Names and paths come from schemas that were checked, never from a request; values are always parameters.

use sea_orm::Value;
use sea_orm::sea_query::ArrayType;

/// The spelling of one store.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    postgres: bool,
}

/// One step into a document.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A member.
    Key(&'a str),
    /// The element at an SQL expression, see [`Sql::elements`].
    At(&'a str),
}

impl Sql {
    pub(crate) fn new(postgres: bool) -> Self {
        Self { postgres }
    }

    /// Waits for the advisory lock `$1` and holds it until the commit; nothing where there is one writer.
    pub(crate) fn advisory_lock(self) -> Option<&'static str> {
        self.postgres.then_some("SELECT pg_advisory_xact_lock($1)")
    }

    /// Whether rows can be locked: where there is one writer nobody has to.
    pub(crate) fn locks_rows(self) -> bool {
        self.postgres
    }

    /// Whether `text` is one of `list`, as one parameter: the statement's text stays the same however long the list is.
    pub(crate) fn is_one_of(self, text: &str, list: &[&str], placeholder: &str) -> (String, Value) {
        if self.postgres {
            let list = list.iter().map(|one| Value::from(*one)).collect();
            let list = Value::Array(ArrayType::String, Some(Box::new(list)));
            (format!("{text} = ANY({placeholder})"), list)
        } else {
            let list = serde_json::to_string(list).unwrap_or_default();
            (format!("{text} IN (SELECT value FROM json_each({placeholder}))"), list.into())
        }
    }

    /// The place of `steps` in the spelling of the store.
    fn path(self, steps: &[Step<'_>]) -> String {
        let quoted = |key: &str| key.replace(['\'', '"', '\\'], "");
        if self.postgres {
            let steps: Vec<String> = steps
                .iter()
                .map(|step| match step {
                    Step::Key(key) => format!("'{}'", quoted(key)),
                    Step::At(index) => format!("({index})::text"),
                })
                .collect();
            return format!("ARRAY[{}]", steps.join(", "));
        }
        let mut path = "'$".to_owned();
        for step in steps {
            match step {
                Step::Key(key) => path.push_str(&format!(".\"{}\"", quoted(key))),
                Step::At(index) => path.push_str(&format!("[' || ({index}) || ']")),
            }
        }
        path + "'"
    }

    /// A text in a document; NULL if it isn't there.
    pub fn json_text(self, document: &str, steps: &[Step<'_>]) -> String {
        let path = self.path(steps);
        if self.postgres {
            format!("({document} #>> {path})")
        } else {
            format!("json_extract({document}, {path})")
        }
    }

    /// Whether a document has something there.
    pub fn json_present(self, document: &str, steps: &[Step<'_>]) -> String {
        let text = self.json_text(document, steps);
        format!("({text} IS NOT NULL AND {text} <> '')")
    }

    /// Whether a document has this boolean there.
    pub fn json_is(self, document: &str, steps: &[Step<'_>], wanted: bool) -> String {
        let path = self.path(steps);
        if self.postgres {
            format!("(({document} #> {path}) = '{wanted}'::jsonb)")
        } else {
            format!("(json_type({document}, {path}) = '{wanted}')")
        }
    }

    /// A number in a document; NULL if it isn't there or isn't one.
    pub fn json_number(self, document: &str, steps: &[Step<'_>]) -> String {
        let path = self.path(steps);
        if self.postgres {
            format!(
                "(CASE WHEN jsonb_typeof({document} #> {path}) = 'number' THEN ({document} #>> {path})::double precision END)"
            )
        } else {
            format!(
                "(CASE WHEN json_type({document}, {path}) IN ('integer', 'real') THEN json_extract({document}, {path}) END)"
            )
        }
    }

    /// The elements of an array in a document, as a table for `FROM`, and the expression of an element's index.
    pub fn elements(self, document: &str, steps: &[Step<'_>], alias: &str) -> (String, String) {
        let path = self.path(steps);
        if self.postgres {
            let array = format!("{document} #> {path}");
            let table = format!(
                "jsonb_array_elements(CASE WHEN jsonb_typeof({array}) = 'array' THEN {array} ELSE '[]'::jsonb END) WITH ORDINALITY AS {alias}(value, n)"
            );
            (table, format!("{alias}.n - 1"))
        } else {
            (format!("json_each({document}, {path}) AS {alias}"), format!("{alias}.key"))
        }
    }

    /// Whether `text` contains `part`.
    pub fn contains(self, text: &str, part: &str) -> String {
        if self.postgres {
            format!("strpos({text}, {part}) > 0")
        } else {
            format!("instr({text}, {part}) > 0")
        }
    }

    /// Whether `text` begins with `part`, which isn't empty.
    pub fn starts_with(self, text: &str, part: &str) -> String {
        if self.postgres {
            format!("starts_with({text}, {part})")
        } else {
            format!("substr({text}, 1, length({part})) = {part}")
        }
    }

    /// Whether `text` ends with `part`, which isn't empty.
    pub fn ends_with(self, text: &str, part: &str) -> String {
        if self.postgres {
            format!("right({text}, length({part})) = {part}")
        } else {
            format!("substr({text}, -length({part})) = {part}")
        }
    }

    /// `text` ordered by its code points, as Rust orders it, whatever the database's locale.
    pub fn by_code_point(self, text: &str) -> String {
        if self.postgres { format!("({text} COLLATE \"C\")") } else { text.to_owned() }
    }

    /// What stands before a statement whose plan is asked for, and the column that has the plan's lines.
    pub fn explain(self) -> (&'static str, &'static str) {
        if self.postgres { ("EXPLAIN", "QUERY PLAN") } else { ("EXPLAIN QUERY PLAN", "detail") }
    }

    /// An empty document.
    pub fn json_empty(self) -> &'static str {
        if self.postgres { "'{}'::jsonb" } else { "'{}'" }
    }

    /// Whether `column` is among the ids that a select which doesn't depend on the row finds. Postgres runs it once and goes
    /// by the index, whatever it believes about tables that were filled a moment ago.
    pub fn among(self, column: &str, select: &str) -> String {
        if self.postgres {
            format!("{column} = ANY(ARRAY({select}))")
        } else {
            format!("{column} IN ({select})")
        }
    }

    /// Bytes that a document takes in its row, without reading it; on Postgres as it is compressed.
    pub fn stored_bytes(self, column: &str) -> String {
        let function = if self.postgres { "pg_column_size" } else { "octet_length" };
        format!("{function}({column})")
    }

    /// An id as a text.
    pub fn id_text(self, id: &str) -> String {
        if self.postgres {
            return format!("({id})::text");
        }
        let part = |from: u8, length: u8| format!("substr(hex({id}), {from}, {length})");
        let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
        format!("lower({})", parts.join(" || '-' || "))
    }

    /// A boolean column as `true` or `false`.
    pub fn bool_text(self, column: &str) -> String {
        if self.postgres {
            format!("({column})::text")
        } else {
            format!("(CASE WHEN {column} THEN 'true' ELSE 'false' END)")
        }
    }

    /// A moment's column as a text that [`Sql::moment`] reads back.
    pub fn moment_text(self, column: &str) -> String {
        if self.postgres { format!("({column})::text") } else { column.to_owned() }
    }

    /// A parameter that holds what [`Sql::moment_text`] said.
    pub fn moment(self, parameter: &str) -> String {
        if self.postgres { format!("({parameter})::timestamptz") } else { parameter.to_owned() }
    }

    /// A number as a text that [`Sql::number`] reads back without loss.
    pub fn number_text(self, number: &str) -> String {
        if self.postgres {
            format!("({number})::text")
        } else {
            format!("(CASE WHEN {number} IS NOT NULL THEN printf('%!.17g', {number}) END)")
        }
    }

    /// A parameter that holds what [`Sql::number_text`] said.
    pub fn number(self, parameter: &str) -> String {
        if self.postgres {
            format!("({parameter})::double precision")
        } else {
            format!("CAST({parameter} AS REAL)")
        }
    }

    /// Asks for the columns of a table: `name`, `kind`, and `key`, the place in the primary key from 1.
    pub(crate) fn catalogue(self, table: &str) -> String {
        if self.postgres {
            format!(
                "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS kind, \
                 COALESCE(array_position(indkey::int2[], attnum) + 1, 0)::bigint AS key FROM pg_attribute \
                 JOIN pg_index ON indrelid = attrelid AND indisprimary \
                 WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
        } else {
            format!("SELECT name, type AS kind, pk AS key FROM pragma_table_info('{table}')")
        }
    }

    /// Whether a column holds bytes that are no id.
    pub(crate) fn is_secret(self, name: &str, kind: &str) -> bool {
        kind == "bytea" || (kind == "BLOB" && name != "id" && !name.ends_with("_id"))
    }

    /// A JSON object as text, of `'name', value` pairs.
    pub(crate) fn object(self, fields: &[String]) -> String {
        let name = if self.postgres { "jsonb_build_object" } else { "json_object" };
        // A function takes 100 arguments on either store.
        let parts: Vec<String> =
            fields.chunks(40).map(|some| format!("{name}({})", some.join(", "))).collect();
        if self.postgres {
            format!("({})::text", parts.join(" || "))
        } else {
            parts.into_iter().reduce(|one, other| format!("json_patch({one}, {other})")).unwrap_or_default()
        }
    }

    /// A column as a JSON value.
    pub(crate) fn to_json(self, name: &str, kind: &str) -> String {
        match kind {
            _ if self.postgres => format!("\"{name}\""),
            "BLOB" => self.to_text(name, kind),
            // Documents are texts here.
            "TEXT" => format!(
                "CASE WHEN substr(\"{name}\", 1, 1) IN ('{{', '[') AND json_valid(\"{name}\") THEN json(\"{name}\") ELSE \"{name}\" END"
            ),
            _ => format!("\"{name}\""),
        }
    }

    /// A column as text that [`Sql::of_text`] reads back.
    pub(crate) fn to_text(self, name: &str, kind: &str) -> String {
        if self.postgres {
            return format!("\"{name}\"::text");
        }
        if kind != "BLOB" {
            return format!("CAST(\"{name}\" AS TEXT)");
        }
        let part = |from: u8, length: u8| format!("substr(lower(hex(\"{name}\")), {from}, {length})");
        let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
        format!("({})", parts.join(" || '-' || "))
    }

    /// A parameter that holds what [`Sql::to_text`] said.
    pub(crate) fn of_text(self, parameter: &str, kind: &str) -> String {
        match kind {
            _ if self.postgres => format!("CAST({parameter} AS {kind})"),
            "BLOB" => format!("unhex(replace({parameter}, '-', ''))"),
            "INTEGER" => format!("CAST({parameter} AS INTEGER)"),
            _ => parameter.to_owned(),
        }
    }
}
