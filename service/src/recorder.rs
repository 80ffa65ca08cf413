//! What records the metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::PrometheusHandle;

/// The metrics of this process: the recorder is one for all.
pub(crate) fn metrics() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(|| platform::telemetry::metrics().ok()).as_ref()
}
