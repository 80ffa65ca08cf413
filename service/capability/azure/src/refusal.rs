//! What the Resource Manager says went wrong, nested as deep as it comes. Pure.

use serde_json::Value;

/// How deep details are followed.
const DEPTH_MAX: usize = 8;
/// Refusals that are shown.
const MESSAGES_MAX: usize = 12;

/// All codes and messages of an error, the outermost first: `DeploymentFailed: … > ContainerAppImageRequired: …`. The message of a
/// detail is often JSON in a text, with the error of the resource provider inside.
pub(crate) fn describe(body: &Value) -> Option<String> {
    let mut found = Vec::new();
    gather(body.get("error").unwrap_or(body), 0, &mut found);
    (!found.is_empty()).then(|| found.join(" > "))
}

/// The outermost code.
pub(crate) fn code(body: &Value) -> Option<&str> {
    body.get("error").unwrap_or(body).get("code")?.as_str()
}

fn gather(error: &Value, depth: usize, found: &mut Vec<String>) {
    if depth > DEPTH_MAX || found.len() >= MESSAGES_MAX {
        return;
    }
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let message = text("message").unwrap_or_default();
    let inner = serde_json::from_str::<Value>(message).ok().filter(Value::is_object);
    match (text("code"), &inner) {
        (Some(code), Some(_)) => found.push(code.to_owned()),
        (Some(code), None) => found.push(format!("{code}: {message}")),
        (None, _) => {}
    }
    if let Some(inner) = &inner {
        gather(inner.get("error").unwrap_or(inner), depth + 1, found);
    }
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
        gather(detail, depth + 1, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_errors_are_told_outside_in() {
        let preflight = json!({"error": {"code": "InvalidTemplateDeployment", "message": "not valid", "details": [
            {"code": "PreflightValidationCheckFailed", "message": "see details", "details": [{"code": "AccountNameInvalid", "message": "a is no name"}]},
        ]}});
        let expected = "InvalidTemplateDeployment: not valid > PreflightValidationCheckFailed: see details > AccountNameInvalid: a is no name";
        assert_eq!(describe(&preflight).as_deref(), Some(expected));
        let in_text = json!({"code": "DeploymentFailed", "message": "At least one failed", "details": [
            {"code": "Conflict", "message": "{\"error\": {\"code\": \"QuotaExceeded\", \"message\": \"no cores\"}}"},
        ]});
        assert_eq!(
            describe(&in_text).as_deref(),
            Some("DeploymentFailed: At least one failed > Conflict > QuotaExceeded: no cores")
        );
        assert_eq!(describe(&json!({"error": {}})), None);
        assert_eq!(code(&preflight), Some("InvalidTemplateDeployment"));
    }
}
