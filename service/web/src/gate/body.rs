//! The body: read in size, in time, and only as far as there is room in memory.

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::keeper::{Gatekeeper, Rules};
use crate::access::Access;
use crate::bodies::{Bodies, MemoryReservation, Owner, Size, Upload, Weight};
use crate::connections::Connection;
use crate::credential::Principal;
use crate::input::{self, ReadBody};
use crate::peer::Network;
use crate::{Code, Problem};

/// Room is taken in steps, where it isn't taken at once.
const STEP: usize = 64 << 10;

/// Whose room a body takes.
pub(super) fn owner(principal: Option<&Principal>, network: Network) -> Owner {
    match principal {
        Some(Principal { tenant: Some(tenant), .. }) => Owner::Tenant(*tenant),
        Some(principal) => Owner::Credential(principal.id),
        None => Owner::Stranger(network),
    }
}

/// What a body costs, by the media type that its reader goes by. SCIM parses its own, a few at a time.
fn weight(access: Access, headers: &HeaderMap) -> Weight {
    match (access, input::media_type(headers)) {
        (Access::Scim, _) => Weight::Raw,
        // Some read JSON where nothing is said.
        (_, media) if media.is_empty() || input::is_json(&media) => Weight::Tree,
        _ => Weight::Form,
    }
}

/// A place for a large body, or one of unknown length, before anything is asked about the request.
pub(super) fn begin_upload(
    keeper: &Gatekeeper,
    request: &ServiceRequest,
    network: Network,
) -> Result<Option<Upload>, Problem> {
    let headers = request.headers();
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let large = announced.is_some_and(|bytes: u64| Size::of(bytes) == Size::Large);
    if large || headers.contains_key(header::TRANSFER_ENCODING) {
        keeper.bodies.begin_upload(network).map(Some)
    } else {
        Ok(None)
    }
}

/// Reads the body of somebody who may send one.
pub(super) async fn read(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &mut ServiceRequest,
    owner: Owner,
) -> Result<ReadBody, Problem> {
    // The framework takes everything that follows for the body, whatever length is announced.
    let upgrade = request.headers().get(header::UPGRADE).map(|protocol| protocol.as_bytes().trim_ascii());
    if upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
        return Err(Problem::detailed(
            Code::BODY_MALFORMED,
            "Connections can't be upgraded: omit the `Upgrade` header.",
        ));
    }
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::detailed(Code::MEDIA_TYPE, "Compressed request bodies are not supported."));
    }
    let length: Option<usize> =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > rules.body_bytes_max) {
        return Err(too_large(rules));
    }
    let weight = weight(rules.access, request.headers());
    let payload = request.extract::<Payload>().await.map_err(Problem::internal)?;
    let (bodies, most) = (&keeper.bodies, rules.body_bytes_max);
    let connection = request.request().conn_data::<Arc<Connection>>().map(AsRef::as_ref);
    let mut reading = Reading { bodies, connection, owner, weight, length, most };
    let reservation = reading.begin().await?;
    match timeout(keeper.service.config.server.body_timeout, reading.finish(payload, reservation)).await {
        Ok(Err(Broken::TooLarge)) => Err(too_large(rules)),
        Ok(Err(Broken::Refused(problem))) => Err(problem),
        Ok(Ok(read)) => Ok(read),
        Err(_) => Err(Problem::new(Code::BODY_TIMEOUT)),
    }
}

fn too_large(rules: &Rules) -> Problem {
    Problem::detailed(Code::BODY_TOO_LARGE, format!("The body has more than {} bytes.", rules.body_bytes_max))
}

enum Broken {
    TooLarge,
    Refused(Problem),
}

struct Reading<'a> {
    bodies: &'a Arc<Bodies>,
    connection: Option<&'a Connection>,
    owner: Owner,
    weight: Weight,
    length: Option<usize>,
    most: usize,
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Reading<'_> {
    fn size(&self, bytes: usize) -> Size {
        Size::of(wide(self.length.unwrap_or(bytes)))
    }

    /// Room for all of what a known caller announces, so that one of many large bodies gets through instead of a part of each. A stranger
    /// gets room for what came: an announcement alone must not take it from others.
    async fn begin(&mut self) -> Result<MemoryReservation, Problem> {
        let mut reservation = self.bodies.reservation(self.owner);
        let announced = self.length.unwrap_or_default();
        if !matches!(self.owner, Owner::Stranger(_)) {
            reservation.extend_to(self.size(announced), self.weight.cost(wide(announced))).await?;
        }
        Ok(reservation)
    }

    /// The next piece of a body of which so much has come; only while it is awaited is more of it read from the connection.
    async fn next(&self, payload: &mut Payload, come: usize) -> Option<Result<Bytes, PayloadError>> {
        let left = self.length.map_or(usize::MAX, |length| length.saturating_sub(come));
        self.connection.inspect(|connection| connection.receives(left));
        let chunk = payload.next().await;
        self.connection.inspect(|connection| connection.handles());
        chunk
    }

    async fn finish(
        &self,
        mut payload: Payload,
        mut reservation: MemoryReservation,
    ) -> Result<ReadBody, Broken> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next(&mut payload, bytes.len()).await {
            let chunk = chunk.map_err(|_| {
                Broken::Refused(Problem::detailed(Code::BODY_MALFORMED, "The request body ended early."))
            })?;
            let come = bytes.len().saturating_add(chunk.len());
            if come > self.most {
                return Err(Broken::TooLarge);
            }
            if come > bytes.capacity() {
                // As much memory as there is room: all of what a known caller announced, else step by step.
                let whole = self.length.unwrap_or(self.most);
                let wanted = match self.owner {
                    Owner::Stranger(_) => come.next_multiple_of(STEP).min(whole),
                    _ => self
                        .length
                        .unwrap_or_else(|| come.saturating_mul(2).next_multiple_of(STEP).min(whole)),
                };
                let grown = reservation.extend_to(self.size(wanted), self.weight.cost(wide(wanted))).await;
                grown.map_err(Broken::Refused)?;
                bytes.reserve_exact(wanted.saturating_sub(bytes.len()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(ReadBody { bytes: Bytes::from(bytes), _reservation: Some(Arc::new(reservation)) })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_body_weighs_what_its_reader_makes_of_it() {
        let public = Access::Public("a test");
        for (access, media, expected) in [
            (public, Some("application/json"), Weight::Tree),
            (public, Some("Application/JSON; charset=utf-8"), Weight::Tree),
            (public, Some("APPLICATION/SCIM+JSON"), Weight::Tree),
            (public, Some(" application/json ;x"), Weight::Tree),
            (public, None, Weight::Tree),
            (public, Some(""), Weight::Tree),
            (public, Some("application/json\u{fc}"), Weight::Tree),
            (public, Some("application/x-www-form-urlencoded"), Weight::Form),
            (public, Some("text/csv"), Weight::Form),
            (public, Some("text/plain; of=json"), Weight::Form),
            (Access::Scim, Some("application/json"), Weight::Raw),
            (Access::Scim, None, Weight::Raw),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(media) = media {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_bytes(media.as_bytes()).unwrap());
            }
            assert_eq!(weight(access, &headers), expected, "{media:?}");
        }
    }
}
