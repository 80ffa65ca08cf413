//! What each thing that a handler takes or answers adds to the documentation of its route.

use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{ArrayBuilder, SchemaType, Type};

use super::{Describe, Operation, text};
use crate::caller::{Caller, OrganizationCaller, PlatformCaller, TenantCaller};
use crate::extract::{Ids, IfMatch, Shared};
use crate::input::{Body, Form, FormText, JsonOrCsv, Query, RawBody};
use crate::page::Page;
use crate::reply::{Accepted, Created, NoContent, Tagged};

macro_rules! adds_nothing {
    ($($kind:ident)*) => {$(
        impl Describe for $kind {
            fn describe(_: &mut Operation) {}
        }
    )*};
}

adds_nothing!(Caller TenantCaller PlatformCaller OrganizationCaller Ids);

/// The request itself, for the few handlers that answer by its headers.
impl Describe for HttpRequest {
    fn describe(_: &mut Operation) {}
}

impl<T> Describe for Shared<T> {
    fn describe(_: &mut Operation) {}
}

impl Describe for IfMatch {
    fn describe(operation: &mut Operation) {
        let meaning =
            "The `ETag` of the version that was read. If the resource has changed since, the answer is 412.";
        operation.parameter("If-Match", ParameterIn::Header, meaning, text());
    }
}

impl<T: ToSchema> Describe for Body<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.refer::<T>();
        operation.body("application/json", schema);
    }
}

impl<T: ToSchema> Describe for Form<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.refer::<T>();
        operation.body("application/x-www-form-urlencoded", schema);
    }
}

impl Describe for FormText {
    fn describe(operation: &mut Operation) {
        operation.body("application/x-www-form-urlencoded", Operation::free_form());
    }
}

impl Describe for RawBody {
    fn describe(operation: &mut Operation) {
        operation.body("application/scim+json", Operation::free_form());
    }
}

impl Describe for JsonOrCsv {
    fn describe(operation: &mut Operation) {
        operation.body("application/json", Operation::free_form());
    }
}

impl<T> Describe for Query<T> {
    fn describe(operation: &mut Operation) {
        operation.parameter(
            "limit",
            ParameterIn::Query,
            "The number of items on a page: from 1 to 200.",
            text(),
        );
        operation.parameter("cursor", ParameterIn::Query, "The `nextCursor` of the previous page.", text());
    }
}

impl<T: ToSchema> Describe for Page<T> {
    fn describe(operation: &mut Operation) {
        let items = ArrayBuilder::new().items(operation.refer::<T>()).build();
        let page = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Object))
            .property("items", items)
            .required("items")
            .property("nextCursor", text())
            .build();
        operation.answer(
            200,
            "A page of the list. On the last one `nextCursor` is null.",
            Some(("application/json", page.into())),
        );
    }
}

macro_rules! answers_with {
    ($($kind:ident $status:literal $text:literal;)*) => {$(
        impl<T: ToSchema> Describe for $kind<T> {
            fn describe(operation: &mut Operation) {
                let schema = operation.refer::<T>();
                operation.answer($status, $text, Some(("application/json", schema)));
            }
        }
    )*};
}

answers_with! {
    Created 201 "Created; `Location` is the URL of the new resource.";
    Accepted 202 "Accepted; the work continues in the background. `Location` is the URL at which to follow it.";
    Tagged 200 "The resource; its version is the `ETag`.";
}

impl Describe for NoContent {
    fn describe(operation: &mut Operation) {
        operation.answer(204, "Done; the response has no body.", None);
    }
}

impl<T: ToSchema> Describe for actix_web::web::Json<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.refer::<T>();
        operation.answer(200, "Success.", Some(("application/json", schema)));
    }
}

/// An answer that the handler shapes itself: pages, SCIM, OAuth.
impl Describe for HttpResponse {
    fn describe(operation: &mut Operation) {
        operation.answer(200, "Success.", None);
    }
}
