//! `tenantry doctor`: one line for each part, what is wrong and how to mend it.

use std::process::ExitCode;

use platform::clock::Clock;
use platform::config::Config;
use platform::db::Db;
use serde_json::json;

use crate::app;

struct Finding {
    part: &'static str,
    ok: bool,
    text: String,
}

fn finding(part: &'static str, result: Result<String, String>) -> Finding {
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
    let ok = findings.iter().all(|finding| finding.ok);
    if as_json {
        let checks: Vec<_> =
            findings.iter().map(|one| json!({"part": one.part, "ok": one.ok, "detail": one.text})).collect();
        println!("{}", json!({"ok": ok, "checks": checks}));
    } else {
        for one in &findings {
            println!("{:<10} {:<5} {}", one.part, if one.ok { "ok" } else { "WRONG" }, one.text);
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
        .map(|()| "the relay answers".to_owned())
        .map_err(|error| format!("{error}: check smtp.url"))
}
