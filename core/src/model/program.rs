//! What the handlers of the model do.

/// What a handler does: in each segment some deeds, then a save, or after the last one the end of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program(
    pub(super) &'static str,
    pub(super) &'static [&'static [Deed]],
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Appends the number of this operation to the session's log.
    Append,
    Regenerate,
    LogIn(&'static str),
    Destroy,
}

impl Program {
    /// Whether its response may carry a new id, even if it finds its session.
    pub(super) fn wants_new_id(self) -> bool {
        let wants = |deed: &Deed| matches!(deed, Regenerate | LogIn(_));
        self.1.iter().copied().flatten().any(wants)
    }
}

use Deed::{Append, Destroy, LogIn, Regenerate};

pub(super) const READ: Program = Program("read", &[&[]]);
pub(super) const DATA: Program = Program("data", &[&[Append]]);
pub(super) const REGENERATE: Program = Program("regenerate", &[&[Regenerate, Append]]);
pub(super) const LOG_IN_U: Program = Program("log in as u", &[&[Append, LogIn("u"), Append]]);
pub(super) const LOG_IN_V: Program = Program("log in as v", &[&[Append, LogIn("v"), Append]]);
pub(super) const DESTROY: Program = Program("destroy", &[&[Destroy]]);
pub(super) const DESTROY_LOG_IN: Program =
    Program("destroy, log in as u", &[&[Destroy, LogIn("u"), Append]]);
pub(super) const DESTROY_DATA: Program = Program("destroy, data", &[&[Destroy, Append]]);
pub(super) const SAVE_DATA: Program = Program("data, save, data", &[&[Append], &[Append]]);
pub(super) const SAVE_DESTROY: Program = Program(
    "data, save, destroy, data",
    &[&[Append], &[Destroy, Append]],
);
pub(super) const SAVE_REGENERATE: Program =
    Program("regenerate, save, data", &[&[Regenerate], &[Append]]);
pub(super) const SAVE_LOG_IN: Program = Program(
    "log in as u, save, data",
    &[&[LogIn("u"), Append], &[Append]],
);

pub(super) const PROGRAMS: [Program; 12] = [
    READ,
    DATA,
    REGENERATE,
    LOG_IN_U,
    LOG_IN_V,
    DESTROY,
    DESTROY_LOG_IN,
    DESTROY_DATA,
    SAVE_DATA,
    SAVE_DESTROY,
    SAVE_REGENERATE,
    SAVE_LOG_IN,
];
