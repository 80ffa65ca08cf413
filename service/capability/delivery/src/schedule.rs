//! When a delivery is tried again, and when a receiver is left alone. Pure: time is a parameter.

use std::time::Duration;

use chrono::TimeDelta;
use platform::Timestamp;
use platform::crypto::random;
use platform::http::HttpError;

use crate::settings::Settings;

/// Standard Webhooks' schedule, 75 h in all, in multiples of its first delay: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
const DELAYS: [u32; 9] = [1, 60, 360, 1_440, 3_600, 7_200, 10_080, 14_400, 17_280];
/// So many failures in a row, of whatever deliveries, and the receiver is left alone.
const FAILURES_MAX: u32 = 5;
/// How long, in multiples of the first delay; doubled with each further failure.
const PAUSES: [u32; 7] = [2, 4, 8, 16, 32, 64, 120];
/// A receiver that has failed for so long, in multiples of the first delay, is disabled: 5 days.
const GIVEN_UP: u32 = 86_400;
/// What `Retry-After` may ask for at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// The first delay, which all others are multiples of.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    base: Duration,
}

impl Schedule {
    /// From the configuration.
    pub fn of(settings: &Settings) -> Self {
        Self { base: Duration::from_millis(settings.retry_base_ms.max(1)) }
    }

    /// How long after this failure, from 1, the next attempt is due, or what the receiver asked for if that is longer; `None`: it was the
    /// last. Up to a tenth longer: many that failed together don't come back together.
    pub fn delay(self, failure: u32, asked: Option<Duration>) -> Option<TimeDelta> {
        let place = usize::try_from(failure.saturating_sub(1)).ok()?;
        let due = self.base.saturating_mul(*DELAYS.get(place)?);
        let jitter = due.mul_f64(f64::from(u32::from_be_bytes(random())) / f64::from(u32::MAX) / 10.0);
        let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
        TimeDelta::from_std((due + jitter).max(asked)).ok()
    }

    /// How long a receiver is left alone after so many failures in a row; `None`: not yet.
    pub fn pause(self, failures: u32) -> Option<TimeDelta> {
        let place = usize::try_from(failures.checked_sub(FAILURES_MAX)?).ok()?;
        let times = PAUSES.get(place).or(PAUSES.last())?;
        TimeDelta::from_std(self.base.saturating_mul(*times)).ok()
    }

    /// Whether only one delivery may be tried, to see whether the receiver is back.
    pub fn is_probing(failures: i64) -> bool {
        failures >= i64::from(FAILURES_MAX)
    }

    /// How long a receiver may fail before it is disabled.
    pub fn given_up(self) -> TimeDelta {
        TimeDelta::from_std(self.base.saturating_mul(GIVEN_UP)).unwrap_or(TimeDelta::days(5))
    }
}

/// How a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures in a row.
    pub failures: i64,
    /// Since when nothing was taken.
    pub failing_since: Option<Timestamp>,
    /// Left alone until then.
    pub paused_until: Option<Timestamp>,
}

impl Health {
    /// How it is after a round: `failed` of those that say something about it failed after the last one that was taken, `taken` if any was.
    pub fn after(self, schedule: Schedule, taken: bool, failed: usize, now: Timestamp) -> Self {
        let before = if taken { Self::default() } else { self };
        let failures = before.failures + i64::try_from(failed).unwrap_or(i64::MAX);
        let pause = schedule.pause(u32::try_from(failures).unwrap_or(u32::MAX));
        Self {
            failures,
            failing_since: before.failing_since.or(Some(now)),
            paused_until: pause.map(|pause| now + pause),
        }
    }
}

/// What an attempt's end means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx.
    Delivered,
    /// Try again, not before this long.
    Failed {
        /// In our words.
        why: String,
        /// As the receiver asked.
        after: Option<Duration>,
    },
    /// 410: the receiver wants nothing more, ever.
    Gone,
    /// No further attempt can help.
    Permanent(String),
}

