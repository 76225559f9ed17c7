//! What a request's handler does, and what it is about.

use crate::lifecycle::Wish;
use crate::payload::Payload;
use crate::record::{Absence, Found};

use super::super::Broken;
use super::super::ledger::{Ops, bit};
use super::super::log::{append, log_of};
use super::super::program::Deed::{Append, Destroy, LogIn, Regenerate};
use super::super::running::Scene;
use super::super::shelf::User;
use super::{GRACE, Request};

impl Request {
    /// Does the deeds of a segment, and says which operations of it are to be stored if all goes well.
    pub(super) fn handle(&mut self, wish: &mut Wish, scene: &mut Scene<'_>) -> Ops {
        let mut own = 0;
        let mut user = self.place.as_ref().and_then(|(_, user)| user.clone());
        for deed in self.program.1[self.segment] {
            match deed {
                Append => {
                    self.operations += 1;
                    let op = 4 * scene.who + self.operations;
                    own |= bit(op);
                    if !self.left {
                        scene.ledger.made(op, user.clone());
                    }
                    append(wish, &self.found, op);
                }
                Regenerate => wish.regenerate_id(),
                LogIn(name) => {
                    if user.as_deref().is_some_and(|user| user != *name) {
                        own = 0;
                    }
                    user = Some((*name).into());
                    let before = wish.changes.clone();
                    wish.log_in((*name).into(), &self.found);
                    if scene.broken == Some(Broken::EarlierDataDropped) {
                        wish.changes = before;
                    }
                }
                Destroy => {
                    (own, user) = (0, User::None);
                    wish.destroy();
                }
            }
        }
        own
    }

    /// All operations that a wish would store in an empty session.
    pub(super) fn operations_wished(&self, wish: &Wish) -> Ops {
        let log = log_of(&wish.changes.applied(&Payload::empty()));
        log.iter().fold(0, |ops, op| ops | bit(*op))
    }

    /// A request that begins a session is entitled to a new id, though not with an id that was just replaced, nor after a
    /// save that found its session gone. One that destroys its session first is, once that is done.
    pub(super) fn count_as_entitled(&self, wish: &Wish, own: Ops, scene: &mut Scene<'_>) {
        let begins = match &self.found {
            Found::Nothing(absence) => *absence != Absence::Ended,
            Found::Replaced(tombstone) => {
                !wish.destroy && scene.now.since(tombstone.replaced) >= GRACE
            }
            Found::Live(_) => false,
        };
        if begins && own != 0 && !self.program.wants_new_id() {
            scene.browser.entitled += 1;
        }
    }
}
