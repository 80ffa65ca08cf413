//! The problem codes of the OpenID provider.

web::codes! {
    GRANT_INVALID = "oauth.invalid_grant" 400 "The grant is not valid.";
}
