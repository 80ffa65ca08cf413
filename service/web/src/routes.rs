//! Routes: method, pattern, access and handler in one value. From the list come the served application, `openapi.json`
//! and the guards' inventory.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Handler, HttpRequest, Responder, web};
use policy_core::Permission;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::gate::{self, Rules, Target};
use crate::problem::Dialect;

/// Bytes of a body, unless the route says otherwise.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Who may call a route. Bound to the route; never decided by the request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, for this reason.
    Public(&'static str),
    /// A management key with this permission.
    Key(Permission),
    /// An organization's SCIM token.
    Scim,
}

/// For whom failures of a route count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountFailures {
    /// For nobody.
    Never,
    /// For the network from which they come; its place is taken before the handler runs.
    OfNetwork,
    /// For the network, apart from its other failures; no place is held.
    OfSignIn,
    /// For the client; the handler takes the place as soon as it knows who that is.
    OfClient,
}

/// Says what it adds to a route's documentation: a body, parameters, an answer.
pub trait Describe {
    /// Adds it.
    fn describe(operation: &mut Operation);
}

/// What a route's documentation gathers.
#[derive(Default)]
pub struct Operation {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<RequestBodyBuilder>,
    pub(crate) responses: Vec<(String, Response)>,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// Remembers a schema and refers to it.
    pub fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }

    /// The body, of a media type.
    pub fn body(&mut self, media_type: &str, schema: RefOr<Schema>) {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.body =
            Some(RequestBodyBuilder::new().content(media_type, content).required(Some(Required::True)));
    }

    /// An answer.
    pub fn answer(&mut self, status: u16, text: &str, content: Option<(&str, RefOr<Schema>)>) {
        let mut response = ResponseBuilder::new().description(text);
        if let Some((media_type, schema)) = content {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        self.responses.push((status.to_string(), response.build()));
    }

    /// A query or header parameter.
    pub fn parameter(
        &mut self,
        name: &str,
        place: ParameterIn,
        text: &str,
        schema: impl Into<RefOr<Schema>>,
    ) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
        self.parameters.push(parameter.description(Some(text)).schema(Some(schema)).build());
    }

    /// A text in the query.
    pub fn query_text(&mut self, name: &str, description: &str) {
        self.parameter(name, ParameterIn::Query, description, text());
    }

    /// The schema of a free-form object.
    pub fn free_form() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object)).build().into()
    }
}

/// The schema of a text.
pub(crate) fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build().into()
}

/// One route.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The pattern, e.g. `/api/v1/tenants/{tenant}`.
    pub pattern: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The handler's name, `verb_noun`.
    pub operation_id: &'static str,
    /// One sentence.
    pub summary: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) body_bytes_max: usize,
    pub(crate) failures: CountFailures,
    describe: fn(&mut Operation),
    handler: Arc<dyn Fn() -> actix_web::Route + Send + Sync>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.pattern, self.access)
    }
}

impl Route {
    /// The tag under which it is documented: the first word of the pattern that says something.
    pub fn tag(&self) -> &'static str {
        let mut words =
            self.pattern.split('/').filter(|word| !matches!(*word, "" | "api" | "v1" | "v2" | "internal"));
        match (words.next(), words.next(), words.next()) {
            (Some("tenants"), Some(_), Some(word)) if !word.starts_with('{') => word,
            (Some(word), _, _) => word,
            _ => "pages",
        }
    }

    /// Writes refusals in another dialect.
    #[must_use]
    pub fn speaks(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Failures of this route count for the network they come from: sign-in endpoints.
    #[must_use]
    pub fn counts_failures(mut self) -> Self {
        self.failures = CountFailures::OfNetwork;
        self
    }

    /// Failures of this route count for the network they come from, as those of sign-ins: what an identity provider answers through the
    /// browser.
    #[must_use]
    pub fn counts_failures_of_sign_ins(mut self) -> Self {
        self.failures = CountFailures::OfSignIn;
        self
    }

    /// Failures of this route count for the client that makes them: token endpoints. The handler says who it is, with [`Caller::acts_as`].
    ///
    /// [`Caller::acts_as`]: crate::Caller::acts_as
    #[must_use]
    pub fn counts_failures_of_clients(mut self) -> Self {
        self.failures = CountFailures::OfClient;
        self
    }

    /// Whether the path names something that is looked up before a body is read.
    pub fn knows_its_target(&self) -> bool {
        Target::of(self.access, self.pattern).is_some()
    }

    /// Takes smaller or larger bodies.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    pub(crate) fn operation(&self) -> (OperationBuilder, Operation) {
        let mut operation = Operation::default();
        (self.describe)(&mut operation);
        (OperationBuilder::new().operation_id(Some(self.operation_id)).summary(Some(self.summary)), operation)
    }
}

