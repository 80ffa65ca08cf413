//! Start-up believes nothing: neither the master key nor the schema, the clock, the files or the settings.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use serde_json::{Value, json};
use tests::faults::Disk;
use tests::{MASTER_KEY, Process, Store, TestApp, command};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
const OTHER_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

/// What a command said before it ended.
struct Said {
    code: Option<i32>,
    out: String,
    error: String,
    took: Duration,
}

impl Said {
    #[track_caller]
    fn refused(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, Some(code), "{} {}", self.out, self.error);
        assert!(self.error.contains(text), "{text}: {}", self.error);
        self
    }

    /// A line of `doctor --json`.
    #[track_caller]
    fn check(&self, part: &str) -> Value {
        let all: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{} {}", self.out, self.error));
        let found = all["checks"].as_array().expect("a list").iter().find(|one| one["part"] == part).cloned();
        found.unwrap_or_else(|| panic!("{part} in {all}"))
    }

    #[track_caller]
    fn finds(&self, part: &str, state: &str, text: &str) {
        let check = self.check(part);
        assert_eq!(check["state"], state, "{check}");
        assert!(check["detail"].as_str().expect("text").contains(text), "{text}: {check}");
        assert_eq!(check["ok"], state != "wrong");
    }
}

/// Runs a command that is expected to end by itself.
async fn tenantry(store: &Store, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
    let mut command = command(PROGRAM, store);
    command
        .args(arguments)
        .env("TENANTRY_LISTEN", "127.0.0.1:0")
        .env("TENANTRY_LOG", "warn")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let began = Instant::now();
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    let output = output.expect("it ends by itself").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, error) = (text(output.stdout), text(output.stderr));
    Said { code: output.status.code(), out, error, took: began.elapsed() }
}

/// A change behind the service's back.
async fn change(store: &Store, sql: &str) {
    let url = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
    let connection = Database::connect(&url).await.expect("the store opens");
    connection.execute_unprepared(sql).await.expect(sql);
    connection.close().await.expect("closed");
}

/// A store that was served, with a secret in it.
async fn served(store: &Store, settings: &[(&str, &str)]) {
    let process = Process::start(PROGRAM, store, None, settings).await;
    let module = json!({"name": "m", "baseUrl": "http://127.0.0.1:1", "redirectUris": []});
    process.operator.post("/api/v1/modules", module).await.expect(201);
    assert_eq!(process.terminate().await, Some(0));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|_| panic!("{} is there", path.display())).permissions().mode()
        & 0o777
}

#[actix_web::test]
async fn a_wrong_master_key_is_refused_and_named() {
    let store = Store::new().await;
    served(&store, &[]).await;
    let wrong = [("TENANTRY_MASTER_KEY", OTHER_KEY)];
    let said = "the master key of the configuration (TENANTRY_MASTER_KEY) is not the key that sealed this store's secrets";
    tenantry(&store, &["serve"], &wrong).await.refused(1, said);
    tenantry(&store, &["key", "list"], &wrong).await.refused(1, said);
    let doctor = tenantry(&store, &["doctor", "--json"], &wrong).await;
    doctor.finds("keys", "wrong", said);
    assert_eq!(doctor.code, Some(1));
    // A store of a version that had no lookup key is known by its other secrets.
    change(&store, "DELETE FROM lookup_key").await;
    tenantry(&store, &["serve"], &wrong).await.refused(1, said);
    tenantry(&store, &["doctor", "--json"], &[]).await.finds("keys", "ok", "opens what the store holds");
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    process.operator.get("/api/v1/modules").await.expect(200);
    process.kill().await;
}

#[actix_web::test]
async fn a_lost_master_key_is_never_replaced() {
    let store = Store::new().await;
    let made = [("TENANTRY_MASTER_KEY", "")];
    if tests::on_postgres().is_some() {
        tenantry(&store, &["serve"], &made).await.refused(1, "secrets.master_key is required on Postgres");
        return;
    }
    served(&store, &made).await;
    let (file, away) = (store.directory.path().join("master.key"), store.directory.path().join("elsewhere"));
    assert_eq!(mode(&file), 0o600);
    std::fs::rename(&file, &away).expect("moved");
    let said = "the master key is lost: ";
    let refused = tenantry(&store, &["serve"], &made).await.refused(1, said);
    assert!(refused.error.contains(&*file.to_string_lossy()), "{}", refused.error);
    tenantry(&store, &["doctor", "--json"], &made).await.finds("keys", "wrong", said);
    assert!(!file.exists(), "no new key is made");
    std::fs::write(&file, OTHER_KEY).expect("written");
    tenantry(&store, &["serve"], &made).await.refused(1, "master.key is not the key");
    std::fs::rename(&away, &file).expect("moved back");
    let process = Process::start(PROGRAM, &store, None, &made).await;
    process.operator.get("/api/v1/modules").await.expect(200);
    process.kill().await;
}

