//! `tenantry demo`: the main job, end to end, over real HTTP, as its users would do it.
//!
//! The real server on a throw-away SQLite store; beside it, on loopback, a small issuer and a small module.

mod issuer;
mod module;
mod scenario;
mod users;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use platform::clock::Clock;
use platform::config::Config;
use secrecy::SecretString;

use crate::{app, signals};
use issuer::Issuer;
use module::Module;
use scenario::Scenario;

/// Prints steps with their times.
struct Steps {
    begun: Instant,
    number: usize,
}

impl Steps {
    fn say(&mut self, text: &str) {
        self.number += 1;
        println!("{:>3}. {:>6.0} ms  {text}", self.number, self.begun.elapsed().as_secs_f64() * 1000.0);
    }
}

pub(crate) async fn run(mut config: Config, once: bool) -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let key = platform::crypto::BearerSecret::generate(keys::PREFIX, platform::ids::new());
    // Below it: what the service makes itself is nobody else's.
    config.data.dir = directory.path().join("data");
    config.database.url = String::new();
    config.server.listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    if once {
        config.server.listen.set_port(0);
    }
    config.server.public_url = String::new();
    config.secrets.bootstrap_key = SecretString::from(key.text.to_string());
    config.section_mut::<mail::Settings>().url = SecretString::default();
    config.outbound.allow_private = true;
    config.rate_limit.enabled = false;
    config.section_mut::<delivery::Settings>().retry_base_ms = 100;
    config.jobs.poll = Duration::from_millis(50);
    let mut steps = Steps { begun: Instant::now(), number: 0 };
    let running = app::start(config, Clock::default()).await?;
    let base = running.service.config.public_url();
    let (issuer, module) = (Issuer::start()?, Module::start()?);
    steps.say(&format!("tenantry serves {base} on a throw-away SQLite store"));
    let played = Scenario::new(base.clone(), key.text.to_string())?.play(&issuer, &module, &mut steps).await;
    let code = match &played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo failed at step {}: {error:#}", steps.number + 1);
            ExitCode::FAILURE
        }
    };
    if played.is_ok() && !once {
        println!(
            "\nLook at\n  {base}/docs       the API\n  {base}/dev/mail   the mail\n  {base}/health     the health\n  {base}/metrics    the figures"
        );
        println!("\nThe operator's key: {}\n\nCtrl-C ends it.", *key.text);
        signals::asked_to_stop().await?;
    }
    issuer.stop().await;
    module.stop().await;
    running.stop().await;
    Ok(code)
}
