//! Start-up believes nothing: the store, the master key and the clock are asked before anything is made or changed.

mod files;
mod master_key;

use std::sync::Arc;

use anyhow::{anyhow, bail};
use chrono::TimeDelta;
use platform::clock::Clock;
use platform::config::Config;
use platform::crypto::LookupKey;
use platform::db::{self, Db};
use platform::store::inspection::{self, Inspection, Schema};
use platform::{DbError, Timestamp, explain};
use web::Service;

use crate::capabilities::event_types;
pub(crate) use files::too_open;
pub(crate) use master_key::{KeySource, Mismatch};

/// A clock that is so far behind the newest record is told of; much further, and the start is refused.
const CLOCK_BEHIND_WARNED: TimeDelta = TimeDelta::hours(1);

/// How the clock stands to the newest record of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockState {
    /// Later than the record, or as good as.
    Plausible,
    /// Behind it by so much, which is strange.
    Behind(TimeDelta),
    /// Behind it by so much that nothing may be written.
    FarBehind(TimeDelta),
}

impl ClockState {
    pub(crate) fn of(now: Timestamp, newest: Option<Timestamp>, max: TimeDelta) -> Self {
        match newest.map(|newest| newest - now) {
            Some(behind) if behind > max => ClockState::FarBehind(behind),
            Some(behind) if behind > CLOCK_BEHIND_WARNED.min(max) => ClockState::Behind(behind),
            _ => ClockState::Plausible,
        }
    }

    /// What is wrong and what to do, if something is.
    pub(crate) fn complaint(self) -> Option<String> {
        let (ClockState::Behind(by) | ClockState::FarBehind(by)) = self else { return None };
        Some(format!(
            "the clock is {} minutes behind the newest record in the store: set the clock of this machine (NTP){}",
            by.num_minutes(),
            match self {
                ClockState::FarBehind(_) => {
                    "; if it is right and the records are wrong, a larger database.clock_behind_max lets the service start"
                }
                _ => "",
            }
        ))
    }
}

/// How far behind the clock may be.
pub(crate) fn clock_state(config: &Config, clock: &Clock, inspection: &Inspection) -> ClockState {
    let max = TimeDelta::from_std(config.database.clock_behind_max).unwrap_or(TimeDelta::MAX);
    ClockState::of(clock.now(), inspection.newest, max)
}

/// What is wrong with a schema that a newer binary changed.
pub(crate) fn newer_schema(names: &[String]) -> String {
    format!(
        "a newer version of tenantry changed this store's schema ({}): run that version, or restore the backup from before the \
         upgrade",
        names.join(", ")
    )
}

/// Looks at the store that the configuration names, without changing it.
pub(crate) async fn inspect(config: &Config) -> anyhow::Result<Inspection> {
    Ok(inspection::inspect(&config.database, &config.data.dir).await?)
}

fn refuse_newer(inspection: &Inspection) -> anyhow::Result<()> {
    match &inspection.schema {
        Schema::Newer(names) => Err(anyhow!(newer_schema(names))),
        Schema::Absent | Schema::Behind(_) | Schema::Current => Ok(()),
    }
}

/// Brings the schema up to date, unless a newer binary has been there; answers what was applied.
///
/// # Errors
/// What is wrong, and how to mend it.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<Vec<String>> {
    refuse_newer(&inspect(config).await?)?;
    apply(config).await
}

async fn apply(config: &Config) -> anyhow::Result<Vec<String>> {
    files::make(config)?;
    let applied = db::migrate(&config.database, &config.data.dir).await;
    applied.map_err(|error| failed("the schema could not be brought up to date", &error))
}

/// A failure of the store, for a person at a terminal.
pub(crate) fn failed(what: &str, error: &DbError) -> anyhow::Error {
    anyhow!("{what}: {}", explain(error))
}

/// Opens the store, migrating it if the configuration says so, and puts the parts together.
///
/// # Errors
/// What is missing or wrong, and how to mend it.
pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Service> {
    let source = KeySource::of(&config)?;
    let inspection = inspect(&config).await?;
    refuse_newer(&inspection)?;
    source.check(inspection.canary.as_ref()).map_err(|mismatch| anyhow!(mismatch))?;
    let clock_state = clock_state(&config, &clock, &inspection);
    match (clock_state, clock_state.complaint()) {
        (ClockState::FarBehind(_), Some(complaint)) => bail!(complaint),
        (_, Some(complaint)) => tracing::error!("{complaint}"),
        (_, None) => {}
    }
    files::make(&config)?;
    let envelope = source.envelope_or_make()?;
    match (&inspection.schema, config.database.migrate) {
        (Schema::Absent | Schema::Behind(_), true) => {
            for name in apply(&config).await? {
                tracing::info!(name, "migrated");
            }
        }
        (Schema::Absent, false) => bail!("there is no schema yet: run `tenantry migrate up`"),
        (Schema::Behind(names), false) => {
            bail!("the schema is behind by {}: run `tenantry migrate up`", names.join(", "));
        }
        (Schema::Current | Schema::Newer(_), _) => {}
    }
    let db = Db::open(&config.database, &config.data.dir, clock).await;
    let db = db.map_err(|error| failed("the store can't be opened", &error))?;
    for complaint in too_open(&config) {
        tracing::warn!("{complaint}");
    }
    let key = LookupKey::load(&db, &envelope).await.map_err(|error| match error {
        // Another replica has just sealed the first one, by another key.
        DbError::Sealed(_) => anyhow!(Mismatch::Wrong(source.place())),
        error => failed("the lookup key can't be read or made", &error),
    })?;
    Ok(Service::new(Arc::new(config), db, envelope, key, event_types())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_plausible_behind_or_far_behind() {
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (day, year) = (TimeDelta::days(1), TimeDelta::days(366));
        for (behind, max, state) in [
            (None, day, ClockState::Plausible),
            (Some(TimeDelta::days(-400)), day, ClockState::Plausible),
            (Some(TimeDelta::minutes(59)), day, ClockState::Plausible),
            (Some(TimeDelta::hours(2)), day, ClockState::Behind(TimeDelta::hours(2))),
            (Some(TimeDelta::days(2)), day, ClockState::FarBehind(TimeDelta::days(2))),
            (Some(TimeDelta::days(2)), year, ClockState::Behind(TimeDelta::days(2))),
            (
                Some(TimeDelta::minutes(2)),
                TimeDelta::minutes(1),
                ClockState::FarBehind(TimeDelta::minutes(2)),
            ),
        ] {
            assert_eq!(ClockState::of(now, behind.map(|behind| now + behind), max), state);
        }
    }
}
