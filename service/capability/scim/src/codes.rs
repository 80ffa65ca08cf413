//! The problem codes of SCIM and of what admins do beside it.

web::codes! {
    DIRECTORY_RESTORING = "directory.restoring" 503 "The directory is being restored.";
    DRY_RUN_PREPARING = "scim.dry_run_preparing" 503 "The copy of the directory for this dry-run token is not ready yet.";
    REPLAY_INCOMPLETE = "scim.replay_incomplete" 409 "The request can't be replayed: its body was too large to be stored.";
    TOKEN_REVOKED = "scim_token.revoked" 409 "The token is revoked.";
}
