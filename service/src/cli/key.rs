//! `tenantry key`

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use keys::NewKey;
use platform::clock::Clock;
use platform::config::Config;
use platform::crypto::BearerSecret;
use platform::db::Lookup;
use platform::{Actor, Ctx, ids};
use policy_core::Role;
use serde_json::json;
use uuid::Uuid;
use web::{Problem, Service};

use crate::app;

/// Keys shown at once.
const SHOWN_MAX: u64 = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Create a key and print its secret, which is shown only once.
    Create {
        /// operator, auditor, gateway or module; with --tenant: admin, contributor, viewer, guest or service.
        #[arg(long)]
        role: String,
        /// A name that people recognize.
        #[arg(long)]
        name: String,
        /// The tenant's id or slug; without it, a key of the platform.
        #[arg(long)]
        tenant: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List keys, without their secrets.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key; running servers reject it within a second.
    Revoke {
        /// The key's id.
        id: Uuid,
    },
}

pub(super) fn failed(error: impl Into<Problem>) -> anyhow::Error {
    let problem = error.into();
    match problem.cause {
        Some(cause) => anyhow!("{}: {cause}", problem.detail),
        None => anyhow!(
            "{} {}",
            problem.detail,
            problem
                .errors
                .into_iter()
                .map(|error| format!("{}: {}", error.pointer, error.detail))
                .collect::<Vec<_>>()
                .join("; ")
        ),
    }
}

/// Who acts here.
pub(super) fn ctx() -> Ctx {
    Ctx { actor: Actor::new("operator", "cli"), ..Ctx::system("cli") }
}

/// Opens the store, does `work` with it and closes it, so that its files are whole when the command ends.
pub(super) async fn with_store<T>(
    config: Config,
    work: impl AsyncFnOnce(&Service) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let service = app::open(config, Clock::default()).await?;
    let done = work(&service).await;
    service.db.close().await;
    done
}

pub(crate) async fn run(what: Key, config: Config) -> anyhow::Result<ExitCode> {
    with_store(config, async |service| perform(what, service).await).await
}

async fn perform(what: Key, service: &Service) -> anyhow::Result<ExitCode> {
    let ctx = ctx();
    match what {
        Key::Create { role, name, tenant, json } => create(service, &ctx, &role, name, tenant, json).await?,
        Key::List { json } => list(service, json).await?,
        Key::Revoke { id } => {
            service.db.write_platform(&ctx, async |tx| keys::revoke(tx, id).await).await.map_err(failed)?;
            println!("revoked {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(
    service: &Service,
    ctx: &Ctx,
    role: &str,
    name: String,
    tenant: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let role = Role::parse(role).with_context(|| format!("there is no role `{role}`"))?;
    let tenant = match tenant {
        None => None,
        Some(text) => match Uuid::try_parse(&text) {
            Ok(id) => Some(id),
            Err(_) => match service.db.tenant_of(Lookup::slug(&text)).await? {
                Some(id) => Some(id),
                None => bail!("there is no tenant `{text}`"),
            },
        },
    };
    let secret = BearerSecret::generate(keys::PREFIX, ids::new());
    let new = NewKey { name, role, tenant, expires_at: None };
    let proof = keys::protect(service, tenant, secret.id, &secret.text).await.map_err(failed)?;
    service
        .db
        .write_platform(ctx, async |tx| keys::create(tx, new, secret.id, proof).await)
        .await
        .map_err(failed)?;
    if json {
        println!(
            "{}",
            json!({"id": secret.id, "role": role.name(), "tenantId": tenant, "token": *secret.text})
        );
    } else {
        println!("{}", *secret.text);
    }
    Ok(())
}

async fn list(service: &Service, json: bool) -> anyhow::Result<()> {
    let keys = service
        .db
        .read_platform(async |view| keys::list(view, None, SHOWN_MAX).await)
        .await
        .map_err(failed)?;
    let mut text = String::new();
    for key in keys {
        if json {
            let line = json!({
                "id": key.id, "name": key.name, "role": key.role, "tenantId": key.tenant_id, "createdAt": key.created_at,
                "revokedAt": key.revoked_at, "lastUsedAt": key.last_used_at,
            });
            writeln!(text, "{line}")?;
        } else {
            let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
            let tenant = key.tenant_id.map_or_else(|| "platform".to_owned(), |id| id.to_string());
            writeln!(text, "{}  {:<12} {:<8} {:<36}  {}", key.id, key.role, state, tenant, key.name)?;
        }
    }
    super::print(&text).map(drop)
}
