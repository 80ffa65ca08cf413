//! What SQLite and Postgres spell differently, for SQL that is put together by hand: documents, texts, moments.
//!
//! Names and paths come from schemas that were checked, never from a request; values are always parameters.

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
}
