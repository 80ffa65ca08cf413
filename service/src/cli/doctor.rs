//! `tenantry doctor`: one line for each part, what is wrong and how to mend it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use platform::clock::Clock;
use platform::config::Config;
use platform::crypto::LookupKey;
use platform::db::Db;
use platform::store::inspection::{Inspection, Schema};
use platform::store::integrity::{Integrity, has_data_checksums};
use serde_json::json;
use web::Service;

use crate::capabilities::event_types;
use crate::startup::{self, ClockState, KeySource};

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// It works, and something about it should be changed.
    Warning,
    Wrong,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Wrong => "WRONG",
        }
    }
}

struct Finding {
    part: String,
    state: State,
    text: String,
}

fn finding(part: &str, result: Result<String, String>) -> Finding {
    let part = part.to_owned();
    match result {
        Ok(text) => Finding { part, state: State::Ok, text },
        Err(text) => Finding { part, state: State::Wrong, text },
    }
}

fn warning(part: &str, text: String) -> Finding {
    Finding { part: part.to_owned(), state: State::Warning, text }
}

/// Looks at everything; makes no files, and changes nothing in the store but the time of the last probe.
pub(crate) async fn run(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = vec![finding("config", Ok(format!("public URL {}", config.public_url())))];
    let inspection = startup::inspect(&config).await;
    findings.push(finding("keys", keys(&config, inspection.as_ref().ok())));
    findings.push(finding("database", database(&config, &inspection)));
    findings.extend(files(&config));
    findings.push(clock(&config, inspection.as_ref().ok()));
    findings.push(finding("smtp", smtp(&config).await));
    findings.push(finding(
        "outbound",
        Ok(if config.outbound.allow_private {
            "private addresses are allowed: for development only".to_owned()
        } else {
            "private addresses are refused".to_owned()
        }),
    ));
    if findings.iter().all(|finding| finding.state != State::Wrong) {
        findings.extend(outside(config).await);
    }
    let ok = findings.iter().all(|finding| finding.state != State::Wrong);
    let mut text = String::new();
    if as_json {
        let check = |one: &Finding| {
            let ok = one.state != State::Wrong;
            json!({"part": one.part, "ok": ok, "state": one.state.name().to_lowercase(), "detail": one.text})
        };
        let checks = json!({"ok": ok, "checks": findings.iter().map(check).collect::<Vec<_>>()});
        let _ = writeln!(text, "{checks}");
    } else {
        for one in &findings {
            let _ = writeln!(text, "{:<18} {:<7} {}", one.part, one.state.name(), one.text);
        }
    }
    super::print(&text)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the master key can be used and is the one that goes with the store.
fn keys(config: &Config, inspection: Option<&Inspection>) -> Result<String, String> {
    let source = KeySource::of(config).map_err(|error| format!("{error:#}"))?;
    let canary = inspection.and_then(|inspection| inspection.canary.as_ref());
    source.check(canary).map_err(|mismatch| mismatch.to_string())?;
    Ok(match (&source, canary) {
        (KeySource::Missing(path), _) => {
            format!("the first start will create a master key in {}", path.display())
        }
        (_, Some(_)) => "the master key opens what the store holds".to_owned(),
        (_, None) => "the master key can be used".to_owned(),
    })
}

fn database(config: &Config, inspection: &anyhow::Result<Inspection>) -> Result<String, String> {
    let kind = if config.database.is_postgres() { "postgres" } else { "sqlite" };
    match inspection.as_ref().map(|inspection| &inspection.schema) {
        Err(error) => Err(format!("{error:#}")),
        Ok(Schema::Current) => Ok(format!("{kind}, schema up to date")),
        Ok(Schema::Absent) => Err("there is no schema yet: run `tenantry migrate up`".to_owned()),
        Ok(Schema::Behind(names)) => {
            Err(format!("the schema is behind by {}: run `tenantry migrate up`", names.join(", ")))
        }
        Ok(Schema::Newer(names)) => Err(startup::newer_schema(names)),
    }
}

/// The embedded store's files; on Postgres there are none.
fn files(config: &Config) -> Option<Finding> {
    if config.database.is_postgres() {
        return None;
    }
    let complaints = startup::too_open(config);
    Some(if complaints.is_empty() {
        finding("files", Ok("no other user can open them".to_owned()))
    } else {
        warning("files", complaints.join("; "))
    })
}

fn clock(config: &Config, inspection: Option<&Inspection>) -> Finding {
    let Some(inspection) = inspection else {
        return finding("clock", Ok("there is nothing to compare it with".to_owned()));
    };
    let state = startup::clock_state(config, &Clock::default(), inspection);
    match (state, state.complaint()) {
        (_, None) => finding("clock", Ok("not behind the newest record".to_owned())),
        (ClockState::FarBehind(_), Some(complaint)) => finding("clock", Err(complaint)),
        (_, Some(complaint)) => warning("clock", complaint),
    }
}

async fn smtp(config: &Config) -> Result<String, String> {
    let transport = mail::Transport::new(config.section::<mail::Settings>())?;
    if !transport.is_connected() {
        return Ok("not configured: mail is stored and shown at /dev/mail".to_owned());
    }
    transport
        .ping()
        .await
        .map(|()| "the relays answer".to_owned())
        .map_err(|error| format!("{error}: check smtp.url"))
}

/// What became one name when the rules of folding changed: somebody decides which of them goes.
async fn names(service: &Service) -> Finding {
    let twins = match service.db.read_platform(async |view| directory::twins(view).await).await {
        Ok(twins) => twins,
        Err(error) => return finding("names", Err(platform::chain(&error))),
    };
    if twins.is_empty() {
        return finding("names", Ok("all names are unique".to_owned()));
    }
    let one = |twin: &directory::Twin| {
        let id = twin.id.map(|id| format!(" {id}")).unwrap_or_default();
        format!("{} {}{id} ({:?})", twin.tenant, twin.kind, twin.name)
    };
    let list: Vec<String> = twins.iter().map(one).collect();
    let text = "have the same name as an older one and are found only by their ids: rename or remove them";
    warning("names", format!("{} {text}: {}", twins.len(), list.join("; ")))
}

/// Whether a write reaches the disk: reads go on where it is full.
async fn writes(db: &Db) -> Finding {
    let written = db.probe().await.map(|()| "a small write reaches the disk".to_owned());
    finding("writes", written.map_err(|error| platform::explain(&error)))
}

/// Whether pages are damaged, and whether it would be noticed: SQLite's are read by us, all of them, Postgres' by itself if its cluster
/// was made for it.
async fn pages(db: &Db) -> Finding {
    match db.check_whole().await {
        Ok(Integrity::Sound) => {}
        Ok(Integrity::Corrupt(found)) => {
            return finding("pages", Err(format!("damaged: {found}. Restore a backup")));
        }
        Err(error) => return finding("pages", Err(platform::explain(&error))),
    }
    match has_data_checksums(db).await {
        Ok(Some(false)) => {
            let text =
                "the cluster has no data checksums: damage is not noticed (see `pg_checksums --enable`)";
            warning("pages", text.to_owned())
        }
        Ok(Some(true)) => finding("pages", Ok("the cluster has data checksums".to_owned())),
        Ok(None) => finding("pages", Ok("none is damaged; the service checks a table a minute".to_owned())),
        Err(error) => finding("pages", Err(platform::explain(&error))),
    }
}

/// Identity backends, Azure, modules: asked only where the store can be read, for it says who they are.
async fn outside(config: Config) -> Vec<Finding> {
    let opened = async {
        let envelope = KeySource::of(&config).and_then(|source| source.envelope());
        let envelope = envelope.map_err(|error| format!("{error:#}"))?;
        let db = Db::open(&config.database, &config.data.dir, Clock::default()).await;
        let db = db.map_err(|error| platform::explain(&error))?;
        Service::new(Arc::new(config), db, envelope, LookupKey::throw_away(), event_types())
            .map_err(|error| error.to_string())
    };
    let service: Service = match opened.await {
        Ok(service) => service,
        Err(error) => return vec![finding("writes", Err(error))],
    };
    let mut found = vec![writes(&service.db).await, pages(&service.db).await, names(&service).await];
    for capability in crate::capabilities::all() {
        let asked = capability.findings(&service).await;
        found.extend(asked.into_iter().map(|one| finding(&one.part, one.is)));
    }
    // The last connection to an embedded store takes its log away with it.
    service.db.close().await;
    found
}