/// What a status means; redirects are not followed.
pub fn verdict(answer: &Result<platform::http::Answer, HttpError>) -> Verdict {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Verdict::Delivered,
        Ok(answer) if answer.status == 410 => Verdict::Gone,
        Ok(answer) => {
            Verdict::Failed { why: format!("answered {}", answer.status), after: answer.retry_after }
        }
        Err(error @ (HttpError::Refused(_) | HttpError::Impossible(_))) => {
            Verdict::Permanent(error.to_string())
        }
        Err(error) => Verdict::Failed { why: error.to_string(), after: None },
    }
}

#[cfg(test)]
mod tests {
    use platform::http::UrlRefused;

    use super::*;

    const SCHEDULE: Schedule = Schedule { base: Duration::from_secs(5) };

    #[test]
    fn the_schedule_is_that_of_the_specification() {
        let seconds: Vec<i64> =
            (1..=9).map(|failure| SCHEDULE.delay(failure, None).unwrap().num_seconds()).collect();
        let wanted = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (got, wanted) in seconds.iter().zip(wanted) {
            assert!((wanted..=wanted * 11 / 10 + 1).contains(got), "{got} for {wanted}");
        }
        assert_eq!(wanted.iter().sum::<i64>(), 75 * 3600 + 35 * 60 + 5);
        assert_eq!(SCHEDULE.delay(10, None), None);
    }

    #[test]
    fn a_receiver_is_heard_but_not_without_bound() {
        let hour = Duration::from_secs(3600);
        assert_eq!(SCHEDULE.delay(1, Some(hour)), Some(TimeDelta::hours(1)));
        assert_eq!(SCHEDULE.delay(1, Some(hour * 1000)), Some(TimeDelta::days(1)));
        assert!(SCHEDULE.delay(2, Some(Duration::ZERO)).unwrap() >= TimeDelta::minutes(5));
    }

    #[test]
    fn a_receiver_is_left_alone_after_five_failures_longer_and_longer() {
        assert_eq!(SCHEDULE.pause(4), None);
        assert_eq!(SCHEDULE.pause(5), Some(TimeDelta::seconds(10)));
        assert_eq!(SCHEDULE.pause(6), Some(TimeDelta::seconds(20)));
        assert_eq!(SCHEDULE.pause(500), Some(TimeDelta::minutes(10)));
        assert!(!Schedule::is_probing(4) && Schedule::is_probing(5));
    }

    #[test]
    fn a_receiver_is_well_again_when_it_takes_something() {
        let at = |seconds: i64| chrono::DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let ill = (0..5).fold(Health::default(), |health, _| health.after(SCHEDULE, false, 1, at(7)));
        assert_eq!((ill.failures, ill.failing_since, ill.paused_until), (5, Some(at(7)), Some(at(17))));
        // A delivery that fails again says nothing new, but how long it lasts counts on.
        let same = ill.after(SCHEDULE, false, 0, at(30));
        assert_eq!((same.failures, same.failing_since), (5, Some(at(7))));
        let better = ill.after(SCHEDULE, true, 1, at(40));
        assert_eq!((better.failures, better.failing_since, better.paused_until), (1, Some(at(40)), None));
    }

    #[test]
    fn only_2xx_is_success_and_410_is_the_end() {
        let answer =
            |status| Ok(platform::http::Answer { status, retry_after: None, beginning: String::new() });
        assert_eq!(verdict(&answer(204)), Verdict::Delivered);
        assert_eq!(verdict(&answer(410)), Verdict::Gone);
        for status in [301, 400, 404, 429, 500] {
            assert!(matches!(verdict(&answer(status)), Verdict::Failed { .. }), "{status}");
        }
        assert!(matches!(
            verdict(&Err(HttpError::Refused(UrlRefused::PrivateAddress))),
            Verdict::Permanent(_)
        ));
    }
}
