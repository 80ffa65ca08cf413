//! `/api/v1/tenants/{tenant}/invitations/bulk`: many at once, as JSON or CSV; what came of each line, as JSON or CSV.

use std::collections::BTreeMap;

use crate::batch::NO_ROLE;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use entity::invitations::states::{BatchStatus, LineStatus};
use entity::invitations::{batch, batch_row};
use platform::{Tx, View};
use policy_core::{Permission, TenantRole};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Accepted, Access, Code, FieldErrors, Ids, Input, JsonOrCsv, ListQuery, Page, Position, Problem, Query,
    Routes, TenantCaller,
};

use super::{is_limited, problem_of};
use crate::batch::{self as batches, LINES_MAX, Line, NewBatch};
use crate::inviter;

const LIST: &str = "/api/v1/tenants/{tenant}/invitations/bulk";
const ONE: &str = "/api/v1/tenants/{tenant}/invitations/bulk/{batch_id}";
const LINES: &str = "/api/v1/tenants/{tenant}/invitations/bulk/{batch_id}/lines";
/// Bytes of a file.
const BODY_BYTES_MAX: usize = 8 << 20;

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::InvitationsRead), Access::Key(Permission::InvitationsWrite));
    Routes::new()
        .add_with(
            Method::POST,
            LIST,
            write,
            "create_invitation_batch: Invite up to 10,000 people, as JSON or CSV (email, role, message, locale).",
            create_invitation_batch,
            |route| route.body_bytes_max(BODY_BYTES_MAX),
        )
        .add(
            Method::GET,
            ONE,
            read,
            "get_invitation_batch: Get the progress of a batch of invitations.",
            get_invitation_batch,
        )
        .add(
            Method::GET,
            LINES,
            read,
            "list_invitation_batch_lines: List the results of a batch; with `Accept: text/csv` all lines at once.",
            list_invitation_batch_lines,
        )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchInput {
    organization: Option<String>,
    /// For lines that say none.
    role: Option<String>,
    message: Option<String>,
    inviter: Option<String>,
    locale: Option<String>,
    invitations: Vec<LineInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LineInput {
    #[serde(default)]
    email: String,
    role: Option<String>,
    message: Option<String>,
    locale: Option<String>,
}

/// What a file's query says, where the file is CSV.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchQuery {
    organization: Option<String>,
    role: Option<String>,
    message: Option<String>,
    inviter: Option<String>,
    locale: Option<String>,
}

impl Input for BatchQuery {}

fn parse_csv(bytes: &[u8], query: BatchQuery) -> Result<BatchInput, Problem> {
    let malformed = |error: csv::Error| {
        let at = error.position().map_or(0, csv::Position::line);
        Problem::detailed(Code::BODY_MALFORMED, format!("The body is not CSV: line {at}."))
    };
    // Spreadsheets put a mark at the beginning.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(false).trim(csv::Trim::All).from_reader(bytes);
    let names: Vec<String> =
        reader.headers().map_err(malformed)?.iter().map(str::to_ascii_lowercase).collect();
    if let Some(at) =
        names.iter().position(|name| !matches!(name.as_str(), "email" | "role" | "message" | "locale"))
    {
        return Err(Problem::invalid(format!("/columns/{at}"), "must be email, role, message or locale"));
    }
    let place = |wanted: &str| names.iter().position(|name| name == wanted);
    let email = place("email").ok_or_else(|| Problem::invalid("/columns", "must include email"))?;
    let (role, message, locale) = (place("role"), place("message"), place("locale"));
    let mut invitations = Vec::new();
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let at = |place: Option<usize>| {
            place.and_then(|place| record.get(place)).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        let email = record.get(email).unwrap_or_default().to_owned();
        invitations.push(LineInput { email, role: at(role), message: at(message), locale: at(locale) });
        if invitations.len() > LINES_MAX {
            break;
        }
    }
    let BatchQuery { organization, role, message, inviter, locale } = query;
    Ok(BatchInput { organization, role, message, inviter, locale, invitations })
}