impl<A: Describe, B: Describe> Describe for (A, B) {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}

impl<A: Describe, B: Describe, C: Describe> Describe for (A, B, C) {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
        C::describe(operation);
    }
}

/// A handler whose arguments and answer describe themselves.
pub trait Described<Args>: Handler<Args> {
    /// Adds what arguments and answer say.
    fn describe(operation: &mut Operation);
}

macro_rules! described {
    ($($argument:ident)*) => {
        impl<Func, Fut, Answer, $($argument,)*> Described<($($argument,)*)> for Func
        where
            Func: Handler<($($argument,)*), Output = Result<Answer, crate::Problem>, Future = Fut>,
            Fut: Future<Output = Result<Answer, crate::Problem>>,
            Answer: Describe,
            $($argument: Describe,)*
        {
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                Answer::describe(operation);
            }
        }
    };
}

described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);

/// A list of routes.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
}

impl Routes {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. `operation` is `"operation_id: One sentence."`.
    #[must_use]
    pub fn add<F, Args>(
        self,
        method: Method,
        pattern: &'static str,
        access: Access,
        operation: &'static str,
        handler: F,
    ) -> Self
    where
        F: Described<Args> + Send + Sync,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add_with(method, pattern, access, operation, handler, |route| route)
    }

    /// Adds a route that differs from the rest in dialect or limits.
    #[must_use]
    pub fn add_with<F, Args>(
        mut self,
        method: Method,
        pattern: &'static str,
        access: Access,
        operation: &'static str,
        handler: F,
        adjust: impl FnOnce(Route) -> Route,
    ) -> Self
    where
        F: Described<Args> + Send + Sync,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let (operation_id, summary) = operation.split_once(": ").unwrap_or((operation, operation));
        self.routes.push(adjust(Route {
            method,
            pattern,
            access,
            operation_id,
            summary,
            dialect: if access == Access::Scim { Dialect::Scim } else { Dialect::Problem },
            body_bytes_max: BODY_BYTES_MAX,
            failures: CountFailures::Never,
            describe: F::describe,
            handler: Arc::new(move || web::route().to(handler.clone())),
        }));
        self
    }

    /// Adds all routes of another list.
    #[must_use]
    pub fn and(mut self, other: Routes) -> Self {
        self.routes.extend(other.routes);
        self
    }

    /// The routes.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Registers everything with actix. Patterns with words come before patterns with parameters at the same place, so
    /// that `/roles` is never taken for an id.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        let mut resources: BTreeMap<Vec<(bool, &str)>, Vec<&Route>> = BTreeMap::new();
        for route in &self.routes {
            let words = route.pattern.split('/').map(|word| (word.starts_with('{'), word)).collect();
            resources.entry(words).or_default().push(route);
        }
        for routes in resources.into_values() {
            let Some(first) = routes.first() else { continue };
            let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
            methods.sort_unstable();
            let allow = methods.join(", ");
            // Identity providers put a slash behind the base URL that they were given.
            let mut patterns = vec![first.pattern.to_owned()];
            if first.access == Access::Scim {
                patterns.push(format!("{}/", first.pattern));
            }
            let mut resource = web::resource(patterns);
            let dialect = first.dialect;
            for route in routes {
                let rules = Arc::new(Rules::of(route));
                let gate = from_fn(move |request, next| gate::pass(rules.clone(), request, next));
                let method = route.method.clone();
                resource =
                    resource.route((route.handler)().guard(actix_web::guard::Method(method)).wrap(gate));
            }
            config.service(resource.default_service(web::to(move |request: HttpRequest| {
                gate::method_not_allowed(request, allow.clone(), dialect)
            })));
        }
    }
}
