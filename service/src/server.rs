//! The server: what actix-web's own puts together, over connections that read no further ahead than they may ([`web::Transport`]).

use std::fmt;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::{Error, rt};
use futures_util::future::ready;
use platform::config;

/// What a client has of a body that nobody reads is taken for this time, so that it sees the answer before its connection ends.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// Serves an application on a listener; each thread makes its own.
///
/// # Errors
/// The listener can't be used.
pub(crate) fn listen<A, F, S, B>(
    server: &config::Server,
    listener: TcpListener,
    application: A,
) -> anyhow::Result<Server>
where
    A: Fn() -> F + Clone + Send + 'static,
    F: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::InitError: fmt::Debug,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = if server.workers > 0 { server.workers } else { cores };
    let most = with_files(server.connections_max);
    let connections = web::Connections::new(most, &server.trusted_proxies);
    rt::spawn(connections.clone().watch());
    let builder = Server::build()
        .disable_signals()
        .shutdown_timeout(server.shutdown_timeout.as_secs())
        .workers(workers)
        .max_concurrent_connections(most.div_ceil(workers));
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
        // Each thread keeps its own memory.
        rt::spawn(web::give_memory_back());
        let (stopping, connections) = (stopping.clone(), connections.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(web::SILENT_MAX)
            .client_request_timeout(web::HEAD_MAX)
            .client_disconnect_timeout(LINGER_MAX)
            .local_addr(address)
            .on_connect_ext(web::Transport::attach)
            .h1(map_config(application().into_factory(), |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let opened = connections.open(stream);
            ready(opened.map(|(transport, peer)| (transport, Some(peer))).map_err(DispatchError::Io))
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}

/// Files that are open beside connections: the store's, pools, logs.
const OTHER_FILES: u64 = 256;

/// Raises the number of files that the process may open to what so many connections need (each is held twice, to be closed from outside);
/// answers for how many there are files. Shells and service managers allow 1,024 unless somebody asks for more.
fn with_files(connections_max: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted =
        u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OTHER_FILES);
    let may = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_none_or(|current| current >= wanted) {
        return connections_max;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(may), maximum: limit.maximum });
    let files = if raised.is_ok() { may } else { limit.current.unwrap_or(may) };
    let connections =
        usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(connections_max).max(1);
    if connections < connections_max {
        tracing::warn!(files, connections, "the process may open too few files for server.connections_max");
    }
    connections.min(connections_max)
}
