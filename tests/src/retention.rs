//! What the clock removes, when a story asks for it.

use platform::{Ctx, DbError, PlatformTx, Work as _};

use crate::TestApp;

impl TestApp {
    /// Removes rows of a table whose time is over, as the clock does; tells how many.
    pub async fn sweep(&self, table: &str) -> u64 {
        let tables = tenantry::retained();
        let retained = tables.iter().find(|one| one.table() == table).expect("a table");
        let service = &self.running.service;
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let mut removed = 0;
            for expiry in retained.expiries() {
                removed += expiry.remove(tx, table, &service.config).await?;
            }
            Ok::<_, DbError>(removed)
        };
        service.db.write_platform(&Ctx::system("test"), work).await.expect("a sweep")
    }
}
