//! The command line, as an operator uses it: with a server beside it, and without one.

use serde_json::{Value, json};
use tests::{Process, Store, command, status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");

struct Said {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{} {}", self.out, self.error))
    }
}

async fn tenantry(store: &Store, arguments: &[&str]) -> Said {
    tenantry_with(store, arguments, &[]).await
}

async fn tenantry_with(store: &Store, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
    let mut command = command(PROGRAM, store);
    command.args(arguments).env("TENANTRY_LOG", "error").envs(settings.iter().copied());
    let output = command.output().await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

#[actix_web::test]
async fn tenants_are_made_shown_cut_off_and_unmade_without_a_server() {
    let store = Store::new().await;
    let run = async |arguments: &[&str]| tenantry(&store, &[&["tenant"], arguments].concat()).await;
    let made = run(&[
        "create",
        "acme",
        "--name",
        "Acme",
        "--plan",
        "pro",
        "--owner",
        "it@acme.example",
        "--quota",
        "users=7",
        "--json",
    ])
    .await;
    assert_eq!(made.code, Some(0), "{}", made.error);
    let made = made.json();
    assert_eq!(
        (made["tenant"]["status"].as_str(), made["run"]["status"].as_str()),
        (Some("active"), Some("done"))
    );
    let again = run(&["create", "acme"]).await;
    assert_eq!(
        (again.code, again.error.contains("Another tenant already has this slug")),
        (Some(1), true),
        "{}",
        again.error
    );
    let wrong = run(&["create", "Not A Label"]).await;
    assert_eq!((wrong.code, wrong.error.contains("/slug")), (Some(1), true), "{}", wrong.error);
    assert_eq!(run(&["create", "b", "--quota", "users"]).await.code, Some(1));
    assert_eq!(run(&["make"]).await.code, Some(2));
    assert_eq!(run(&["show", "nobody"]).await.code, Some(1));
    let shown = run(&["show", "acme"]).await.out;
    assert!(shown.contains("activate") && shown.contains("done"), "{shown}");
    assert_eq!(run(&["suspend", "acme", "--json"]).await.json()["tenant"]["suspendedBy"], "operator");
    assert_eq!(run(&["list", "--status", "suspended"]).await.out.lines().count(), 1);
    assert_eq!(run(&["resume", "acme", "--json"]).await.json()["tenant"]["status"], "active");
    let exported = run(&["export", "acme"]).await.out;
    let last: Value = serde_json::from_str(exported.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["complete"], true);
    // No room: it waits until it is given up.
    let waiting = run(&["create", "big", "--mode", "dedicated", "--no-wait", "--json"]).await;
    assert_eq!(waiting.json()["tenant"]["status"], "provisioning");
    assert_eq!(run(&["rollback", "big"]).await.code, Some(0));
    let deleted = run(&["delete", "acme", "--purge", "--json"]).await;
    assert_eq!(
        (deleted.code, deleted.json()["tenant"]["status"].as_str()),
        (Some(0), Some("deleted")),
        "{}",
        deleted.error
    );
}

#[actix_web::test]
async fn a_running_server_takes_the_commands_runs_on() {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let made = tenantry(&store, &["tenant", "create", "acme", "--json"]).await;
    assert_eq!(made.code, Some(0), "{}", made.error);
    status(&process.operator, "acme", "active").await;
    let record = process.operator.get("/api/v1/audit-events?action=tenant.create").await.expect(200);
    assert_eq!(record["items"][0]["actor"], json!({"kind": "operator", "id": "cli"}), "{record}");
    process.kill().await;
}

#[actix_web::test]
async fn the_doctor_asks_what_is_outside_and_says_how_to_mend_it() {
    let store = Store::new().await;
    let (arm, zitadel) = (tests::Arm::start(), tests::Zitadel::start());
    assert_eq!(tenantry(&store, &["migrate", "up"]).await.code, Some(0));
    let doctor = async |token: &str| {
        let mut settings = vec![
            ("TENANTRY__IDENTITY__ZITADEL__URL", zitadel.url.as_str()),
            ("TENANTRY__IDENTITY__ZITADEL__TOKEN", token),
        ];
        settings.extend(arm.environment());
        tenantry_with(&store, &["doctor", "--json"], &settings).await
    };
    let well = doctor("zitadel-token").await;
    assert_eq!(well.code, Some(0), "{} {}", well.out, well.error);
    let checks = well.json()["checks"].as_array().unwrap().clone();
    let files = if tests::on_postgres().is_some() { None } else { Some("files") };
    let named = ["config", "keys", "database", "clock", "smtp", "outbound", "zitadel", "azure"];
    for part in named.into_iter().chain(files) {
        let check = checks.iter().find(|one| one["part"] == part);
        assert_eq!(check.map(|one| &one["state"]), Some(&json!("ok")), "{part}: {checks:?}");
    }
    let ill = doctor("wrong").await;
    assert_eq!(ill.code, Some(1));
    let ill = ill.json();
    let zitadel_check =
        ill["checks"].as_array().unwrap().iter().find(|one| one["part"] == "zitadel").unwrap();
    let text = zitadel_check["detail"].as_str().unwrap().to_owned();
    assert!(text.contains("401") && text.contains("check identity.zitadel"), "{text}");
    arm.stop().await;
    zitadel.stop().await;
}
