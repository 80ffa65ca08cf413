//! Who pulls events, follows them live, or has them forwarded to their own machine.

use tests::{Event, ManagementKey};

use super::*;

/// Events of a stream, as they come.
async fn follow(response: reqwest::Response) -> impl futures_util::Stream<Item = (String, Event)> {
    let mut rest = String::new();
    let chunks = response.bytes_stream().map(move |chunk| {
        rest.push_str(std::str::from_utf8(&chunk.unwrap_or_default()).expect("UTF-8"));
        let mut found = Vec::new();
        while let Some((frame, after)) = rest.split_once("\n\n") {
            let of = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(data)) = (of("id: "), of("data: ")) {
                found.push((id, serde_json::from_str(&data).expect("JSON")));
            }
            rest = after.to_owned();
        }
        futures_util::stream::iter(found)
    });
    Box::pin(chunks.flatten())
}

#[actix_web::test]
async fn events_are_pulled_or_followed_live_and_none_is_missed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let beta = app.tenant("beta").await;
    let key: ManagementKey =
        app.operator.post("/api/v1/keys", json!({"name": "k", "role": "operator"})).await.created();
    let reader = app.operator.with(key.token.unwrap());
    let path = format!("/api/v1/events/stream?type=user.*&tenant={}", acme.id);
    let stream = reader.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut live = follow(stream).await;
    acme.user("ann").await;
    beta.user("not for us").await;
    acme.user("bob").await;
    let mut last = String::new();
    for name in ["ann", "bob"] {
        let (id, event) =
            tokio::time::timeout(Duration::from_secs(30), live.next()).await.expect("an event").unwrap();
        assert_eq!((event.data["userName"].as_str(), &event.id), (Some(name), &id));
        last = id;
    }
    drop(live);
    acme.user("while away").await;
    // Back: what came meanwhile comes first.
    let again = reader.request(reqwest::Method::GET, &path).header("Last-Event-ID", &last);
    let mut live = follow(again.send().await.unwrap()).await;
    let (_, event) =
        tokio::time::timeout(Duration::from_secs(30), live.next()).await.expect("an event").unwrap();
    assert_eq!(event.data["userName"], "while away");
    // The same by pulling: after what was seen.
    let pulled: Vec<Event> = reader.get(&format!("/api/v1/events?type=user.*&after={last}")).await.items();
    assert_eq!(pulled[0].data["userName"], "while away");
    assert_eq!(pulled.len(), 1);
    let sequences: Vec<String> = app.events().await.iter().map(|event| event.sequence.clone()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "one order, and it is sortable as text");
    // Every event is what the catalogue's JSON Schema says, in the eyes of PyPI's jsonschema.
    let types = app.operator.get("/api/v1/event-types").await.expect(200);
    let given = json!({"types": types["items"], "events": app.raw_events().await});
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut python = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"));
    python.arg("event_schemas.py").current_dir(fixtures).stdin(std::process::Stdio::piped());
    let mut python = python.spawn().expect("tests/run installs Python's packages");
    let mut input = python.stdin.take().expect("its input");
    tokio::io::AsyncWriteExt::write_all(&mut input, given.to_string().as_bytes()).await.expect("it reads");
    drop(input);
    assert!(python.wait().await.expect("it ends").success());
    // A key that is revoked follows no longer than a few seconds; a stream lasts an hour.
    app.operator.delete(&format!("/api/v1/keys/{}", key.id)).await;
    let ended = tokio::time::timeout(Duration::from_secs(30), live.next()).await.expect("the stream ends");
    assert!(ended.is_none());
    for wrong in ["type=user", "type=nothing.happened", "after=x", "tenant=x"] {
        assert_eq!(app.operator.get(&format!("/api/v1/events?{wrong}")).await.status, 400, "{wrong}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_developer_gets_events_on_their_own_machine() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.user("before").await;
    // The feed has what was told: until then it is news, also to who listens from now on.
    eventually("the user to be told of", async || {
        app.events().await.iter().any(|event| event.data["userName"] == "before").then_some(())
    })
    .await;
    let local = Receiver::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_crashable"));
    command
        .args(["webhook", "listen", "--json", "--events", "user.*", "--forward-to", &local.url])
        .args(["--url", &app.operator.base, "--key", app.operator.bearer.as_deref().unwrap()])
        .env_clear()
        .env("TENANTRY_DATA_DIR", folder.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    acme.user("ann").await;
    let event = local.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    assert_eq!(names(&local.all()), ["ann"], "what was before is not news");
    let key = STANDARD.decode(first["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
    let content = [format!("{}.{}.", event.id, event.timestamp).as_bytes(), &event.raw].concat();
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key), &content);
    assert_eq!(event.signature, format!("v1,{}", STANDARD.encode(tag)));
    let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!((&line["type"], &line["answer"]), (&json!("user.created"), &json!("204")));
    // A wrong key is said at once.
    let mut wrong = tokio::process::Command::new(env!("CARGO_BIN_EXE_crashable"));
    wrong.args([
        "webhook",
        "listen",
        "--forward-to",
        &local.url,
        "--url",
        &app.operator.base,
        "--key",
        "wrong",
    ]);
    let ended = wrong.env_clear().env("TENANTRY_DATA_DIR", folder.path()).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("401"));
    local.stop().await;
    app.stop().await;
}
