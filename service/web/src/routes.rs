//! Routes: method, pattern, access and handler in one value. From the list come the served application, `openapi.json`
//! and the guards' inventory.

use platform::db::Lookup;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, Responder, web};
use utoipa::openapi::path::OperationBuilder;

use crate::access::{Access, CountFailures, Target};
use crate::describe::{Described, Operation};
use crate::gate::{self, Rules};
use crate::problem::Dialect;

/// Bytes of a body, unless the route says otherwise.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

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
    target: Option<Target>,
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
        self.target.is_some()
    }

    /// Takes smaller or larger bodies.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    fn rules(&self) -> Rules {
        Rules {
            access: self.access,
            dialect: self.dialect,
            pattern: self.pattern,
            body_bytes_max: self.body_bytes_max,
            failures: self.failures,
            target: self.target,
        }
    }

    pub(crate) fn operation(&self) -> (OperationBuilder, Operation) {
        let mut operation = Operation::default();
        (self.describe)(&mut operation);
        (OperationBuilder::new().operation_id(Some(self.operation_id)).summary(Some(self.summary)), operation)
    }
}

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
            target: Target::of(access, pattern),
            summary,
            dialect: if access == Access::Scim { Dialect::Scim } else { Dialect::Problem },
            body_bytes_max: BODY_BYTES_MAX,
            failures: CountFailures::Never,
            describe: F::describe,
            handler: Arc::new(move || web::route().to(handler.clone())),
        }));
        self
    }

    /// The public routes of this list whose paths have `{parameter}` are about the tenant that this look-up finds by its id, which is
    /// done before a body is read.
    #[must_use]
    pub fn tenant_by(mut self, parameter: &'static str, lookup: fn(Uuid) -> Lookup) -> Self {
        for route in &mut self.routes {
            let names = |word: &str| {
                word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) == Some(parameter)
            };
            if matches!(route.access, Access::Public(_)) && route.pattern.split('/').any(names) {
                route.target = route.target.or(Some(Target::Other(parameter, lookup)));
            }
        }
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
                let rules = Arc::new(route.rules());
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
