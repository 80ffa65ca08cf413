//! Long-running operations, by the rules of "Track asynchronous Azure operations": which sign is followed, and what it says. Pure.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use platform::http::retry_after;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal;

/// The sign that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Follow {
    /// `Azure-AsyncOperation`: its body's `status` counts.
    AsyncOperation(String),
    /// `Location`: 202 means still running.
    Location(String),
    /// The resource's own `provisioningState`.
    Resource,
}

/// Where an operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Under way; look again after this, if Azure says.
    Running(Option<Duration>),
    /// Through.
    Succeeded,
    /// Ended badly.
    Failed(String),
    /// Somebody stopped it.
    Canceled(String),
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// `Retry-After`, but 0, which means "don't know" to Azure's own clients.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).filter(|pause| !pause.is_zero())
}

/// What the first answer of an operation asks to be followed.
pub(crate) fn begun(answer: &Response<Value>) -> (Follow, State) {
    let headers = answer.headers();
    if let Some(url) = header(headers, "azure-asyncoperation") {
        return (Follow::AsyncOperation(url), State::Running(pause(headers)));
    }
    if let Some(url) = header(headers, "location")
        && (answer.status() == StatusCode::ACCEPTED || answer.status() == StatusCode::CREATED)
    {
        return (Follow::Location(url), State::Running(pause(headers)));
    }
    (Follow::Resource, resource(answer))
}

/// What an answer to the followed sign says.
pub(crate) fn polled(follow: &Follow, answer: &Response<Value>) -> State {
    match follow {
        Follow::AsyncOperation(_) => {
            let status = answer.body().get("status").and_then(Value::as_str);
            terminal(status.unwrap_or("Running"), answer)
        }
        Follow::Location(_) if answer.status() == StatusCode::ACCEPTED => {
            State::Running(pause(answer.headers()))
        }
        Follow::Location(_) => State::Succeeded,
        Follow::Resource => resource(answer),
    }
}

/// `properties.provisioningState`; without one, 201 is under way and anything else through.
fn resource(answer: &Response<Value>) -> State {
    let state = answer.body().pointer("/properties/provisioningState").and_then(Value::as_str);
    match state {
        Some(state) => terminal(state, answer),
        None if answer.status() == StatusCode::CREATED => State::Running(pause(answer.headers())),
        None => State::Succeeded,
    }
}

fn terminal(state: &str, answer: &Response<Value>) -> State {
    let why = || {
        let body = answer.body();
        let error = body.get("error").or_else(|| body.pointer("/properties/error"));
        error.and_then(refusal::describe).unwrap_or_else(|| state.to_owned())
    };
    match state.to_ascii_lowercase().as_str() {
        "succeeded" => State::Succeeded,
        "failed" => State::Failed(why()),
        "canceled" => State::Canceled(why()),
        _ => State::Running(pause(answer.headers())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: Value) -> Response<Value> {
        let response = Response::builder().status(status);
        headers
            .iter()
            .fold(response, |response, (name, value)| response.header(*name, *value))
            .body(body)
            .unwrap()
    }

    #[test]
    fn the_surest_sign_is_followed() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let both =
            [("azure-asyncoperation", "https://a/1"), ("location", "https://a/2"), ("retry-after", "7")];
        let (follow, state) =
            begun(&answer(201, &both, json!({"properties": {"provisioningState": "Accepted"}})));
        assert_eq!(
            (follow, state),
            (Follow::AsyncOperation("https://a/1".to_owned()), State::Running(seconds(7)))
        );
        let (follow, state) =
            begun(&answer(202, &[("location", "https://a/2"), ("retry-after", "0")], Value::Null));
        assert_eq!((follow, state), (Follow::Location("https://a/2".to_owned()), State::Running(None)));
        for (status, body, expected) in [
            (200, json!({"properties": {"provisioningState": "Succeeded"}}), State::Succeeded),
            (
                201,
                json!({"properties": {"provisioningState": "InitializationInProgress"}}),
                State::Running(None),
            ),
            (200, json!({}), State::Succeeded),
            (201, json!({}), State::Running(None)),
            (
                200,
                json!({"properties": {"provisioningState": "canceled"}}),
                State::Canceled("canceled".to_owned()),
            ),
            (
                200,
                json!({"properties": {"provisioningState": "Failed", "error": {"code": "X", "message": "y"}}}),
                State::Failed("X: y".to_owned()),
            ),
        ] {
            assert_eq!(begun(&answer(status, &[], body)), (Follow::Resource, expected));
        }
    }

    #[test]
    fn each_sign_says_where_the_operation_stands() {
        let asynchronous = Follow::AsyncOperation(String::new());
        let location = Follow::Location(String::new());
        for (follow, status, body, expected) in [
            (&asynchronous, 200, json!({"status": "SUCCEEDED"}), State::Succeeded),
            (&asynchronous, 200, json!({"status": "Deploying"}), State::Running(None)),
            (&asynchronous, 200, json!({}), State::Running(None)),
            (
                &asynchronous,
                200,
                json!({"status": "Failed", "error": {"code": "Q", "message": "no"}}),
                State::Failed("Q: no".to_owned()),
            ),
            (&location, 202, Value::Null, State::Running(None)),
            (&location, 200, json!({}), State::Succeeded),
            (&location, 204, Value::Null, State::Succeeded),
        ] {
            assert_eq!(polled(follow, &answer(status, &[], body)), expected);
        }
    }
}
