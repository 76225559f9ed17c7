//! How things are timed: interleaved rounds, medians, one process.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long a run may take.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Rounds that are measured, after one that is not.
    pub rounds: usize,
    /// Calls of each candidate in one round.
    pub calls: usize,
}

impl Effort {
    /// Enough for figures to be quoted.
    pub const FULL: Effort = Effort {
        rounds: 15,
        calls: 20_000,
    };
    /// Enough to see that nothing went badly wrong.
    pub const QUICK: Effort = Effort {
        rounds: 7,
        calls: 5_000,
    };
}

/// A candidate: runs so many calls and says nothing.
pub type Run<'a> = Box<dyn FnMut(usize) + 'a>;

/// Which time is taken.
#[derive(Clone, Copy)]
pub enum Time {
    /// Of candidates that wait for a disk or for other threads.
    Passed,
    /// In which this thread had the processor: what others do meanwhile does not count.
    OfThisThread,
}

impl Time {
    /// A point in it.
    #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
    pub fn now(self) -> Duration {
        let time = clock_gettime(match self {
            Time::Passed => ClockId::Monotonic,
            Time::OfThisThread => ClockId::ThreadCPUTime,
        });
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_nsec.unsigned_abs() as u32,
        )
    }
}

/// The median nanoseconds a call of each candidate. A noisy moment falls on all of them, because they take turns.
pub fn medians(effort: Effort, time: Time, mut candidates: Vec<Run<'_>>) -> Vec<f64> {
    let mut figures = vec![Vec::new(); candidates.len()];
    for round in 0..=effort.rounds {
        for (run, figures) in candidates.iter_mut().zip(&mut figures) {
            let start = time.now();
            run(effort.calls);
            let taken = time.now() - start;
            if round > 0 {
                figures.push(taken.as_nanos() as f64 / effort.calls as f64);
            }
        }
    }
    figures.into_iter().map(median).collect()
}

/// Lets time pass on this thread.
#[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits on this thread, for as long as another one holds what it takes.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// How many milliseconds `work` takes.
pub async fn timed(work: impl Future<Output = ()>) -> f64 {
    let start = Time::Passed.now();
    work.await;
    (Time::Passed.now() - start).as_secs_f64() * 1e3
}

/// The figure in the middle.
pub fn median(figures: Vec<f64>) -> f64 {
    below(figures, 0.5)
}

/// The figure that this part of them does not exceed.
pub fn below(mut figures: Vec<f64>, part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = (figures.len() as f64 * part) as usize;
    figures[at.min(figures.len() - 1)]
}
