//! Realms and organizations at identity backends.

mod keycloak;
mod zitadel;
