//! A Postgres of one test's own: the shared one may not be stopped.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Store, free_port};

/// Postgres refuses to run as root; `tests/postgres` makes this user.
const OWNER: &str = "tenantry-test";
const DATABASE: &str = "postgres";

/// A running server, stopped with the test.
pub struct Server {
    directory: TempDir,
    programs: PathBuf,
    pub port: u16,
}

impl Server {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// Where Postgres isn't installed: `tests/postgres` does that.
    pub fn start() -> Self {
        let programs = programs();
        let directory = tempfile::tempdir().expect("a directory");
        let server = Self { directory, programs, port: free_port() };
        let place = server.directory.path();
        if is_root() {
            run(Command::new("chown").arg(format!("{OWNER}:")).arg(place));
        }
        let data = server.data();
        run(server
            .command("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--data-checksums", "--no-sync"]));
        server.resume();
        server
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                format!("--reuid={OWNER}"),
                format!("--regid={OWNER}"),
                "--clear-groups".to_owned(),
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdout(Stdio::null()).stdin(Stdio::null());
        command
    }

    /// Its superuser's URL.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// A store on it, which the service migrates itself.
    pub fn store(&self) -> Store {
        let directory = tempfile::tempdir().expect("a directory");
        // Without a superuser's URL: the shared server is where a store is removed from.
        Store { directory, url: self.url(), migration_url: self.url(), superuser_url: None }
    }

    /// Starts it, after [`Server::crash`].
    pub fn resume(&self) {
        let log = self.directory.path().join("log");
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60 -c shared_buffers=32MB",
            self.port
        );
        run(self
            .command("pg_ctl")
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(log)
            .args(["-w", "-o", &options, "start"]));
    }

    /// Ends it at once, without a word to anybody: recovery follows when it is started again.
    pub fn crash(&self) {
        run(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]));
    }

    /// Hangs: connections stay open and nobody answers, until [`Server::wake`].
    pub fn hang(&self) {
        self.signal("STOP");
    }

    pub fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let file = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let Some(postmaster) = text.lines().next() else { return };
        // The postmaster first, so that it makes nobody new meanwhile; each process of it leads a group of its own.
        let _ = Command::new("kill").args([&format!("-{name}"), postmaster]).status();
        let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args([&format!("-{name}"), child]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.wake();
        let _ = self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]).status();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("the program is there").success(), "{command:?}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0)
}

fn programs() -> PathBuf {
    let all = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        all.map(|one| one.path().join("bin")).filter(|one| one.join("initdb").exists()).collect();
    found.sort();
    found.pop().expect("Postgres is installed: run tests/postgres")
}
