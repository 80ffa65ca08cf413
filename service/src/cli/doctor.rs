//! `tenantry doctor`: one line for each part, what is wrong and how to mend it.

use std::process::ExitCode;
use std::sync::Arc;

use platform::clock::Clock;
use platform::config::Config;
use platform::db::Db;
use platform::http::HttpError;
use serde_json::json;
use web::Service;

use crate::app;

struct Finding {
    part: String,
    ok: bool,
    text: String,
}

fn finding(part: &str, result: Result<String, String>) -> Finding {
    let part = part.to_owned();
    match result {
        Ok(text) => Finding { part, ok: true, text },
        Err(text) => Finding { part, ok: false, text },
    }
}

pub(crate) async fn run(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = vec![finding("config", Ok(format!("public URL {}", config.public_url())))];
    findings.push(finding(
        "keys",
        app::master_key(&config)
            .map(|_| "the master key can be used".to_owned())
            .map_err(|error| format!("{error:#}")),
    ));
    findings.push(finding("database", database(&config).await));
    findings.push(finding("smtp", smtp(&config).await));
    findings.push(finding(
        "outbound",
        Ok(if config.outbound.allow_private {
            "private addresses are allowed: for development only".to_owned()
        } else {
            "private addresses are refused".to_owned()
        }),
    ));
    if findings.iter().all(|finding| finding.ok) {
        findings.extend(outside(config).await);
    }
    let ok = findings.iter().all(|finding| finding.ok);
    if as_json {
        let checks: Vec<_> =
            findings.iter().map(|one| json!({"part": one.part, "ok": one.ok, "detail": one.text})).collect();
        println!("{}", json!({"ok": ok, "checks": checks}));
    } else {
        for one in &findings {
            println!("{:<18} {:<5} {}", one.part, if one.ok { "ok" } else { "WRONG" }, one.text);
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn database(config: &Config) -> Result<String, String> {
    let opened = Db::open(&config.database, &config.data.dir, Clock::default()).await;
    let db = opened.map_err(|error| format!("{}: check database.url", platform::chain(&error)))?;
    let pending = db.pending_migrations().await;
    match pending {
        Err(error) => Err(format!("{}: run `tenantry migrate up`", platform::chain(&error))),
        Ok(pending) if pending.is_empty() => Ok(format!("{}, schema up to date", db.kind())),
        Ok(pending) => Err(format!("{} migrations are missing: run `tenantry migrate up`", pending.len())),
    }
}

async fn smtp(config: &Config) -> Result<String, String> {
    let transport = mail::Transport::new(&config.smtp)?;
    if !transport.is_connected() {
        return Ok("not configured: mail is kept and shown at /dev/mail".to_owned());
    }
    transport
        .ping()
        .await
        .map(|()| "the relays answer".to_owned())
        .map_err(|error| format!("{error}: check smtp.url"))
}

/// Identity backends, Azure, modules: asked only where the store can be read, for it says who they are.
async fn outside(config: Config) -> Vec<Finding> {
    let opened = async {
        let envelope = app::master_key(&config).map_err(|error| format!("{error:#}"))?;
        let db = Db::open(&config.database, &config.data.dir, Clock::default()).await;
        let db = db.map_err(|error| platform::chain(&error))?;
        Service::new(Arc::new(config), db, envelope).map_err(|error| error.to_string())
    };
    let service: Service = match opened.await {
        Ok(service) => service,
        Err(error) => return vec![finding("outside", Err(error))],
    };
    let mut found = Vec::new();
    for name in backends::configured(&service).into_iter().filter(|name| *name != "builtin") {
        let asked = match backends::backend(&service, name) {
            Ok(backend) => backend.ping(&service.outside()).await.map_err(|failure| failure.to_string()),
            Err(problem) => Err(problem.detail),
        };
        let mend = |error| format!("{error}: check identity.{name}");
        found.push(finding(name, asked.map(|()| "it answers our credentials".to_owned()).map_err(mend)));
    }
    if let Some(asked) = webhooks::ping_sink(&service).await {
        let asked = asked.map(|()| "JetStream answers".to_owned());
        found.push(finding("nats", asked.map_err(|error| format!("{error}: check nats.url"))));
    }
    let azure = &service.config.azure;
    found.push(finding(
        "azure",
        if azure::is_configured(azure) {
            let asked = azure::ping(azure, &service.outside()).await;
            asked
                .map(|()| "the Resource Manager answers our credentials".to_owned())
                .map_err(|error| format!("{error}: check azure"))
        } else {
            Ok("not configured: instances come from the pool".to_owned())
        },
    ));
    let modules = service.db.read_platform(async |view| webhooks::modules(view).await).await;
    for module in modules.unwrap_or_default() {
        let asked = match module.base_url.parse() {
            Ok(url) => service.http.get_text(&url).await.map(drop),
            Err(_) => Err(HttpError::Refused("it is no URL")),
        };
        // Any answer is a sign of life: what stands at the base URL is the module's own affair.
        let alive = match asked {
            Ok(()) | Err(HttpError::Status { .. } | HttpError::Body { .. }) => {
                Ok(format!("{} answers", module.base_url))
            }
            Err(error) => Err(format!("{error}: check the module's baseUrl")),
        };
        found.push(finding(&format!("module {}", module.name), alive));
    }
    found
}
