//! What a code is, how a crate declares its own, and the codes that every capability may answer. A client matches on codes, so all of them
//! are in `docs/problems.md`, which a test compares.

use actix_web::http::StatusCode;

/// A stable code of a refusal. [`codes!`](crate::codes) declares it; the capability that does registers it by
/// [`Capability::problems`](crate::Capability::problems).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(&'static Description);

/// What a code is made of.
#[doc(hidden)]
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    pub name: &'static str,
    pub status: u16,
    pub title: &'static str,
}

/// Declares codes, each as `CONSTANT = "noun.reason" status "One sentence.";`, and `DECLARED`, the list of them.
#[macro_export]
macro_rules! codes {
    ($($code:ident = $name:literal $status:literal $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $code: $crate::Code =
                $crate::Code::described(&$crate::Description { name: $name, status: $status, title: $title });
        )*

        /// All codes that are declared here.
        pub const DECLARED: &[$crate::Code] = &[
            $($crate::Code::described(&$crate::Description { name: $name, status: $status, title: $title }),)*
        ];
    };
}

/// What `web` itself answers, and what capabilities answer of which neither may use the other: the link of an invitation, of a user or of
/// an operator, that is gone; a URL that the guarded client refuses.
impl Code {
    codes! {
        AUTH_REQUIRED = "auth.required" 401 "Authentication is required.";
        AUTH_INVALID = "auth.invalid" 401 "The credentials are not valid.";
        AUTH_INSUFFICIENT = "auth.insufficient" 403 "The credentials don't permit this.";
        NOT_FOUND = "not_found" 404 "There is no such resource.";
        METHOD_NOT_ALLOWED = "method_not_allowed" 405 "The resource does not support this method.";
        VALIDATION_FAILED = "validation.failed" 400 "The input is not valid.";
        BODY_MALFORMED = "validation.malformed" 400 "The request body is malformed.";
        BODY_TOO_LARGE = "validation.too_large" 413 "The request body is too large.";
        BODY_TIMEOUT = "validation.timeout" 408 "The request body did not arrive in time.";
        MEDIA_TYPE = "validation.media_type" 415 "The media type or encoding of the request body is not supported.";
        CURSOR_INVALID = "validation.cursor" 400 "The cursor does not belong to this list.";
        CONFLICT = "conflict" 409 "The request conflicts with another resource or change.";
        VERSION_MISMATCH = "conflict.version" 412 "The resource has changed since it was read.";
        NOT_MODIFIED = "not_modified" 304 "The resource has not changed.";
        QUOTA_EXCEEDED = "quota.exceeded" 403 "This would exceed the quota.";
        RATE_LIMITED = "rate.limited" 429 "Too many requests.";
        INTERNAL = "internal" 500 "Something went wrong on our side.";
        UNAVAILABLE = "unavailable" 503 "The service is temporarily unavailable.";
        OUTCOME_UNKNOWN = "store.outcome_unknown" 503 "The request failed during or after a commit: the change may or may not have been made. Read before you repeat it, or repeat it with the same Idempotency-Key.";
        STORE_FULL = "store.full" 507 "The store is full: nothing was written.";
        STORE_MOVED = "store.moved" 503 "The store's file was moved, replaced or removed: nothing is read or written until it is back.";
        NOT_IMPLEMENTED = "not_implemented" 501 "This is not implemented.";
        IDEMPOTENCY_MISMATCH = "idempotency.mismatch" 422 "The Idempotency-Key was already used with a different request.";
        IDEMPOTENCY_IN_PROGRESS = "idempotency.in_progress" 409 "The first request with this Idempotency-Key is still running.";
        IDEMPOTENCY_REPLY_LOST = "idempotency.reply_lost" 409 "The first request with this Idempotency-Key took effect, but its response was lost.";
        TENANT_SUSPENDED = "tenant.suspended" 403 "The tenant is suspended.";
        TENANT_NOT_ACTIVE = "tenant.not_active" 409 "The tenant's status doesn't allow this.";
        INVITATION_GONE = "invitation.gone" 410 "The invitation can no longer be accepted.";
        URL_REFUSED = "outbound.refused" 400 "The URL points to an address to which the service does not connect.";
    }

    /// For [`codes!`](crate::codes) only.
    #[doc(hidden)]
    pub const fn described(description: &'static Description) -> Self {
        Self(description)
    }

    /// Its name: dotted, never changed.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What it means, in one sentence.
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the service, not the request, was in the way.
    pub(crate) fn is_unavailable(self) -> bool {
        matches!(self, Code::UNAVAILABLE | Code::STORE_FULL | Code::STORE_MOVED)
    }

    /// These codes as a page of the documentation.
    pub fn page(codes: &[Code]) -> String {
        let mut page = String::from(
            "# Problem codes\n\nEvery error response outside SCIM and OAuth is `application/problem+json` (RFC 9457) with a \
             stable `code`. Generated from what `service/web` and the capabilities declare (`web::codes!`); a test compares.\n\n\
             A request that is not valid HTTP is refused before it is routed. The response has no body, and the connection is \
             closed: 400 for a line that is not HTTP or a target above 64 KiB, 431 for more than 96 headers or 128 KiB of \
             them, 408 if the head does not arrive within 15 s (after an earlier request: closed without a response).\n\n\
             | code | status | meaning |\n|---|---|---|\n",
        );
        for code in codes {
            page.push_str(&format!(
                "| `{}` | {} | {} |\n",
                code.name(),
                code.status().as_u16(),
                code.title()
            ));
        }
        page
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
