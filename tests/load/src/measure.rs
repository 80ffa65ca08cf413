//! Requests over several connections, and what they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Connections of each measurement.
pub const CONNECTIONS: usize = 16;

pub struct Measured {
    pub rate: f64,
    pub failed: usize,
    /// In the order of the requests.
    times: Vec<Duration>,
}

impl Measured {
    pub fn at(&self, part: f64) -> Duration {
        quantile(self.times.clone(), part)
    }

    /// The median of the first and of the last `count` requests. The very first don't count: until every connection waits
    /// for the others, nobody waits long.
    pub fn ends(&self, count: usize) -> (Duration, Duration) {
        let times = &self.times[(2 * CONNECTIONS).min(self.times.len())..];
        let count = count.min(times.len());
        (quantile(times[..count].to_vec(), 0.5), quantile(times[times.len() - count..].to_vec(), 0.5))
    }
}

fn quantile(mut times: Vec<Duration>, part: f64) -> Duration {
    times.sort_unstable();
    times.get((times.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or_default()
}

/// Runs `count` requests over [`CONNECTIONS`] connections.
pub async fn measure<F, Fut>(count: usize, request: F) -> Measured
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = bool>,
{
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let lanes = (0..CONNECTIONS).map(|_| async {
        let mut times = Vec::new();
        let mut failed = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return (times, failed);
            }
            let at = Instant::now();
            if !request(number).await {
                failed += 1;
            }
            times.push((number, at.elapsed()));
        }
    });
    let results = futures_util::future::join_all(lanes).await;
    let elapsed = begun.elapsed();
    let mut times: Vec<(usize, Duration)> = results.iter().flat_map(|(times, _)| times.clone()).collect();
    times.sort_unstable();
    let failed = results.iter().map(|(_, failed)| failed).sum();
    let times = times.into_iter().map(|(_, time)| time).collect();
    Measured { rate: count as f64 / elapsed.as_secs_f64(), failed, times }
}

pub fn head(title: &str) {
    println!("\n{title}\n");
    println!("| {:<38} | {:>10} | {:>10} | {:>10} | {:>6} | failed |", "what", "rate", "p50", "p99", "ratio");
    println!("|---|---:|---:|---:|---:|---:|");
}

/// A row; its ratio is to `reference` a second.
pub fn show(what: &str, measured: &Measured, reference: f64) {
    println!(
        "| {what:<38} | {:>8.0}/s | {:>7.2} ms | {:>7.2} ms | {:>6.3} | {} |",
        measured.rate,
        measured.at(0.5).as_secs_f64() * 1000.0,
        measured.at(0.99).as_secs_f64() * 1000.0,
        measured.rate / reference,
        measured.failed
    );
}

/// Resident memory in MiB.
pub fn memory(id: u32) -> f64 {
    status(id, "VmRSS:")
}

/// The most that was resident since [`forget_peak`], in MiB.
pub fn peak(id: u32) -> f64 {
    status(id, "VmHWM:")
}

/// Begins the peak anew.
pub fn forget_peak(id: u32) {
    let _ = std::fs::write(format!("/proc/{id}/clear_refs"), "5");
}

fn status(id: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
