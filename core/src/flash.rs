//! Messages for the next page.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Where the messages lie in a session: a list of pairs of category and message, as Flask keeps them.
pub(crate) const FLASHES: &str = "_flashes";

/// A message that is shown once, usually after a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// A word of the application's, such as `info` or `error`.
    pub category: String,
    /// The message.
    pub message: String,
}

/// The messages that [`Session::take_flashes`](crate::Session::take_flashes) took.
///
/// It can be read at once. After [`Session::save`](crate::Session::save) it holds just those that this request was the
/// one to take: a message that an overlapping request took first is not in it any more, and one that came in between is.
#[derive(Clone, Debug, Default)]
pub struct Flashes(Arc<Mutex<Vec<Flash>>>);

impl Flashes {
    /// The messages, oldest first.
    pub fn to_vec(&self) -> Vec<Flash> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Takes the messages of a category, or all, out of `waiting`; what is left stays.
    pub(crate) fn take(&self, waiting: &mut Vec<Flash>, category: Option<&str>) {
        let wanted = |flash: &mut Flash| category.is_none_or(|category| flash.category == category);
        let taken = waiting.extract_if(.., wanted).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = taken;
    }
}

impl IntoIterator for Flashes {
    type Item = Flash;
    type IntoIter = std::vec::IntoIter<Flash>;

    fn into_iter(self) -> Self::IntoIter {
        self.to_vec().into_iter()
    }
}