#[actix_web::test]
async fn a_schema_of_a_newer_version_is_refused_by_name() {
    let store = Store::new().await;
    served(&store, &[]).await;
    change(
        &store,
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_future', 0)",
    )
    .await;
    let said = "m20990101_000001_future";
    for migrate in ["true", "false"] {
        tenantry(&store, &["serve"], &[("TENANTRY__DATABASE__MIGRATE", migrate)]).await.refused(1, said);
    }
    tenantry(&store, &["migrate", "up"], &[]).await.refused(1, said);
    tenantry(&store, &["migrate", "status"], &[]).await.refused(1, said);
    tenantry(&store, &["doctor", "--json"], &[]).await.finds("database", "wrong", said);
}

#[actix_web::test]
async fn a_clock_that_is_behind_the_store_is_noticed() {
    for (ahead, settings, starts) in [
        (TimeDelta::hours(2), None, true),
        (TimeDelta::days(3), None, false),
        (TimeDelta::days(3), Some(("TENANTRY__DATABASE__CLOCK_BEHIND_MAX", "30d")), true),
    ] {
        let app = TestApp::start().await;
        app.clock.advance(ahead);
        app.operator.post("/api/v1/keys", json!({"name": "later", "role": "auditor"})).await.expect(201);
        let store = app.stop().await;
        let settings: Vec<_> = settings.into_iter().collect();
        let doctor = tenantry(&store, &["doctor", "--json"], &settings).await;
        let said = "behind the newest record in the store";
        doctor.finds("clock", if starts { "warning" } else { "wrong" }, said);
        let listed = tenantry(&store, &["key", "list"], &settings).await;
        assert_eq!(listed.code, Some(if starts { 0 } else { 1 }), "{}", listed.error);
        assert!(listed.error.contains(said), "{}", listed.error);
    }
}

#[actix_web::test]
async fn files_are_the_owners_alone_from_the_start() {
    let store = Store::new().await;
    if tests::on_postgres().is_some() {
        return;
    }
    let data = store.directory.path().join("deep/data");
    let file = |name: &str| data.join(name);
    let listen = format!("127.0.0.1:{}", tests::free_port());
    // Whatever the umask.
    let script = format!("umask 000; exec {PROGRAM} serve");
    let mut serving = Command::new("sh")
        .args(["-c", &script])
        .env("TENANTRY_DATA_DIR", &data)
        .env("TENANTRY_LISTEN", &listen)
        .env("TENANTRY_LOG", "error")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let made = ["master.key", "tenantry.db", "tenantry.db-wal", "tenantry.db-shm"];
    tests::eventually("the files", async || made.iter().all(|name| file(name).exists()).then_some(())).await;
    let ready = format!("http://{listen}/ready");
    tests::eventually("it is ready", async || {
        reqwest::get(&ready).await.ok().filter(|one| one.status() == 200)
    })
    .await;
    assert_eq!(mode(&data), 0o700);
    for name in made {
        assert_eq!(mode(&file(name)), 0o600, "{name}");
    }
    serving.kill().await.expect("killed");
    let settings = [
        ("TENANTRY_DATABASE_URL", ""),
        ("TENANTRY_MASTER_KEY", ""),
        ("TENANTRY_DATA_DIR", data.to_str().expect("a path")),
    ];
    tenantry(&store, &["doctor", "--json"], &settings).await.finds("files", "ok", "no other user");
    std::fs::set_permissions(file("tenantry.db"), std::fs::Permissions::from_mode(0o644)).expect("changed");
    let doctor = tenantry(&store, &["doctor", "--json"], &settings).await;
    doctor.finds("files", "warning", "chmod 600");
    assert_eq!(doctor.code, Some(0), "{}", doctor.out);
    let listed = tenantry(&store, &["key", "list"], &settings).await;
    assert_eq!(listed.code, Some(0));
    assert!(listed.error.contains("open to others (mode 644)"), "{}", listed.error);
}

#[actix_web::test]
async fn settings_that_nothing_reads_are_refused() {
    let store = Store::new().await;
    for (name, value, said) in [
        ("TENANTRY_REDIS_URL", "redis://localhost", "doesn't use Redis"),
        ("TENANTRY__JOBS__AT_ONE", "4", "did you mean `jobs.at_once`?"),
        ("TENANTRY_DATABASE_ULR", "postgres://x", "did you mean `TENANTRY_DATABASE_URL`?"),
    ] {
        tenantry(&store, &["serve"], &[(name, value)]).await.refused(2, said);
        tenantry(&store, &["doctor"], &[(name, value)]).await.refused(2, said);
    }
    let file = store.directory.path().join("tenantry.toml");
    std::fs::write(&file, "[webhook]\nretry_base_ms = 1\n").expect("written");
    let file = file.to_str().expect("a path");
    tenantry(&store, &["serve", "--config", file], &[])
        .await
        .refused(2, "did you mean `webhooks.retry_base_ms`?");
}

