//! A worker thread of SQLite's driver that dies.
//!
//! Where SQLite gets no memory the driver panics on its own thread. Two things follow that no caller can see: the rows that were
//! still to come are missing as if there were none, and a statement sent at that moment is never answered. The hook of the
//! panic runs before its thread unwinds, so whoever asks after a call, or waits within one, learns of it in time.

use std::sync::{LazyLock, Once};

use tokio::sync::watch;

/// How the driver names its threads.
const WORKER: &str = "sqlx-sqlite-worker";

static CRASHES: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Notices workers that die from now on.
pub(crate) fn notice() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name().is_some_and(|name| name.starts_with(WORKER)) {
                CRASHES.send_modify(|crashes| *crashes += 1);
            }
            before(panic);
        }));
    });
}

/// Makes a call of the driver. If a worker died meanwhile, of whichever connection, nothing that the call answers is believed.
pub(crate) async fn unless_one_dies<T>(
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let mut crashes = CRASHES.subscribe();
    tokio::select! {
        biased;
        done = call => if crashes.has_changed().unwrap_or(true) { Err(sqlx::Error::WorkerCrashed) } else { done },
        _ = crashes.changed() => Err(sqlx::Error::WorkerCrashed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_would_never_return_ends_when_a_worker_dies() {
        notice();
        let waiting = tokio::spawn(unless_one_dies(std::future::pending::<Result<(), sqlx::Error>>()));
        tokio::task::yield_now().await;
        let worker = std::thread::Builder::new().name(format!("{WORKER}-test"));
        let died = worker.spawn(|| panic!("no memory")).unwrap().join();
        assert!(died.is_err());
        assert!(matches!(waiting.await.unwrap(), Err(sqlx::Error::WorkerCrashed)));
    }
}
