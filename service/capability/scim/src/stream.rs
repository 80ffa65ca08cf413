//! Groups as a stream: whatever the number of members, a page of them at a time is held. Each page is a transaction of
//! its own, so a slow reader keeps no connection of the store; a member who comes or goes meanwhile may be seen or not.

use std::collections::VecDeque;

use actix_web::web::Bytes;
use directory::Member;
use entity::directory::group;
use entity::ids::OrganizationId;
use futures_util::{Stream, stream};
use platform::DbError;
use platform::db::TenantDb;
use scim_core::resource::Projection;
use serde_json::{Map, Value};
use uuid::Uuid;
use web::Place;

use crate::represent;
use crate::state::Scope;

/// Members in one page.
const PAGE: usize = 1_000;

/// Groups that are on their way.
pub(crate) struct Groups {
    pub(crate) db: TenantDb,
    pub(crate) scope: Scope,
    pub(crate) projection: Projection,
    /// Those to come.
    pub(crate) rows: VecDeque<group::Model>,
    /// What stands before the first and behind the last.
    pub(crate) around: (String, String),
    /// Held while somebody reads, however slowly: so many at once, of one tenant and of all.
    pub(crate) _place: Place,
}

/// Where the stream is.
enum Stage {
    Begin,
    /// Before a group; whether it is the first.
    Group(bool),
    /// Within a group's members, behind this one.
    Members(Uuid, Option<Member>),
    End,
}

/// The groups as bytes.
pub(crate) fn groups(groups: Groups) -> impl Stream<Item = Result<Bytes, DbError>> {
    stream::try_unfold((groups, Stage::Begin), async |(mut groups, stage)| {
        let next = groups.next(stage).await?;
        Ok(next.map(|(text, stage)| (Bytes::from(text), (groups, stage))))
    })
}

impl Groups {
    async fn next(&mut self, stage: Stage) -> Result<Option<(String, Stage)>, DbError> {
        Ok(match stage {
            Stage::Begin => Some((std::mem::take(&mut self.around.0), Stage::Group(true))),
            Stage::Group(first) => Some(match self.rows.pop_front() {
                None => (std::mem::take(&mut self.around.1), Stage::End),
                Some(row) => {
                    let id = row.id;
                    let whole = represent::group(&self.scope, row, None);
                    let cut = self.projection.apply(&self.scope.registry.groups, whole);
                    let mut text = Value::Object(cut).to_string();
                    // `id` is always there, so there is a member before this one.
                    text.pop();
                    let comma = if first { "" } else { "," };
                    (format!("{comma}{text},\"members\":["), Stage::Members(id, None))
                }
            }),
            Stage::Members(id, after) => {
                let organization = self.scope.organization;
                let read = async |view: &platform::View| {
                    directory::members_behind(view, OrganizationId(organization), id, after.as_ref(), PAGE)
                        .await
                };
                let page = self.db.read(read).await?;
                let mut text = String::new();
                if after.is_some() && !page.is_empty() {
                    text.push(',');
                }
                text.push_str(&self.cut(&page));
                if page.len() == PAGE {
                    return Ok(Some((text, Stage::Members(id, page.last().cloned()))));
                }
                text.push_str("]}");
                Some((text, Stage::Group(false)))
            }
            Stage::End => None,
        })
    }

    /// Members as asked for, without the brackets around them.
    fn cut(&self, page: &[Member]) -> String {
        let members: Value = page.iter().map(|one| represent::member(&self.scope, one)).collect();
        let whole = Map::from_iter([("members".to_owned(), members)]);
        let cut = self.projection.apply(&self.scope.registry.groups, whole);
        let text = cut.get("members").map(ToString::to_string).unwrap_or_default();
        text.trim_start_matches('[').trim_end_matches(']').to_owned()
    }
}
