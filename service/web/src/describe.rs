//! How a route documents itself: by what its handler takes and answers.

mod parts;

use actix_web::Handler;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

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
