//! A barrier in both directions: the test learns that the call is there, and says when it goes on.

use tokio::sync::oneshot;

use super::Verb;

/// The test's side of a pause. Dropped, it lets the call pass.
#[must_use = "a gate that is dropped stops nobody"]
#[derive(Debug)]
pub struct Gate {
    verb: Verb,
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Gate {
    /// Waits until a call stands at the gate.
    ///
    /// # Panics
    /// If that cannot happen any more, because the store was dropped or healed.
    pub async fn reached(mut self) -> Stopped {
        assert!(
            (&mut self.reached).await.is_ok(),
            "no {} will come to this gate: its script is gone",
            self.verb.name()
        );
        Stopped {
            release: self.release,
        }
    }
}

/// A call that stands at a [`Gate`]. Dropped, it lets the call go on too.
#[must_use = "the call goes on when this is dropped"]
#[derive(Debug)]
pub struct Stopped {
    release: oneshot::Sender<()>,
}

impl Stopped {
    /// Lets the call go on.
    pub fn release(self) {
        // If the caller gave up in the meantime, there is nobody to let go.
        let _gone = self.release.send(());
    }
}

/// The store's side of a pause.
#[derive(Debug)]
pub(super) struct Stop {
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

impl Stop {
    pub(super) async fn wait(self) {
        if self.reached.send(()).is_ok() {
            let _released_or_dropped = self.released.await;
        }
    }
}

pub(super) fn gate(verb: Verb) -> (Gate, Stop) {
    let (arrive, reached) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let gate = Gate {
        verb,
        reached,
        release,
    };
    let stop = Stop {
        reached: arrive,
        released,
    };
    (gate, stop)
}
