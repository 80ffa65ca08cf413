//! The service, put together and started.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, rt};
use anyhow::{Context as _, anyhow};
use exchange::TenantMaker;
use futures_util::future::{LocalBoxFuture, ready};
use platform::clock::Clock;
use platform::config::Config;
use sessions::ClientGrant;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;
use web::{Authenticator, CredentialKind, Denied, Journal, Limits, Principal, Problem, Service};

use crate::operations::Contract;
pub use crate::startup::open;
use crate::tenant_maker::Provisions;
use crate::{recorder, routes, server, worker};

/// A started service.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its parts.
    pub service: Service,
    /// The key that an empty store got, to be shown once.
    pub first_key: Option<String>,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    working: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// Starts the service in this actix system.
///
/// # Errors
/// What is missing or wrong, and how to mend it.
pub async fn start(mut config: Config, clock: Clock) -> anyhow::Result<Running> {
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen).with_context(|| format!("{listen} can't be listened on"))?;
    let address = listener.local_addr()?;
    config.server.listen = address;
    recorder::metrics();
    // What is wrong in the configuration is told before anything is made or migrated.
    mail::Transport::new(config.section::<mail::Settings>()).map_err(|wrong| anyhow!(wrong))?;
    let service = open(config, clock).await?;
    // What changes from here on is heard, also what a replica tells before our own dispatcher looks.
    platform::outbox::hear(&service.db).await?;
    let limits = Arc::new(Limits::new(service.strangers.clone()));
    let (stop, stopped) = watch::channel(false);
    let machines = worker::machines(&service)?;
    let (log, writer) = scim::request_log(&service);
    let server = serve(&service, &limits, Arc::new(log), listener)?;
    // Last of what may fail: it is shown once.
    let first_key = keys::ensure_bootstrap(&service)
        .await
        .map_err(|error| anyhow!("the first key can't be made: {}", platform::chain(&error)))?;
    let handle = server.handle();
    let serving = rt::spawn(server);
    let working = rt::spawn(worker::run(service.clone(), machines, limits, writer, stopped));
    tracing::info!(%address, store = service.db.kind(), version = env!("CARGO_PKG_VERSION"), "serving");
    Ok(Running { address, service, first_key, server: handle, serving, working, stop })
}

fn serve(
    service: &Service,
    limits: &Arc<Limits>,
    journal: Arc<dyn Journal>,
    listener: TcpListener,
) -> anyhow::Result<Server> {
    let keys = Arc::new(keys::Keys::default());
    let tokens = Arc::new(scim::Tokens::default());
    let (as_keys, as_scim): (Arc<dyn Authenticator>, Arc<dyn Authenticator>) = (
        Arc::new(Credentials {
            keys: keys.clone(),
            operators: operators::Operators,
            people: sign_in::People,
        }),
        tokens.clone(),
    );
    let configure = routes().serve(service.clone(), as_keys, as_scim, limits.clone(), journal);
    let keyring = Data::new(Arc::new(sessions::Keyring::default()));
    let upstream = Data::new(Arc::new(connections::Upstream::default()));
    let makes: Arc<dyn TenantMaker> = Arc::new(Provisions);
    let makes = Data::new(makes);
    let jwks = Data::new(Arc::new(exchange::JwksCache::default()));
    let contract = Data::new(Contract::of(routes));
    let (keys, tokens) = (Data::new(keys), Data::new(tokens));
    let states = Data::new(Arc::new(scim::States::default()));
    let evaluator = Arc::new(flags::Evaluator::default());
    service.db.listen(evaluator.clone());
    let evaluator = Data::from(evaluator);
    let walks = Data::new(Arc::new(scim::Walks::default()));
    let grants: Arc<dyn ClientGrant> = Arc::new(scim::ScimClients);
    let grants = Data::new(grants);
    rt::spawn(web::give_memory_back());
    server::listen(&service.config.server, listener, move || {
        App::new()
            .app_data(keys.clone())
            .app_data(tokens.clone())
            .app_data(keyring.clone())
            .app_data(jwks.clone())
            .app_data(upstream.clone())
            .app_data(makes.clone())
            .app_data(states.clone())
            .app_data(walks.clone())
            .app_data(evaluator.clone())
            .app_data(grants.clone())
            .app_data(contract.clone())
            .configure(configure.clone())
            .wrap(from_fn(web::edge))
    })
}

/// Management keys, operators' sessions, people's sessions: what each is begins differently.
struct Credentials {
    keys: Arc<keys::Keys>,
    operators: operators::Operators,
    people: sign_in::People,
}

impl Authenticator for Credentials {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>> {
        if bearer.starts_with(operators::PREFIX) {
            return self.operators.authenticate(service, bearer);
        }
        if bearer.starts_with(sessions::BROWSER_PREFIX) {
            return self.people.authenticate(service, bearer);
        }
        self.keys.authenticate(service, bearer)
    }

    fn is_live<'a>(
        &'a self,
        service: &'a Service,
        kind: CredentialKind,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        match kind {
            CredentialKind::Operator => self.operators.is_live(service, kind, id),
            CredentialKind::Key => self.keys.is_live(service, kind, id),
            CredentialKind::User | CredentialKind::ScimToken => Box::pin(ready(Ok(false))),
        }
    }
}

impl Running {
    /// Stops: `/ready` answers 503 for a while, running requests and jobs finish, the store is closed.
    pub async fn stop(self) {
        self.service.drain();
        tokio::time::sleep(self.service.config.server.drain).await;
        let _ = self.stop.send(true);
        self.server.stop(true).await;
        let _ = self.serving.await;
        let _ = self.working.await;
        self.service.db.close().await;
    }
}
