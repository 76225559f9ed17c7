//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anysession::{Clock, Timestamp};

/// A clock that stands still until a test moves it, forward or back. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use anysession::Clock;
/// use anysession_testkit::TestClock;
///
/// let clock = TestClock::new();
/// let server = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(server.now(), TestClock::START + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// Where every test clock starts: 2100-01-01T00:00:00Z.
    ///
    /// It lies far ahead of the real time, so that a backend which also expires entries by its own clock does not do it
    /// in the middle of a test.
    pub const START: Timestamp = Timestamp::from_millis(4_102_444_800_000);

    /// A clock at [`START`](Self::START).
    pub fn new() -> Self {
        TestClock(Arc::new(AtomicU64::new(Self::START.as_millis())))
    }

    /// Sets the time.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.as_millis(), Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
