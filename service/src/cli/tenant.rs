//! `tenantry tenant`

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use entity::provisioning::states::{RunKind, RunStatus, StepStatus};
use entity::tenancy::states::SuspendedBy;
use indicatif::{ProgressBar, ProgressStyle};
use platform::config::Config;
use platform::db::Lookup;
use platform::{Ctx, DbError, PlatformView, Tx};
use provisioning::{NewTenant, Provisioning};
use serde_json::{Map, Value, json};
use tenancy::{Status, Tenant};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use web::Service;

use super::key::{ctx, failed, with_store};
use super::print;
use crate::worker;

/// Tenants shown at once.
const SHOWN_MAX: u64 = 1000;
/// How often a waiting command looks.
const POLL_INTERVAL: Duration = Duration::from_millis(150);
/// If no server takes a run on in this time, the command does it itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What stands before the failure of a look at what a command did.
const MADE: &str = "the change was made, but its result can't be shown";

const EXAMPLES: &str = "Examples:
  tenantry tenant create acme --name 'Acme GmbH' --plan pro --owner it@acme.example
  tenantry tenant create acme --name Acme --backend keycloak --kind realm --isolation private --driver azure --region westeurope
  tenantry tenant show acme            what its latest run did, step by step, with ids of requests outside
  tenantry tenant delete acme --purge --json
  tenantry tenant export acme > acme.ndjson

