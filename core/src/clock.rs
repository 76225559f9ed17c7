//! Time. This is the only file that asks the operating system for it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Every deadline is one. Arithmetic saturates, so that no configured lifetime, no clock and no stored record can make
/// it overflow; [`Timestamp::MAX`] therefore means "never".
///
/// ```
/// use anysession::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::from_millis(1_000);
/// assert_eq!(start + Duration::from_secs(2), Timestamp::from_millis(3_000));
/// assert_eq!(start.since(Timestamp::from_millis(400)), Duration::from_millis(600));
/// assert_eq!(start.since(Timestamp::MAX), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than every other time: a deadline that never comes.
    pub const MAX: Timestamp = Timestamp(u64::MAX);

    /// The time this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time less `duration`, not before 1970.
    #[must_use]
    pub fn before(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(duration)))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(duration)))
    }
}

/// Times before 1970 become 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Timestamp(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

fn millis(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000);
    whole.saturating_add(duration.subsec_millis().into())
}

/// Where the time comes from. Servers use [`SystemClock`]; tests bring one that they can set.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
///
/// On Linux it is the one that the kernel sets at each of its ticks, `CLOCK_REALTIME_COARSE`: behind by 10 ms at most,
/// which no lifetime notices, and read in a tenth of the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks for the time"
    )]
    fn now(&self) -> Timestamp {
        use rustix::time::{ClockId, clock_gettime};

        let time = clock_gettime(ClockId::RealtimeCoarse);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Timestamp(
            seconds.saturating_mul(1_000)
                + u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000,
        )
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks for the time"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::from(before), Timestamp::from_millis(0));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(
            Timestamp::from_millis(5).before(Duration::MAX),
            Timestamp::from_millis(0)
        );
        assert_eq!(Timestamp::from_millis(5) + Duration::MAX, Timestamp::MAX);
    }
}
