//! The bounds of LIMITS.md: what is at a bound passes, what is one beyond it is refused, with a code and the place.

mod api;
mod flags;
mod scim;
mod sign_in;
mod work;

use platform::{Ctx, PlatformTx, Work as _};
use sea_orm::Value;
use tests::{Reply, TestApp, on_postgres};

/// The pointers of a refused input.
#[track_caller]
pub(crate) fn points_to(reply: Reply, pointer: &str) {
    let refused = reply.refused(400, "validation.failed");
    let pointers: Vec<&str> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, [pointer], "{refused:?}");
}

/// A text of so many characters.
pub(crate) fn long(characters: usize) -> String {
    "x".repeat(characters)
}

/// Rows that go into one statement.
const TOGETHER: usize = 200;

/// Copies the first row of a table so many times, each with some columns of its own: thousands of rows in a moment.
pub(crate) async fn multiply(
    app: &TestApp,
    table: &str,
    times: usize,
    own: impl Fn(usize) -> Vec<(&'static str, Value)>,
) {
    let columns = if on_postgres().is_some() {
        "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1"
    } else {
        "SELECT name FROM pragma_table_info($1)"
    };
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let rows = tx.query(&platform::CrossTenantStatement::new(columns), vec![table.into()]).await?;
        let columns: Vec<String> =
            rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, sea_orm::DbErr>>()?;
        let owned: Vec<&str> = own(0).iter().map(|(name, _)| *name).collect();
        assert!(owned.iter().all(|name| columns.iter().any(|column| column == name)), "{table}: {columns:?}");
        let names: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let from = |column: &String| match owned.contains(&column.as_str()) {
            true => format!("own.\"{column}\""),
            false => format!("one.\"{column}\""),
        };
        let chosen: Vec<String> = columns.iter().map(from).collect();
        let order = if columns.iter().any(|column| column == "id") { "id" } else { owned[0] };
        for first in (0..times).step_by(TOGETHER) {
            let rows: Vec<_> = (first..times.min(first + TOGETHER)).map(&own).collect();
            let count = rows.len() as u64;
            let place = |row: usize| {
                let places: Vec<String> =
                    (1..=owned.len()).map(|at| format!("${}", row * owned.len() + at)).collect();
                format!("({})", places.join(", "))
            };
            let places: Vec<String> = (0..rows.len()).map(place).collect();
            let sql = format!(
                "WITH own({}) AS (VALUES {}) INSERT INTO {table} ({}) \
                 SELECT {} FROM own, (SELECT * FROM {table} ORDER BY {order} LIMIT 1) AS one",
                owned.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
                places.join(", "),
                names.join(", "),
                chosen.join(", ")
            );
            let values: Vec<Value> = rows.into_iter().flatten().map(|(_, value)| value).collect();
            assert_eq!(
                tx.execute(&platform::CrossTenantStatement::built(sql.clone()), values).await?,
                count,
                "{table} has a row to copy"
            );
        }
        Ok::<_, platform::DbError>(())
    };
    app.running.service.db.write_platform(&Ctx::system("test"), work).await.expect("copied");
}

/// How many rows a table has.
pub(crate) async fn rows(app: &TestApp, table: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {table}");
    let read = async |view: &platform::PlatformView| {
        view.query(&platform::CrossTenantStatement::built(sql.clone()), Vec::new()).await
    };
    let rows = app.running.service.db.read_platform(read).await.expect("counted");
    rows[0].try_get("", "n").expect("a number")
}
