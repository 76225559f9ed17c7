//! What nobody waits for, in the order in which it was left.

use std::cell::RefCell;

use anysession::Unattended;

thread_local! {
    static TASKS: RefCell<Vec<Unattended>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn spawn(rest: Unattended) {
    TASKS.with_borrow_mut(|tasks| tasks.push(rest));
}

/// Runs all of it, and says how many there were.
pub(crate) fn run() -> usize {
    let tasks = TASKS.take();
    let count = tasks.len();
    tasks.into_iter().for_each(crate::run);
    count
}
