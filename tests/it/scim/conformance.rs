//! scim2-tester, which nobody here wrote, against the running server.

use serde_json::json;
use tests::TestApp;
use tokio::process::Command;

#[actix_web::test]
async fn scim2_tester_finds_no_error() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for profile in ["compat", "rfc"] {
        let client = app.scim_token(&acme.id, json!({"name": profile, "profile": profile})).await;
        let output = Command::new(folder.join(".venv/bin/python"))
            .arg(folder.join("scim_tester.py"))
            .arg(format!("{}/scim/v2", client.base))
            .arg(client.bearer.as_deref().expect("a token"))
            .output()
            .await
            .expect("scim2-tester runs: were its packages installed? See tests/run");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{profile}: {said}\n{failed}");
        let passed = said.lines().last().and_then(|line| line.split("SUCCESS=").nth(1)).unwrap_or_default();
        assert!(passed.split(' ').next().is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 100)), "{said}");
    }
    app.stop().await;
}
