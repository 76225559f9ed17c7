//! The source of randomness: it remembers every id, and fails or repeats itself as told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anysession::{OsRandom, Random, RandomError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The operating system's randomness, unless told otherwise. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dice(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rolled: Vec<[u8; 32]>,
    broken: bool,
    again: Option<[u8; 32]>,
}

impl Dice {
    /// Every id that was made from it, as it stands in a cookie.
    pub(crate) fn ids(&self) -> Vec<String> {
        let state = self.lock();
        state
            .rolled
            .iter()
            .map(|bits| URL_SAFE_NO_PAD.encode(bits))
            .collect()
    }

    /// From now on it fails.
    pub(crate) fn break_down(&self) {
        self.lock().broken = true;
    }

    /// It works again.
    pub(crate) fn heal(&self) {
        self.lock().broken = false;
    }

    /// The next id is the last one again.
    pub(crate) fn repeat_itself(&self) {
        let mut state = self.lock();
        state.again = state.rolled.last().copied();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8; 32]) -> Result<(), RandomError> {
        let mut state = self.lock();
        if state.broken {
            return Err(RandomError::new("told to fail"));
        }
        match state.again.take() {
            Some(bits) => *bytes = bits,
            None => OsRandom.fill(bytes)?,
        }
        state.rolled.push(*bytes);
        Ok(())
    }
}

/// It holds ids.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}
