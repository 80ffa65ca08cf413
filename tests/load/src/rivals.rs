//! Other people's SCIM servers, over memory, on the same machine in the same run: npm `scimmy-routers`, PyPI `scim2-server`.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tests::Client;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub struct Rival {
    pub name: &'static str,
    pub client: Client,
    /// Where its endpoints are.
    pub base: &'static str,
    child: Child,
}

impl Rival {
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub async fn stop(mut self) {
        let _ = self.child.kill().await;
    }
}

fn fixtures() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn client(port: u16) -> anyhow::Result<Client> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    Ok(Client { base: format!("http://127.0.0.1:{port}"), bearer: Some("token".to_owned()), http })
}

/// Both, as `tests/run` installed them.
pub async fn start() -> anyhow::Result<Vec<Rival>> {
    let mut node = Command::new("node");
    node.arg("scimmy.mjs")
        .current_dir(fixtures())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = node.spawn()?;
    let output = child.stdout.take().ok_or_else(|| anyhow::anyhow!("scimmy has no output"))?;
    let port = BufReader::new(output).lines().next_line().await?.unwrap_or_default().trim().parse()?;
    let scimmy = Rival { name: "npm scimmy-routers", client: client(port)?, base: "/scim/v2", child };
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut python = Command::new(fixtures().join(".venv/bin/scim2-server"));
    python.args(["--port", &port.to_string(), "--bearer-token", "token"]);
    let child = python.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let server = Rival { name: "PyPI scim2-server", client: client(port)?, base: "", child };
    for _ in 0..100 {
        if server.client.request(reqwest::Method::GET, "/Users").send().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(vec![scimmy, server])
}
