//! Real parts from npm, started here: an SMTP server, an OIDC provider. `tests/run` installs them.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A Node program that prints one JSON object a line; the first one tells its port.
pub struct Part {
    pub port: u64,
    /// Its first line.
    pub said: Value,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    child: Child,
}

impl Part {
    pub async fn start(script: &str, arguments: &[&str]) -> Self {
        Self::run("node", &[&[script], arguments].concat(), &[]).await
    }

    /// Starts any program of the fixtures, with settings in its environment.
    pub async fn run(program: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
        let mut command = Command::new(program);
        command.args(arguments).envs(settings.iter().copied()).current_dir(fixtures);
        command.stdout(Stdio::piped()).stdin(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().unwrap_or_else(|_| panic!("{program} is there: tests/run installs it"));
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let input = child.stdin.take().expect("its input");
        let mut part = Self { port: 0, said: Value::Null, lines, input, child };
        let first = part.next().await;
        part.port = first["port"].as_u64().expect("a port");
        part.said = first;
        part
    }

    /// From here on it answers nobody, and keeps connections open.
    pub fn hang(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args(["-STOP", &pid]).status();
        assert!(status.expect("kill is there").success());
    }

    /// Tells it something.
    pub async fn tell(&mut self, value: &Value) {
        self.input.write_all(format!("{value}\n").as_bytes()).await.expect("it listens");
    }

    /// The next line.
    pub async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), self.lines.next_line()).await;
        let line = line
            .expect("a line in time")
            .expect("readable")
            .expect("the part is alive: were its packages installed?");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"))
    }
}

/// npm `smtp-server`.
pub struct SmtpServer(pub Part);

impl SmtpServer {
    pub async fn start() -> Self {
        Self(Part::start("smtp.mjs", &[]).await)
    }

    /// At a port where nobody was.
    pub async fn at(port: u16) -> Self {
        Self(Part::start("smtp.mjs", &[&port.to_string()]).await)
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.0.port)
    }

    /// The first link in the next mail to somebody.
    pub async fn link(&mut self, to: &str) -> String {
        loop {
            let mail = self.0.next().await;
            if mail["to"][0] != to {
                continue;
            }
            // Lines that quoted-printable broke are whole again, and its `=` are as they were.
            let text = mail["raw"].as_str().expect("text").replace("=\r\n", "").replace("=3D", "=");
            let link = &text[text.find("http").unwrap_or_else(|| panic!("no link in {text}"))..];
            let end =
                link.find(|one: char| one.is_whitespace() || "\"<>".contains(one)).unwrap_or(link.len());
            return link[..end].to_owned();
        }
    }
}

/// npm `oidc-provider`.
pub struct OidcProvider(pub Part);

impl OidcProvider {
    pub async fn start() -> Self {
        Self(Part::start("op.mjs", &[]).await)
    }

    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// Registers a client (RFC 7591); answers its id and secret.
    pub async fn register(&self, metadata: Value) -> (String, String) {
        let request = crate::app::http().post(format!("{}/reg", self.issuer())).json(&metadata);
        let made = crate::Reply::read(request).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        (text("client_id"), text("client_secret"))
    }
}
