//! The problem codes of modules.

web::codes! {
    MODULE_EXISTS = "module.exists" 409 "A module with this name already exists.";
}
