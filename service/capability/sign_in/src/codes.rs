//! The problem codes of sign-in.

web::codes! {
    SSO_NO_WAY_IN = "sso.no_way_in" 409 "The organization has no way to sign in yet.";
    SSO_REFUSED = "sso.refused" 403 "The identity provider's response is not accepted.";
    SSO_BROWSER_OTHER = "sso.browser_other" 403 "This sign-in was started in another browser.";
    SSO_PROOF_WRONG = "sso.proof_wrong" 403 "The code is wrong.";
    CLIENT_UNKNOWN = "oauth.client_unknown" 400 "There is no such client.";
    REDIRECT_REFUSED = "oauth.redirect_refused" 400 "The redirect URI is not registered for this client.";
}
