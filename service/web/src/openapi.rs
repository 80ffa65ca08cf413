//! `openapi.json`, made from the routes: what is served is what is documented.

use std::collections::BTreeMap;

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathsBuilder, Ref, Required, ResponseBuilder,
};

use crate::access::Access;
use crate::describe::text;
use crate::problem::Dialect;
use crate::routes::{Route, Routes};

/// The document of these routes.
pub fn document(routes: &Routes) -> OpenApi {
    let mut schemas = BTreeMap::new();
    let mut paths: BTreeMap<&str, PathItem> = BTreeMap::new();
    for route in routes.iter() {
        let Some(method) = method(route) else { continue };
        let (item, found) = path_item(route, method);
        schemas.extend(found);
        match paths.get_mut(route.pattern) {
            Some(there) => there.merge_operations(item),
            None => {
                paths.insert(route.pattern, item);
            }
        }
    }
    let mut components = ComponentsBuilder::new().schemas_from_iter(schemas).schema("Problem", problem());
    for (name, text) in
        [("key", "A management key: `tnt_key_…`."), ("scim", "An organization's SCIM token: `tnt_scim_…`.")]
    {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build();
        components = components.security_scheme(name, SecurityScheme::Http(scheme));
    }
    let paths = paths.into_iter().fold(PathsBuilder::new(), |all, (pattern, item)| all.path(pattern, item));
    let info = InfoBuilder::new()
        .title("tenantry")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The identity front desk of a B2B SaaS company."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(components.build())).build()
}

fn method(route: &Route) -> Option<HttpMethod> {
    Some(match route.method.as_str() {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    })
}

type Schemas = Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>;

fn path_item(route: &Route, method: HttpMethod) -> (PathItem, Schemas) {
    let (mut builder, operation) = route.operation();
    builder = builder.tag(route.tag());
    for name in route.pattern.split(['{', '}']).skip(1).step_by(2) {
        let parameter =
            ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        builder = builder.parameter(parameter.description(Some(meaning(name))).schema(Some(text())));
    }
    for parameter in operation.parameters {
        builder = builder.parameter(parameter);
    }
    let mut access = ExtensionsBuilder::new();
    match route.access {
        Access::Public(reason) => access = access.add("x-public", reason),
        Access::Key(permission) => {
            access = access.add("x-permission", permission.name());
            builder = builder.security(SecurityRequirement::new("key", Vec::<String>::new()));
        }
        Access::Scim => {
            access = access.add("x-permission", "scim");
            builder = builder.security(SecurityRequirement::new("scim", Vec::<String>::new()));
        }
    }
    builder = builder.extensions(Some(access.build()));
    for (status, response) in operation.responses {
        builder = builder.response(status, response);
    }
    let media_type = match route.dialect {
        Dialect::Problem => "application/problem+json",
        Dialect::Scim => "application/scim+json",
        Dialect::OAuth => "application/json",
    };
    let mut refusal = ContentBuilder::new();
    if route.dialect == Dialect::Problem {
        refusal = refusal.schema(Some(Ref::from_schema_name("Problem")));
    }
    let refusal = ResponseBuilder::new().description("An error.").content(media_type, refusal.build());
    builder = builder.response("default", refusal.build());
    (PathItem::new(method, builder.request_body(operation.body.map(|body| body.build()))), operation.schemas)
}

fn meaning(parameter: &str) -> String {
    let fixed = match parameter {
        "tenant" => "The tenant's id or slug.",
        "organization" => "The organization's id, its slug, or `default`.",
        "key" => "The resource's key.",
        "name" => "The resource's name; of a schema its URN.",
        "address" => "The e-mail address.",
        "connection" => "The connection's id.",
        "realm" => "The realm's name.",
        "event_type" => "The event type's name.",
        _ => match parameter.strip_suffix("_id") {
            Some(noun) => return format!("The {}'s id.", noun.replace('_', "-")),
            None => "The resource's id.",
        },
    };
    fixed.to_owned()
}

fn problem() -> utoipa::openapi::Object {
    let number = || ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::Integer).build();
    let error = ObjectBuilder::new().property("pointer", text()).property("detail", text()).build();
    let errors = utoipa::openapi::schema::ArrayBuilder::new().items(error).build();
    let fields = ["type", "title", "detail", "code", "requestId", "timestamp"];
    let object = fields
        .into_iter()
        .fold(ObjectBuilder::new(), |object, name| object.property(name, text()).required(name));
    object.property("status", number()).required("status").property("errors", errors).build()
}
