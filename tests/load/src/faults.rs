//! Half an hour of mixed load while the store fails at random; the debug binary, for it is about truth, not about speed.

use std::time::Duration;

use tests::faults::mixed;

/// How long it lasts unless it is said, in seconds.
pub const SECONDS: usize = 1_800;

/// Runs it and says what it came to.
///
/// # Errors
/// What contradicts what was acknowledged and refused.
pub async fn run(seconds: usize, seed: Option<u64>) -> anyhow::Result<()> {
    let program =
        std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/debug/tenantry".to_owned());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("{seconds} s, seed {seed}");
    let report = mixed::run(&program, Duration::from_secs(u64::try_from(seconds)?), seed).await;
    println!("\n| fault | times |\n|---|---:|");
    for (fault, times) in &report.faults {
        println!("| {fault} | {times} |");
    }
    println!("\n| answer | times |\n|---|---:|");
    for (status, times) in &report.statuses {
        println!("| {} | {times} |", if *status == 0 { "none".to_owned() } else { status.to_string() });
    }
    for (status, text) in &report.strange {
        println!("\nthe first {status}: {text}");
    }
    println!(
        "\nusers: {} acknowledged, {} refused, {} unknown",
        report.acknowledged, report.refused, report.unknown
    );
    anyhow::ensure!(report.contradictions.is_empty(), "seed {seed}: {:#?}", report.contradictions);
    println!("nothing was lost, nothing came back; usage equals rows; events and audit are complete");
    Ok(())
}
