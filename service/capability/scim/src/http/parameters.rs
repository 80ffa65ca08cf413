//! Query parameters. Those that aren't known are passed over: Entra's `aadOptscim062020` stands in the tenant's URL.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use scim_core::resource::Projection;
use scim_core::schema::ResourceType;
use scim_core::search::Search;
use url::form_urlencoded;
use web::{Code, Describe, Operation, Problem};

use super::refusal;

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
                return ready(
                    Err(Problem::detailed(Code::VALIDATION_FAILED, detail).dialect("invalidValue")),
                );
            }
            search.take(&name, value.into_owned());
        }
        ready(Ok(Self(search)))
    }
}

impl Describe for Parameters {
    fn describe(operation: &mut Operation) {
        for (name, text) in [
            ("filter", "A filter (RFC 7644, section 3.4.2.2)."),
            ("sortBy", "The attribute to sort by (RFC 7644, section 3.4.2.3)."),
            ("sortOrder", "`ascending` (default) or `descending`."),
            ("startIndex", "The position of the first result, from 1 (RFC 7644, section 3.4.2.4)."),
            ("count", "The number of results on a page; at most 1000."),
            ("cursor", "The cursor of the page (RFC 9865); empty for the first page."),
            ("attributes", "Attributes to return, separated by commas (RFC 7644, section 3.9)."),
            ("excludedAttributes", "Attributes not to return, separated by commas (RFC 7644, section 3.9)."),
        ] {
            operation.query_text(name, text);
        }
    }
}

pub(super) fn projection(search: &Search, kind: &ResourceType) -> Result<Projection, Problem> {
    Projection::parse(kind, search.attributes.as_deref(), search.excluded_attributes.as_deref())
        .map_err(refusal)
}