Works on the store itself; a running server takes runs on, or this command does when there is none.
Exit codes: 0 done, 1 failed or refused, 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Provision a tenant and wait until it is active.
    Create(Box<Create>),
    /// List tenants.
    List {
        /// Only tenants with this status.
        #[arg(long)]
        status: Option<String>,
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show a tenant and its latest run, step by step.
    Show(One),
    /// Suspend a tenant.
    Suspend(One),
    /// Resume a tenant, or cancel its deletion.
    Resume(One),
    /// Deprovision a tenant and wait until it is gone, or until its recycle period begins.
    Delete {
        #[command(flatten)]
        one: One,
        /// Skip the recycle period.
        #[arg(long)]
        purge: bool,
        /// Return at once instead of waiting.
        #[arg(long)]
        no_wait: bool,
    },
    /// Retry a tenant's run now.
    Retry(One),
    /// Abort a tenant's open run and undo its completed steps.
    Rollback(One),
    /// Write everything that a tenant owns to standard output, as NDJSON.
    Export {
        /// The tenant's id or slug.
        tenant: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The tenant's id or slug.
    tenant: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The slug, a DNS label.
    slug: String,
    /// The display name; without it, the slug.
    #[arg(long)]
    name: Option<String>,
    /// The plan's key.
    #[arg(long)]
    plan: Option<String>,
    /// The isolation: shared, namespace or private.
    #[arg(long)]
    isolation: Option<String>,
    /// The region.
    #[arg(long)]
    region: Option<String>,
    /// The identity backend: builtin, keycloak or zitadel.
    #[arg(long)]
    backend: Option<String>,
    /// The kind of tenant at the backend: realm or org.
    #[arg(long)]
    kind: Option<String>,
    /// The tenant's id at the backend.
    #[arg(long)]
    external_id: Option<String>,
    /// The instance's driver: pool or azure.
    #[arg(long)]
    driver: Option<String>,
    /// The instance's mode: shared or dedicated.
    #[arg(long)]
    mode: Option<String>,
    /// The e-mail address of the first admin.
    #[arg(long)]
    owner: Option<String>,
    /// The tenant's own limit, such as users=50; can be repeated.
    #[arg(long, value_name = "RESOURCE=LIMIT")]
    quota: Vec<String>,
    /// Return at once instead of waiting.
    #[arg(long)]
    no_wait: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Create {
    fn tenant(self) -> anyhow::Result<NewTenant> {
        let given = |pairs: Vec<(&str, Option<String>)>| -> Map<String, Value> {
            let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
            pairs.collect()
        };
        let mut quotas = Map::new();
        for pair in &self.quota {
            let (name, limit) =
                pair.split_once('=').with_context(|| format!("--quota {pair}: RESOURCE=LIMIT"))?;
            quotas.insert(
                name.to_owned(),
                limit.parse::<i64>().with_context(|| format!("--quota {pair}"))?.into(),
            );
        }
        let identity =
            given(vec![("backend", self.backend), ("kind", self.kind), ("externalId", self.external_id)]);
        let mut body = given(vec![
            ("name", Some(self.name.unwrap_or_else(|| self.slug.clone()))),
            ("slug", Some(self.slug)),
            ("plan", self.plan),
            ("isolation", self.isolation),
            ("region", self.region),
        ]);
        body.insert("identity".to_owned(), identity.into());
        body.insert("instance".to_owned(), given(vec![("driver", self.driver), ("mode", self.mode)]).into());
        body.insert("quotas".to_owned(), quotas.into());
        if let Some(email) = self.owner {
            body.insert("owner".to_owned(), json!({"email": email}));
        }
        NewTenant::read(body.into()).map_err(failed)
    }
}

pub(crate) async fn run(what: Command, config: Config) -> anyhow::Result<ExitCode> {
    with_store(config, async |service| perform(what, service).await).await
}

async fn perform(what: Command, service: &Service) -> anyhow::Result<ExitCode> {
    let ctx = ctx();
    match what {
        Command::Create(create) => {
            let (json, wait) = (create.json, !create.no_wait);
            let (row, parameters) = create.tenant()?.into_row(service).await.map_err(failed)?;
            let id = row.id;
            let work = async |tx: &mut Tx| provisioning::create(tx, row, parameters).await;
            service.db.write(&ctx, id, work).await.map_err(failed)?;
            finish(service, id, wait, json, Status::Active).await.context(MADE)
        }
        Command::List { status, json } => list(service, status, json).await,
        Command::Show(one) => {
            let id = named(service, &one.tenant).await?;
            show(service, id, one.json).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Suspend(one) => {
            change(service, &ctx, one, async |tx| tenancy::suspend(tx, SuspendedBy::Operator).await.map(drop))
                .await
        }
        Command::Resume(one) => {
            change(service, &ctx, one, async |tx| provisioning::resume(tx).await.map(drop)).await
        }
        Command::Retry(one) => {
            change(service, &ctx, one, async |tx| provisioning::retry(tx).await.map(drop)).await
        }
        Command::Rollback(one) => {
            change(service, &ctx, one, async |tx| provisioning::rollback(tx).await.map(drop)).await
        }
        Command::Delete { one, purge, no_wait } => {
            let id = named(service, &one.tenant).await?;
            let period = if purge {
                Duration::ZERO
            } else {
                service.config.section::<provisioning::Settings>().recycle_period
            };
            let period = TimeDelta::from_std(period).unwrap_or_default();
            let work = async |tx: &mut Tx| provisioning::delete(tx, period).await;
            service.db.write(&ctx, id, work).await.map_err(failed)?;
            finish(service, id, !no_wait, one.json, Status::Deleted).await.context(MADE)
        }
        Command::Export { tenant } => {
            let id = named(service, &tenant).await?;
            export(service, &ctx, id).await
        }
    }
}

async fn named(service: &Service, name: &str) -> anyhow::Result<Uuid> {
    let id = match Uuid::try_parse(name) {
        Ok(id) => Some(id),
        Err(_) => service.db.tenant_of(Lookup::slug(name)).await?,
    };
    let Some(id) = id else { bail!("there is no tenant `{name}`") };
    let found = service.db.read(id, async |view| tenancy::find(view).await).await?;
    found.map(|_| id).ok_or_else(|| anyhow!("there is no tenant `{name}`"))
}

async fn change<E: Into<web::Problem> + From<DbError>>(
    service: &Service,
    ctx: &Ctx,
    one: One,
    work: impl AsyncFnOnce(&mut Tx) -> Result<(), E>,
) -> anyhow::Result<ExitCode> {
    let id = named(service, &one.tenant).await?;
    service.db.write(ctx, id, work).await.map_err(failed)?;
    show(service, id, one.json).await.context(MADE)?;
    Ok(ExitCode::SUCCESS)
}

async fn tenant_and_run(service: &Service, id: Uuid) -> anyhow::Result<(Tenant, Option<Provisioning>)> {
    let read = async |view: &platform::View| {
        let tenant = Tenant::from(tenancy::get(view).await?);
        Ok::<_, web::Problem>((tenant, provisioning::latest(view).await.ok().map(Provisioning::from)))
    };
    service.db.read(id, read).await.map_err(failed)
}

async fn show(service: &Service, id: Uuid, json: bool) -> anyhow::Result<()> {
    let (tenant, run) = tenant_and_run(service, id).await?;
    let mut text = String::new();
    if json {
        writeln!(text, "{}", json!({"tenant": tenant, "run": run}))?;
        return print(&text).map(drop);
    }
    writeln!(
        text,
        "{}  {}  {}  plan {}  {}",
        tenant.id, tenant.slug, tenant.status, tenant.plan, tenant.name
    )?;
    writeln!(
        text,
        "identity  {} {} {}",
        tenant.identity.backend,
        tenant.identity.kind,
        tenant.identity.external_id.unwrap_or_default()
    )?;
    let instance = tenant.instance.id.map(|id| id.to_string()).unwrap_or_else(|| "none".to_owned());
    writeln!(text, "instance  {} {} {instance}", tenant.instance.driver, tenant.instance.mode)?;
    let Some(run) = run else { return print(&text).map(drop) };
    writeln!(text, "\nrun {}  {}  {}", run.id, run.kind, run.status)?;
    for step in run.steps {
        let took = step.duration_ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        writeln!(text, "  {:<14} {:<12} {:>2}x {took:>10}", step.name, step.status, step.attempts)?;
        for (what, said) in [("waits for", &step.waits_for), ("error", &step.error)] {
            if let Some(said) = said {
                writeln!(text, "    {what}: {said}")?;
            }
        }
        for call in step.calls.as_array().into_iter().flatten() {
            let word = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or("-");
            let number = |name: &str| call.get(name).and_then(Value::as_u64).map(|number| number.to_string());
            writeln!(
                text,
                "    {} {}{}  {}  {} ms  {}",
                word("method"),
                word("host"),
                word("path"),
                number("status").unwrap_or_else(|| "no answer".to_owned()),
                number("milliseconds").unwrap_or_default(),
                word("requestId")
            )?;
        }
    }
    print(&text).map(drop)
}

async fn list(service: &Service, status: Option<String>, json: bool) -> anyhow::Result<ExitCode> {
    let rows = match status.as_deref().map(Status::parse) {
        // No tenant has a status that there isn't.
        Some(None) => Vec::new(),
        only => {
            let read = async |view: &PlatformView| tenancy::list(view, only.flatten(), SHOWN_MAX).await;
            service.db.read_platform(read).await?
        }
    };
    let mut text = String::new();
    for row in rows {
        let tenant = Tenant::from(row);
        if json {
            writeln!(text, "{}", json!(tenant))?;
        } else {
            writeln!(
                text,
                "{}  {:<24} {:<14} {:<12} {}",
                tenant.id, tenant.slug, tenant.status, tenant.plan, tenant.name
            )?;
        }
    }
    print(&text)
}

/// Waits until the tenant's run has ended, or waits for the end of its recycle period, and shows what came of it.
async fn finish(
    service: &Service,
    id: Uuid,
    wait: bool,
    json: bool,
    good: Status,
) -> anyhow::Result<ExitCode> {
    if !wait {
        show(service, id, json).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}")?);
    let ended = follow(service, id, &bar).await;
    bar.finish_and_clear();
    ended?;
    show(service, id, json).await?;
    let (tenant, run) = tenant_and_run(service, id).await?;
    let recycles =
        run.is_some_and(|run| run.kind == RunKind::Deprovision && run.status == RunStatus::Running);
    Ok(if tenant.status == good || recycles { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn follow(service: &Service, id: Uuid, bar: &ProgressBar) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let begun = Instant::now();
    let mut own = None;
    loop {
        let (_, run) = tenant_and_run(service, id).await?;
        let Some(run) = run else { break };
        let undone = run.status == RunStatus::Compensating;
        let wanted = if undone { StepStatus::Compensated } else { StepStatus::Done };
        let through = run.steps.iter().filter(|step| step.status == wanted);
        bar.set_length(run.steps.len() as u64);
        bar.set_position(through.count() as u64);
        let now = run.steps.iter().find(|step| match step.status {
            StepStatus::Pending | StepStatus::Running | StepStatus::Failed => true,
            StepStatus::Done | StepStatus::Compensated => false,
        });
        if let Some(step) = now {
            let waits = step.waits_for.clone().map(|what| format!(": waits for {what}")).unwrap_or_default();
            bar.set_message(format!("{}{}{waits}", if undone { "undoing " } else { "" }, step.name));
            if step.name == provisioning::RECYCLE && step.waits_for.is_some() {
                break;
            }
        }
        if !matches!(run.status, RunStatus::Running | RunStatus::Compensating) {
            break;
        }
        let untouched = run.steps.iter().all(|step| step.attempts == 0);
        if own.is_none() && untouched && begun.elapsed() > PATIENCE {
            let work = worker::jobs_only(service, stopped.clone())?;
            own = Some(actix_web::rt::spawn(work));
        }
        sleep(POLL_INTERVAL).await;
    }
    let _ = stop.send(true);
    if let Some(own) = own {
        let _ = own.await;
    }
    Ok(())
}

async fn export(service: &Service, ctx: &Ctx, id: Uuid) -> anyhow::Result<ExitCode> {
    let mut export = provisioning::Export::begin(&service.db.of(id), ctx).await.map_err(failed)?;
    while let Some(lines) = export.next().await.map_err(failed)? {
        print(&lines)?;
    }
    Ok(ExitCode::SUCCESS)
}
