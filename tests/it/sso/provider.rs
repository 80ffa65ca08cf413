//! The OpenID Provider that modules see.

use serde_json::json;
use tests::{Browser, OidcProvider, Receiver, Reply, TestApp};

use super::*;
