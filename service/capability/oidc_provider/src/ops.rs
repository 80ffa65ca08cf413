//! The OpenID provider for modules: what happens.

pub(crate) mod logout;
pub(crate) mod tokens;