fn lines(input: &mut BatchInput) -> Result<Vec<Line>, Problem> {
    let given = std::mem::take(&mut input.invitations);
    if given.is_empty() || given.len() > LINES_MAX {
        return Err(Problem::invalid("/invitations", "must have 1 to 10000 items"));
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let line = |(at, given): (usize, LineInput)| {
        let role = given.role.or(input.role.clone());
        let role = role.unwrap_or_else(|| TenantRole::Viewer.name().to_owned());
        let message = given.message.or(input.message.clone());
        let locale = given.locale.or(input.locale.clone());
        let wrong = problem_of(&given.email, message.as_deref(), locale.as_deref()).map(|(_, detail)| detail);
        let no_role = TenantRole::parse(&role).is_none().then_some(NO_ROLE);
        let twice = *seen.entry(directory::fold(&given.email)).or_insert(at) != at;
        let problem = wrong.or(no_role).or(twice.then_some("is in the file twice"));
        // What is kept of a line that is refused is bounded too.
        let bounded = |text: String| text.chars().filter(|c| *c != '\0').take(1000).collect::<String>();
        Line {
            email: bounded(given.email),
            role: bounded(role),
            message: message.map(bounded),
            locale: locale.map(bounded),
            problem,
        }
    };
    Ok(given.into_iter().enumerate().map(line).collect())
}

/// A batch of invitations and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationBatch {
    id: Uuid,
    organization_id: Uuid,
    /// `running` or `done`.
    #[schema(value_type = String)]
    status: BatchStatus,
    /// Number of lines.
    total: i64,
    /// Number of lines not processed yet.
    waiting: u64,
    /// Number of lines that led to an invitation.
    invited: u64,
    /// Number of lines that were refused.
    refused: u64,
    created_at: DateTime<Utc>,
    /// When the last line was processed; null until then.
    finished_at: Option<DateTime<Utc>>,
}

async fn progress(view: &View, row: batch::Model) -> Result<InvitationBatch, Problem> {
    let of = |status: LineStatus| {
        let lines = view.select::<batch_row::Entity>().filter(batch_row::Column::BatchId.eq(row.id));
        lines.filter(batch_row::Column::Status.eq(status))
    };
    Ok(InvitationBatch {
        id: row.id,
        organization_id: row.organization_id,
        waiting: view.count(of(LineStatus::Waiting)).await?,
        invited: view.count(of(LineStatus::Invited)).await?,
        refused: view.count(of(LineStatus::Refused)).await?,
        status: row.status,
        total: row.total,
        created_at: row.created_at,
        finished_at: row.finished_at,
    })
}

async fn create_invitation_batch(
    caller: TenantCaller,
    Query(query): Query<BatchQuery>,
    body: JsonOrCsv,
) -> Result<Accepted<InvitationBatch>, Problem> {
    let mut input = match body {
        JsonOrCsv::Csv(bytes) => parse_csv(&bytes, query)?,
        JsonOrCsv::Json(value) => {
            serde_json::from_value(value).map_err(|error| Problem::invalid("", error.to_string()))?
        }
    };
    if let Some(inviter) = &input.inviter {
        let mut errors = FieldErrors::default();
        errors.text("/inviter", inviter, 200);
        errors.finish()?;
    }
    let lines = lines(&mut input)?;
    let created_by = format!("{}:{}", caller.ctx.actor.kind, caller.ctx.actor.id);
    let work = async |tx: &mut Tx| {
        let tenant = tenancy::active(tx).await?;
        let name = input.organization.as_deref().unwrap_or("default");
        let organization = tenancy::organization_named(tx, name).await?.id;
        crate::rules::require_by_hand(tx, organization).await?;
        let inviter = inviter::name(tx, &tenant, organization, input.inviter.as_deref()).await?;
        let new = NewBatch { organization, inviter, limited: is_limited(&caller), created_by, lines };
        let row = batches::create(tx, new).await?;
        progress(tx, row).await
    };
    let begun = caller.write(work).await?;
    let location = format!("/api/v1/tenants/{}/invitations/bulk/{}", caller.tenant(), begun.id);
    Ok(Accepted(location, begun))
}

async fn found(view: &View, id: Uuid) -> Result<batch::Model, Problem> {
    batches::find(view, id).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))
}

async fn get_invitation_batch(
    caller: TenantCaller,
    ids: Ids,
) -> Result<actix_web::web::Json<InvitationBatch>, Problem> {
    let id = ids.id("batch_id")?;
    let read = async |view: &View| {
        let row = found(view, id).await?;
        progress(view, row).await
    };
    Ok(actix_web::web::Json(caller.read(read).await?))
}

