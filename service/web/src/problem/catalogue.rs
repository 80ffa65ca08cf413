//! The catalogue of codes: what a client may match on. `docs/problems.md` is made from it and compared by a test.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($variant:ident = $name:literal $status:literal $title:literal;)*) => {
        /// A stable code of a refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// Its name: dotted, never changed.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Code::$variant => $status,)* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
}

codes! {
    AuthRequired = "auth.required" 401 "Authentication is required.";
    AuthInvalid = "auth.invalid" 401 "The credentials are not valid.";
    AuthInsufficient = "auth.insufficient" 403 "The credentials don't permit this.";
    NotFound = "not_found" 404 "There is no such resource.";
    MethodNotAllowed = "method_not_allowed" 405 "The resource does not support this method.";
    ValidationFailed = "validation.failed" 400 "The input is not valid.";
    BodyMalformed = "validation.malformed" 400 "The request body is malformed.";
    BodyTooLarge = "validation.too_large" 413 "The request body is too large.";
    BodyTimeout = "validation.timeout" 408 "The request body did not arrive in time.";
    MediaType = "validation.media_type" 415 "The media type or encoding of the request body is not supported.";
    CursorInvalid = "validation.cursor" 400 "The cursor does not belong to this list.";
    Conflict = "conflict" 409 "The request conflicts with another resource or change.";
    VersionMismatch = "conflict.version" 412 "The resource has changed since it was read.";
    NotModified = "not_modified" 304 "The resource has not changed.";
    QuotaExceeded = "quota.exceeded" 403 "This would exceed the quota.";
    MailLimited = "mail.limited" 429 "The limit for mails of this kind within 24 hours is reached.";
    QuotaBelowUsage = "quota.below_usage" 409 "The limit is below the current usage.";
    QuotaResourceUnknown = "quota.resource_unknown" 400 "There is no such quota resource.";
    QuotaResourceExists = "quota.resource_exists" 409 "A quota resource with this key already exists.";
    ReservationSettled = "quota.reservation_settled" 409 "The reservation was already committed or released, or it has expired.";
    SeatBlocked = "billing.seat_blocked" 403 "A payment is overdue: no seats can be added until it arrives.";
    InboxSignatureWrong = "inbox.signature_wrong" 401 "The webhook's signature is wrong.";
    InboxTimestampRefused = "inbox.timestamp_refused" 400 "The webhook's timestamp is too far from the current time.";
    InboxUnconfigured = "inbox.unconfigured" 503 "No secret is configured for this webhook.";
    RateLimited = "rate.limited" 429 "Too many requests.";
    Internal = "internal" 500 "Something went wrong on our side.";
    Unavailable = "unavailable" 503 "The service is temporarily unavailable.";
    OutcomeUnknown = "store.outcome_unknown" 503 "The request failed during or after a commit: the change may or may not have been made. Read before you repeat it, or repeat it with the same Idempotency-Key.";
    StoreFull = "store.full" 507 "The store is full: nothing was written.";
    StoreMoved = "store.moved" 503 "The store's file was moved, replaced or removed: nothing is read or written until it is back.";
    NotImplemented = "not_implemented" 501 "This is not implemented.";
    IdempotencyMismatch = "idempotency.mismatch" 422 "The Idempotency-Key was already used with a different request.";
    IdempotencyInProgress = "idempotency.in_progress" 409 "The first request with this Idempotency-Key is still running.";
    IdempotencyReplyLost = "idempotency.reply_lost" 409 "The first request with this Idempotency-Key took effect, but its response was lost.";
    TenantSuspended = "tenant.suspended" 403 "The tenant is suspended.";
    TenantNotActive = "tenant.not_active" 409 "The tenant's status doesn't allow this.";
    TenantSlugTaken = "tenant.slug_taken" 409 "Another tenant already has this slug.";
    TenantExternalIdTaken = "tenant.external_id_taken" 409 "The external id belongs to another tenant.";
    PlanUnknown = "tenant.plan_unknown" 400 "There is no such plan.";
    BackendUnavailable = "tenant.backend_unavailable" 400 "This identity backend or instance driver is not available.";
    RegionUnknown = "tenant.region_unknown" 400 "There is no such region.";
    RunOpen = "tenant.run_open" 409 "Another run of this tenant has not finished yet.";
    RunNotOpen = "tenant.run_not_open" 409 "The tenant has no run that can be aborted.";
    MoveRefused = "tenant.move_refused" 409 "The tenant can't move there.";
    OrganizationSlugTaken = "organization.slug_taken" 409 "Another organization already has this slug.";
    OrganizationNotEmpty = "organization.not_empty" 409 "The organization still has users, groups or tokens.";
    OrganizationDefault = "organization.default" 409 "The default organization can't be deleted.";
    InstanceInUse = "instance.in_use" 409 "The instance still hosts tenants.";
    UserDeactivated = "user.deactivated" 403 "The user is deactivated.";
    UserLastAdmin = "user.last_admin" 409 "The tenant's last admin can't be removed.";
    UserManaged = "user.managed" 409 "An identity provider manages this user.";
    UserExists = "user.exists" 409 "A user with this name already exists.";
    GroupExists = "group.exists" 409 "A group with this name already exists.";
    DirectoryHeld = "directory.held" 503 "The directory guard holds this removal until an admin confirms it.";
    DirectoryRejected = "directory.rejected" 403 "An admin rejected the removal of so many users.";
    DirectoryRestoring = "directory.restoring" 503 "The directory is being restored.";
    DryRunPreparing = "scim.dry_run_preparing" 503 "The copy of the directory for this dry-run token is not ready yet.";
    ReplayIncomplete = "scim.replay_incomplete" 409 "The request can't be replayed: its body was too large to be kept.";
    TenantUnknown = "sso.tenant_unknown" 404 "No tenant is known for this organization.";
    TokenRefused = "sso.token_refused" 401 "The subject token is not accepted.";
    IssuerUnknown = "sso.issuer_unknown" 401 "The subject token's issuer is not registered.";
    IssuerUnreachable = "sso.issuer_unreachable" 503 "The issuer's keys can't be fetched right now.";
    LinkRequired = "sso.link_required" 409 "A user or an invitation has this e-mail address but is not linked to this identity, or several users have the address.";
    SubjectOther = "sso.subject_other" 409 "The account with this address is linked to another subject at the identity provider.";
    OrganizationUnknown = "sso.organization_unknown" 404 "The tenant has no such organization.";
    OrganizationOther = "sso.organization_other" 403 "The person belongs to another organization of the tenant.";
    SsoEnforced = "sso.enforced" 403 "The people of this organization can sign in only through its own identity provider.";
    SsoDomainRefused = "sso.domain_refused" 403 "The organization's policy does not allow addresses of this domain.";
    SsoNoWayIn = "sso.no_way_in" 409 "The organization has no way to sign in yet.";
    SsoNotProvisioned = "sso.not_provisioned" 403 "There is no account for this person, and the organization's policy does not create one at sign-in.";
    SsoRefused = "sso.refused" 403 "The identity provider's response is not accepted.";
    SsoStateUnknown = "sso.state_unknown" 400 "This sign-in was not started here, was already finished, or took too long.";
    SsoBrowserOther = "sso.browser_other" 403 "This sign-in was started in another browser.";
    SsoProofWrong = "sso.proof_wrong" 403 "The code is wrong.";
    ConnectionDisabled = "connection.disabled" 403 "The connection is disabled.";
    ConnectionIncomplete = "connection.incomplete" 409 "No connection is ready to be used.";
    ConnectionNeeded = "connection.needed" 409 "The organization's policy allows sign-in only through its own connections, and no other one is active.";
    ProviderUnreachable = "connection.provider_unreachable" 503 "The identity provider does not respond as expected.";
    DomainExists = "domain.exists" 409 "The tenant already has this domain.";
    DomainTaken = "domain.taken" 409 "Another tenant has already verified this domain.";
    DomainUnproven = "domain.unproven" 409 "The domain is not verified.";
    ClientUnknown = "oauth.client_unknown" 400 "There is no such client.";
    RedirectRefused = "oauth.redirect_refused" 400 "The redirect URI is not registered for this client.";
    InvitationPending = "invitation.pending" 409 "An invitation for this address is already pending.";
    InvitationDirectoryManaged = "invitation.directory_managed" 409 "An identity provider manages this directory through SCIM: add people there.";
    InvitationMember = "invitation.member" 409 "The person with this address is already a member.";
    InvitationLimited = "invitation.limited" 429 "The limit for invitations of this kind within 24 hours is reached.";
    InvitationOtherAddress = "invitation.other_address" 403 "The invitation is for another address than that of the person who is signed in.";
    JoinDomainUnverified = "join.domain_unverified" 409 "The organization has not verified this domain.";
    JoinRequestDecided = "join.decided" 409 "The request to join was already decided.";
    InvitationGone = "invitation.gone" 410 "The invitation can no longer be accepted.";
    InvitationUnknown = "invitation.unknown" 404 "There is no such invitation.";
    InvitationNotPending = "invitation.not_pending" 409 "The invitation is not pending.";
    FlagExists = "flag.exists" 409 "A flag with this key already exists.";
    FlagInUse = "flag.in_use" 409 "Another flag depends on this one.";
    ModuleExists = "module.exists" 409 "A module with this name already exists.";
    IssuerExists = "issuer.exists" 409 "This issuer is already registered for this audience.";
    PlanInUse = "plan.in_use" 409 "Tenants still have this plan.";
    PlanExists = "plan.exists" 409 "A plan with this key already exists.";
    UrlRefused = "outbound.refused" 400 "The URL points to an address to which the service does not connect.";
    JobNotRetryable = "job.not_retryable" 409 "The job is running or done, so it can't be retried.";
    TokenRevoked = "scim_token.revoked" 409 "The token is revoked.";
    GrantInvalid = "oauth.invalid_grant" 400 "The grant is not valid.";
}

impl Code {
    /// Whether the service, not the request, was in the way.
    pub(crate) fn is_unavailable(self) -> bool {
        matches!(self, Code::Unavailable | Code::StoreFull | Code::StoreMoved)
    }

    /// The catalogue as a page of the documentation.
    pub fn page() -> String {
        let mut page = String::from(
            "# Problem codes\n\nEvery error response outside SCIM and OAuth is `application/problem+json` (RFC 9457) with a \
             stable `code`. Generated from `service/web/src/problem/catalogue.rs`; a test compares.\n\n\
             A request that is not valid HTTP is refused before it is routed. The response has no body, and the connection is \
             closed: 400 for a line that is not HTTP or a target above 64 KiB, 431 for more than 96 headers or 128 KiB of \
             them, 408 if the head does not arrive within 15 s (after an earlier request: closed without a response).\n\n\
             | code | status | meaning |\n|---|---|---|\n",
        );
        for code in Code::ALL {
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
