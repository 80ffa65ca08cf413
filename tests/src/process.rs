//! The service in a process of its own, so that it can be killed.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::app::{MASTER_KEY, OPERATOR_KEY, http};
use crate::client::Client;
use crate::store::Store;

/// A port for a program that binds it itself, later. Below those that the system hands out, and handed out once: between asking for
/// it and binding it nobody else gets it, and a test never talks to another test's program.
///
/// # Panics
/// Where no port is free.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..COUNT)
        .map(|_| (std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|offset| u16::try_from(offset).ok().map(|offset| FIRST + offset))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// `program`, to be run on `store` with the key of the tests.
pub fn command(program: &str, store: &Store) -> Command {
    let mut command = Command::new(program);
    command
        .env("TENANTRY_DATABASE_URL", &store.url)
        .env("TENANTRY_DATABASE_MIGRATION_URL", &store.migration_url)
        .env("TENANTRY_DATA_DIR", store.directory.path())
        .env("TENANTRY_MASTER_KEY", MASTER_KEY);
    command
}

/// A running process.
pub struct Process {
    pub operator: Client,
    child: Child,
}

impl Process {
    /// Starts `tenantry serve` on `store`, to be killed at `kill_at`, and waits until it is ready.
    pub async fn start(
        program: &str,
        store: &Store,
        kill_at: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut settings = settings.to_vec();
        settings.extend(kill_at.map(|place| ("TENANTRY_TEST_KILL_AT", place)));
        let mut process = Self::begin(program, store, &settings, Stdio::inherit());
        process.is_ready().await;
        process
    }

    /// Starts it without waiting for anything; what it complains of goes to `stderr`.
    pub fn begin(program: &str, store: &Store, settings: &[(&str, &str)], stderr: Stdio) -> Self {
        let port = free_port();
        let mut command = command(program, store);
        command
            .arg("serve")
            .env("TENANTRY_LISTEN", format!("127.0.0.1:{port}"))
            .env("TENANTRY_BOOTSTRAP_KEY", OPERATOR_KEY)
            .env("TENANTRY_LOG", "error")
            .env("TENANTRY__SERVER__WORKERS", "1")
            .env("TENANTRY__OUTBOUND__ALLOW_PRIVATE", "true")
            .env("TENANTRY__WEBHOOKS__RETRY_BASE_MS", "50")
            .env("TENANTRY__JOBS__LEASE", "1s")
            .env("TENANTRY__JOBS__POLL", "50ms")
            .env("TENANTRY__JOBS__PROVISIONING_RETRY_BASE_MS", "50")
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true);
        for (name, value) in settings {
            command.env(name, value);
        }
        let child = command.spawn().expect("the service starts");
        let operator = Client {
            base: format!("http://127.0.0.1:{port}"),
            bearer: Some(OPERATOR_KEY.to_owned()),
            http: http(),
        };
        Self { operator, child }
    }

    /// Waits until it is ready; `false` where it ended instead, killed on purpose or refusing to start.
    ///
    /// # Panics
    /// Where it is neither after half a minute.
    pub async fn is_ready(&mut self) -> bool {
        for _ in 0..1500 {
            if self.has_ended() {
                return false;
            }
            if let Ok(answer) = self.operator.anonymous().request(reqwest::Method::GET, "/ready").send().await
                && answer.status().is_success()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service is not ready after half a minute");
    }

    /// Whether the process is no more.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until the process is dead of a signal.
    pub async fn killed(&mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        let status = ended.expect("the process is killed").expect("it has a status");
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    pub async fn kill(mut self) {
        self.end().await;
    }

    /// Kills it, where it still lives, and waits for its end.
    pub async fn end(&mut self) {
        if !self.has_ended() {
            self.child.kill().await.expect("killed");
        }
    }

    /// The process' id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Asks to stop by SIGTERM and answers the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        let _ = std::process::Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        ended.expect("it stops").expect("it has a status").code()
    }
}
