//! The problem codes of flags.

web::codes! {
    FLAG_EXISTS = "flag.exists" 409 "A flag with this key already exists.";
    FLAG_IN_USE = "flag.in_use" 409 "Another flag depends on this one.";
}
