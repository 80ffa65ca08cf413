//! The problem codes of identity backends.

web::codes! {
    BACKEND_UNAVAILABLE = "tenant.backend_unavailable" 400 "This identity backend or instance driver is not available.";
}
