//! The problem codes of connections and domains.

web::codes! {
    CONNECTION_DISABLED = "connection.disabled" 403 "The connection is disabled.";
    CONNECTION_INCOMPLETE = "connection.incomplete" 409 "No connection is ready to be used.";
    CONNECTION_NEEDED = "connection.needed" 409 "The organization's policy allows sign-in only through its own connections, and no other one is active.";
    PROVIDER_UNREACHABLE = "connection.provider_unreachable" 503 "The identity provider does not respond as expected.";
    DOMAIN_EXISTS = "domain.exists" 409 "The tenant already has this domain.";
    DOMAIN_TAKEN = "domain.taken" 409 "Another tenant has already verified this domain.";
    DOMAIN_UNPROVEN = "domain.unproven" 409 "The domain is not verified.";
}
