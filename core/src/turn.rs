//! Who may carry out what a request wishes.

use std::sync::{Mutex, PoisonError};

use crate::sessions::Shared;
use crate::slot::{State, Visit};

/// The right to carry out what a request wishes. There is one at a time.
pub(crate) enum Turn<'v> {
    /// Others may look at the session meanwhile and afterwards.
    Watched {
        visit: &'v Visit,
        _one_at_a_time: tokio::sync::MutexGuard<'v, ()>,
    },
    /// Whoever holds the last reference can neither meet a save nor be asked for the session afterwards. So there is
    /// nothing to lock, and what is written need not be kept.
    Alone {
        shared: &'v Shared,
        state: &'v mut State,
    },
}

impl Visit {
    /// A turn beside others, once those that are being taken have ended.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn::Watched {
            visit: self,
            _one_at_a_time: self.turn.lock().await,
        }
    }

    /// The turn of who is alone with it.
    pub(crate) fn alone(&mut self) -> Turn<'_> {
        Turn::Alone {
            shared: &self.shared,
            state: unlocked(&mut self.state),
        }
    }
}

impl<'v> Turn<'v> {
    pub(crate) fn shared(&self) -> &'v Shared {
        match self {
            Turn::Watched { visit, .. } => &visit.shared,
            Turn::Alone { shared, .. } => shared,
        }
    }

    /// Looks at the session, or changes it. Only one that was loaded is carried out.
    #[inline]
    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut locked;
        let state = match self {
            Turn::Alone { state, .. } => state,
            Turn::Watched { visit, .. } => {
                locked = visit.lock();
                &mut *locked
            }
        };
        act(state)
    }

    /// What others may look at, if there are any.
    pub(crate) fn watched(&self) -> Option<&'v Visit> {
        match self {
            Turn::Watched { visit, .. } => Some(visit),
            Turn::Alone { .. } => None,
        }
    }
}

/// What nobody else can hold needs no lock.
pub(crate) fn unlocked<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
