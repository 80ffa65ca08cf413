//! Half a minute of what `load faults` does for half an hour.

use std::time::Duration;

use tests::faults::mixed;

use super::PROGRAM;

const SPAN: Duration = Duration::from_secs(25);

#[actix_web::test]
async fn a_mixed_load_under_faults_at_random_loses_nothing() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let report = mixed::run(PROGRAM, SPAN, seed).await;
    assert!(report.contradictions.is_empty(), "seed {seed}: {report:#?}");
    assert!(report.acknowledged >= mixed::ENOUGH.0, "there was some load: {report:#?}");
    assert!(report.faults.values().sum::<usize>() >= mixed::ENOUGH.1, "and some failed: {report:#?}");
}
