//! How things are timed: interleaved rounds, medians, one process.

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

/// The median nanoseconds a call of each candidate. A noisy moment falls on all of them, because they take turns, and time in
/// which the processor was another's does not count.
pub fn medians(effort: Effort, mut candidates: Vec<Run<'_>>) -> Vec<f64> {
    let mut figures = vec![Vec::new(); candidates.len()];
    for round in 0..=effort.rounds {
        for (run, figures) in candidates.iter_mut().zip(&mut figures) {
            let taken = time_of_this_thread(|| run(effort.calls));
            if round > 0 {
                figures.push(taken.as_nanos() as f64 / effort.calls as f64);
            }
        }
    }
    figures.into_iter().map(median).collect()
}

/// How long `work`, which waits for nothing, keeps the processor.
fn time_of_this_thread(work: impl FnOnce()) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_nsec.unsigned_abs() as u32,
        )
    };
    let start = now();
    work();
    now() - start
}

/// How many milliseconds `work` takes.
pub async fn timed(work: impl Future<Output = ()>) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
    let start = Instant::now();
    work.await;
    start.elapsed().as_secs_f64() * 1e3
}

/// The figure in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
