//! `tenantry`, which a test can have killed at a named place, `TENANTRY_TEST_KILL_AT=provisioning.quotas.before`, or have fail at one,
//! `TENANTRY_TEST_FAIL_AT=provisioning.acme.quotas.before`.
//! The kill is a real SIGKILL; nothing is flushed or rolled back.

#![allow(clippy::disallowed_methods, reason = "a test tells the process where to die")]

use std::process::{Command, ExitCode};
use std::time::Duration;

/// The allocator of what is shipped: tests measure memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // However the tests end, also by SIGKILL: nobody else would end this process.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .expect("a process may ask for it");
    if let Ok(place) = std::env::var("TENANTRY_TEST_KILL_AT") {
        let kill = || {
            let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
            std::thread::sleep(Duration::from_secs(60));
        };
        fail::cfg_callback(place, kill).expect("a fail point can be set");
    }
    if let Ok(place) = std::env::var("TENANTRY_TEST_FAIL_AT") {
        fail::cfg(place, "return(injected)").expect("a fail point can be set");
    }
    tenantry::cli::main()
}
