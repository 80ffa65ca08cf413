//! The problem codes of runs.

web::codes! {
    TENANT_SLUG_TAKEN = "tenant.slug_taken" 409 "Another tenant already has this slug.";
    TENANT_EXTERNAL_ID_TAKEN = "tenant.external_id_taken" 409 "The external id belongs to another tenant.";
    REGION_UNKNOWN = "tenant.region_unknown" 400 "There is no such region.";
    RUN_OPEN = "tenant.run_open" 409 "Another run of this tenant has not finished yet.";
    RUN_NOT_OPEN = "tenant.run_not_open" 409 "The tenant has no run that can be aborted.";
    MOVE_REFUSED = "tenant.move_refused" 409 "The tenant can't move there.";
}