/// A line of a batch and its result.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchLine {
    /// The line's number, from 1, as in the request.
    number: i64,
    email: String,
    role: String,
    /// `waiting`, `invited` or `refused`.
    #[schema(value_type = String)]
    status: LineStatus,
    /// The problem code for which the line was refused.
    code: Option<String>,
    /// Why the line was refused.
    detail: Option<String>,
    /// The invitation that the line led to; null: none.
    invitation_id: Option<Uuid>,
}

impl From<batch_row::Model> for BatchLine {
    fn from(row: batch_row::Model) -> Self {
        Self {
            number: row.number,
            email: row.email,
            role: row.role,
            status: row.status,
            code: row.code,
            detail: row.detail,
            invitation_id: row.invitation_id,
        }
    }
}

/// Which lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    status: Option<String>,
}

impl Input for LineFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        let known = self.status.as_deref().is_none_or(|status| LineStatus::parse(status).is_some());
        errors.require(known, "?status", "must be waiting, invited or refused");
    }
}

/// A cell that a spreadsheet takes for text, whatever somebody wrote into it (OWASP, CSV injection).
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn to_csv(rows: Vec<batch_row::Model>) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["number", "email", "role", "status", "code", "detail", "invitationId"])
        .map_err(Problem::internal)?;
    for row in rows {
        let id = row.invitation_id.map(|id| id.to_string()).unwrap_or_default();
        let (code, detail) = (row.code.unwrap_or_default(), row.detail.unwrap_or_default());
        let cells = [
            row.number.to_string(),
            cell(&row.email),
            cell(&row.role),
            row.status.to_string(),
            code,
            cell(&detail),
            id,
        ];
        writer.write_record(cells).map_err(Problem::internal)?;
    }
    writer.into_inner().map_err(Problem::internal)
}

async fn list_invitation_batch_lines(
    caller: TenantCaller,
    request: HttpRequest,
    ids: Ids,
    Query(filter): Query<LineFilter>,
) -> Result<HttpResponse, Problem> {
    use batch_row::Column;
    let id = ids.id("batch_id")?;
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let position = Position::of(&query, &format!("invitation lines {id} {:?}", filter.status))?;
    let wanted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let as_csv = wanted.is_some_and(|accept| accept.contains("text/csv"));
    let cursor = |text: &String| text.parse::<i64>().map_err(|_| Problem::new(Code::CURSOR_INVALID));
    let after = position.after.as_ref().map(cursor).transpose()?.unwrap_or(0);
    let read = async |view: &View| {
        found(view, id).await?;
        let mut select = view.select::<batch_row::Entity>().filter(Column::BatchId.eq(id));
        if let Some(status) = filter.status.as_deref().and_then(LineStatus::parse) {
            select = select.filter(Column::Status.eq(status));
        }
        // A batch is bounded, and so is its report.
        let most = if as_csv { LINES_MAX as u64 } else { position.limit + 1 };
        let select = select.filter(Column::Number.gt(after)).order_by_asc(Column::Number);
        Ok::<_, Problem>(view.all(select.limit(most)).await?)
    };
    let rows = caller.read(read).await?;
    if as_csv {
        let name = format!("attachment; filename=\"invitations-{id}.csv\"");
        return Ok(HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((header::CONTENT_DISPOSITION, name))
            .body(to_csv(rows)?));
    }
    let page: Page<BatchLine> = position.page(rows, |row| row.number.to_string(), BatchLine::from);
    Ok(HttpResponse::Ok().json(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (text, wanted) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("a@b.example", "a@b.example"),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }

    #[test]
    fn a_file_is_read_by_its_columns_whatever_their_order() {
        let file = b"\xef\xbb\xbfrole,Email\nadmin, a@b.example \n,c@d.example\n";
        let input =
            parse_csv(file, BatchQuery { role: Some("guest".to_owned()), ..Default::default() }).unwrap();
        let mut input = input;
        let lines = lines(&mut input).unwrap();
        let said: Vec<_> = lines.iter().map(|line| (line.email.as_str(), line.role.as_str())).collect();
        assert_eq!(said, [("a@b.example", "admin"), ("c@d.example", "guest")]);
        assert!(parse_csv(b"email,colour\na@b.example,red\n", BatchQuery::default()).is_err());
        assert!(parse_csv(b"role\nadmin\n", BatchQuery::default()).is_err());
        assert!(parse_csv(b"email,role\na@b.example\n", BatchQuery::default()).is_err());
    }
}
