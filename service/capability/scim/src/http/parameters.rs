//! Query parameters. Those that aren't known are passed over: Entra's `aadOptscim062020` stands in the tenant's URL.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use scim_core::resource::Projection;
use scim_core::schema::ResourceType;
use scim_core::search::Search;
use url::form_urlencoded;
use web::{Code, Describe, Operation, Problem};

use crate::resources::refusal;

/// The query.
#[derive(Debug)]
pub(super) struct Parameters(pub(super) Search);

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut search = Search::default();
        for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
            if value.contains('\0') {
                let detail = "Parameters must not contain NUL.";
                return ready(Err(Problem::detailed(Code::ValidationFailed, detail).dialect("invalidValue")));
            }
            search.take(&name, value.into_owned());
        }
        ready(Ok(Self(search)))
    }
}

impl Describe for Parameters {
    fn describe(operation: &mut Operation) {
        for (name, text) in [
            ("filter", "RFC 7644, section 3.4.2.2."),
            ("sortBy", "An attribute."),
            ("sortOrder", "`ascending` or `descending`."),
            ("startIndex", "From 1."),
            ("count", "How many; at most 1000."),
            ("cursor", "RFC 9865; empty for the first page."),
            ("attributes", "What to show."),
            ("excludedAttributes", "What not to show."),
        ] {
            operation.query_text(name, text);
        }
    }
}

pub(super) fn projection(search: &Search, kind: &ResourceType) -> Result<Projection, Problem> {
    Projection::parse(kind, search.attributes.as_deref(), search.excluded_attributes.as_deref())
        .map_err(refusal)
}
