//! The command line.

mod doctor;
mod key;
mod mail;
mod tenant;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use platform::clock::Clock;
use platform::config::{Config, ConfigError};
use platform::store::inspection::{Schema, known_migrations};

use crate::{app, config, demo, operations, signals, startup};

/// The identity front desk of a B2B SaaS company: tenants, sign-in, directories, invitations, flags.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// A TOML file with settings; environment variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tenantry demo                                  the whole story on a throw-away store
  tenantry serve                                 serve on 127.0.0.1:8080 with an embedded store
  TENANTRY_DATABASE_URL=postgres://… tenantry migrate up
  tenantry key create --role gateway --name edge
  tenantry tenant create acme --plan pro --owner it@acme.example
  tenantry webhook listen --forward-to http://localhost:3000/hook
  tenantry mail preview invitation --locale de --html > invitation.html
  tenantry doctor --json

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    Serve,
    /// Apply pending migrations, or list them.
    Migrate {
        #[command(subcommand)]
        what: Migrate,
    },
    /// Play a scenario from end to end on a temporary store, then keep serving until Ctrl-C.
    Demo {
        /// Exit after the scenario; the exit code says whether it succeeded.
        #[arg(long)]
        once: bool,
    },
    /// Check the configuration, store, keys and mail; say what is wrong and how to fix it.
    Doctor {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Management keys: create, list, revoke.
    Key {
        #[command(subcommand)]
        what: key::Key,
    },
    /// Tenants: provision, list, show, suspend, resume, deprovision.
    Tenant {
        #[command(subcommand)]
        what: tenant::Command,
    },
    /// Mail: preview the templates.
    Mail {
        #[command(subcommand)]
        what: mail::Mail,
    },
    /// Events: forward them to a developer's machine.
    Webhook {
        #[command(subcommand)]
        what: webhook::Webhook,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print the problem codes, as in docs/problems.md.
    #[command(hide = true)]
    Problems,
    /// Print the types of events, as in docs/events.md.
    #[command(hide = true)]
    EventTypes,
    /// Print a completion script.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Apply pending migrations.
    Up,
    /// List pending migrations; exits with 1 if there are any.
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Configuration is read once, here.
#[allow(clippy::disallowed_methods, reason = "the one place for it")]
fn configuration(file: Option<PathBuf>) -> Result<Config, ConfigError> {
    let file = file
        .or_else(|| std::env::var("TENANTRY_CONFIG").ok().filter(|path| !path.is_empty()).map(PathBuf::from));
    config::load(file.as_deref(), std::env::vars())
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match configuration(cli.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("tenantry: {error}");
            return ExitCode::from(2);
        }
    };
    platform::telemetry::logs(&config.log);
    let result = actix_web::rt::System::new().block_on(run(cli.command, config));
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tenantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve => serve(config).await,
        Command::Migrate { what } => migrate(what, &config).await,
        Command::Demo { once } => demo::run(config, once).await,
        Command::Doctor { json } => doctor::run(config, json).await,
        Command::Key { what } => key::run(what, config).await,
        Command::Tenant { what } => tenant::run(what, config).await,
        Command::Mail { what } => mail::run(what),
        Command::Webhook { what } => webhook::run(what, config).await,
        Command::Openapi => print(&operations::document(&crate::routes())?),
        Command::Problems => print(&web::Code::page(&crate::problem_codes())),
        Command::EventTypes => print(&crate::event_types().page()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tenantry", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no mistake, and ends the command.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    use std::io::{ErrorKind, Write as _};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("the output can't be written").map(|()| ExitCode::SUCCESS),
    }
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let running = app::start(config, Clock::default()).await?;
    if let Some(key) = &running.first_key {
        println!("The first management key, shown this once:\n\n    {key}\n");
    }
    println!(
        "tenantry serves {} (docs: {}/docs)",
        running.service.config.public_url(),
        running.service.config.public_url()
    );
    signals::asked_to_stop().await?;
    tracing::info!("stopping");
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(what: Migrate, config: &Config) -> anyhow::Result<ExitCode> {
    match what {
        Migrate::Up => {
            let applied = startup::migrate(config).await?;
            match applied.is_empty() {
                true => println!("nothing to do"),
                false => applied.iter().for_each(|name| println!("applied {name}")),
            }
            Ok(ExitCode::SUCCESS)
        }
        Migrate::Status { json } => {
            let pending = match startup::inspect(config).await?.schema {
                Schema::Absent => known_migrations(),
                Schema::Behind(pending) => pending,
                Schema::Current => Vec::new(),
                Schema::Newer(names) => anyhow::bail!(startup::newer_schema(&names)),
            };
            if json {
                println!("{}", serde_json::json!({"pending": pending}));
            } else if pending.is_empty() {
                println!("up to date");
            } else {
                pending.iter().for_each(|name| println!("pending {name}"));
            }
            Ok(if pending.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