#[actix_web::test]
async fn a_postgres_that_hangs_or_is_absent_is_named_in_time() {
    let store = Store::new().await;
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_at = format!("127.0.0.1:{}", silent.local_addr().expect("an address").port());
    let absent_at = format!("127.0.0.1:{}", tests::free_port());
    for (at, said) in [(&silent_at, "does not answer within 5 s"), (&absent_at, "can't be reached")] {
        let url = format!("postgres://tenantry:hush@{at}/tenantry");
        let settings = [("TENANTRY_DATABASE_URL", url.as_str()), ("TENANTRY_DATABASE_MIGRATION_URL", "")];
        for arguments in [&["serve"][..], &["migrate", "up"], &["migrate", "status"]] {
            let refused = tenantry(&store, arguments, &settings).await.refused(1, said);
            assert!(
                refused.error.contains(at.as_str()) && !refused.error.contains("hush"),
                "{}",
                refused.error
            );
            // Without the five seconds, who is silent would be waited for without end.
            assert!(refused.took < Duration::from_secs(30), "{:?}", refused.took);
        }
        tenantry(&store, &["doctor", "--json"], &settings).await.finds("database", "wrong", said);
    }
}

#[actix_web::test]
async fn the_doctor_makes_no_files_and_changes_nothing_but_the_time_of_its_probe() {
    let store = Store::empty().await;
    let list = || {
        let entries = std::fs::read_dir(store.directory.path()).expect("a folder");
        let mut names: Vec<_> = entries
            .flatten()
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap_or_default()))
            .collect();
        names.sort();
        names
    };
    let data = store.directory.path().join("data");
    let no_key = if tests::on_postgres().is_some() { MASTER_KEY } else { "" };
    let settings = [("TENANTRY_DATA_DIR", data.to_str().expect("a path")), ("TENANTRY_MASTER_KEY", no_key)];
    let mut slowest = Duration::ZERO;
    for _ in 0..2 {
        let doctor = tenantry(&store, &["doctor", "--json"], &settings).await;
        doctor.finds("database", "wrong", "run `tenantry migrate up`");
        doctor.finds(
            "keys",
            "ok",
            if no_key.is_empty() { "the first start will create" } else { "can be used" },
        );
        slowest = slowest.max(doctor.took);
        assert!(list().is_empty(), "{:?}", list());
    }
    let status = tenantry(&store, &["migrate", "status"], &settings).await;
    assert_eq!(status.code, Some(1));
    // A store that isn't there isn't waited for, which takes ten seconds.
    assert!(slowest < status.took * 10 + Duration::from_secs(4), "{slowest:?}, status {:?}", status.took);
    assert!(list().is_empty(), "{:?}", list());
    let up = tenantry(&store, &["migrate", "up"], &settings).await;
    assert_eq!(up.code, Some(0), "{}", up.error);
    let names = || list().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    let doctor = tenantry(&store, &["doctor", "--json"], &settings).await;
    assert_eq!(doctor.code, Some(0), "{}", doctor.out);
    doctor.finds("writes", "ok", "reaches the disk");
    // Whether the server of the tests has checksums is its own affair.
    let said = if tests::on_postgres().is_some() { "data checksums" } else { "none is damaged" };
    let pages = doctor.check("pages");
    assert!(pages["ok"] == true && pages["detail"].as_str().expect("text").contains(said), "{pages}");
    assert_eq!(names(), before);
    assert!(!data.join("master.key").exists());
}

#[actix_web::test]
async fn the_doctor_names_a_store_that_is_full_read_only_or_damaged() {
    if tests::on_postgres().is_some() {
        return;
    }
    let disk = Disk::new(16);
    let store = disk.store();
    served(&store, &[]).await;
    let doctor = async || tenantry(&store, &["doctor", "--json"], &[]).await;
    doctor().await.finds("writes", "ok", "reaches the disk");
    disk.fill();
    let full = doctor().await;
    full.finds("writes", "wrong", "free space");
    assert_eq!(full.code, Some(1));
    disk.free();
    doctor().await.finds("writes", "ok", "reaches the disk");
    disk.read_only();
    doctor().await.finds("writes", "wrong", "read-only file system");
    tenantry(&store, &["serve"], &[]).await.refused(1, "read-only file system");
    disk.writable();
    let file = store.directory.path().join("tenantry.db");
    let bytes = std::fs::read(&file).expect("the store");
    let connection = Database::connect(&store.url).await.expect("the store opens");
    let sql = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) AS at FROM sqlite_schema WHERE name = 'scim_schema'";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.expect("a row");
    let at: i64 = row.expect("a table").try_get("", "at").expect("a number");
    connection.close().await.expect("closed");
    let at = usize::try_from(at).expect("an offset");
    let mut damaged = bytes.clone();
    damaged[at..at + 64].fill(0xff);
    std::fs::write(&file, &damaged).expect("written");
    let found = doctor().await;
    found.finds("pages", "wrong", "Restore a backup");
    assert_eq!(found.code, Some(1));
    std::fs::write(&file, vec![b'?'; bytes.len()]).expect("written");
    doctor().await.finds("database", "wrong", "restore a backup");
    tenantry(&store, &["serve"], &[]).await.refused(1, "restore a backup");
    tenantry(&store, &["key", "list"], &[]).await.refused(1, "restore a backup");
}
