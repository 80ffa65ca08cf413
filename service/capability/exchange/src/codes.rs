//! The problem codes of the exchange and of registered issuers.

web::codes! {
    TOKEN_REFUSED = "sso.token_refused" 401 "The subject token is not accepted.";
    ISSUER_UNKNOWN = "sso.issuer_unknown" 401 "The subject token's issuer is not registered.";
    ISSUER_UNREACHABLE = "sso.issuer_unreachable" 503 "The issuer's keys can't be fetched right now.";
    ORGANIZATION_UNKNOWN = "sso.organization_unknown" 404 "The tenant has no such organization.";
    ISSUER_EXISTS = "issuer.exists" 409 "This issuer is already registered for this audience.";
}
