//! The suite that every store passes.

mod bytes;
mod deadlines;
mod deleting;
mod expiry;
mod increments;
mod races;
mod reopening;
mod subject;
mod sweeping;
mod touching;
mod users;
mod writing;

use std::pin::Pin;
use std::sync::Arc;

use anysession::{Store, Timestamp};

use crate::suite::{Failure, Suite, block_on};
use subject::Subject;

/// The last deadline that a store keeps to the millisecond: 9999-12-31T23:59:59.999Z.
///
/// A later one, up to [`Timestamp::MAX`], must not be an error and must stay at or after this one; otherwise a store may
/// clamp it to what its backend can hold.
pub const LAST_EXACT_DEADLINE: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// One trial for each rule in the contract of [`Store`], against the store that `open` gives.
///
/// `open` is called once for each trial, on that trial's own runtime, and panics if the store cannot be opened. The
/// stores may share one backend, full of others' entries: each trial uses keys and users of its own. Deadlines lie in
/// 2100 or later, except those that `delete_expired` is tried on; these lie in the first second of 1970, so that no
/// living session of anybody is in the way. Only two *processes* that run the suite on one backend at a time disturb
/// each other there.
///
/// What a store has to hold: payloads of 1 MiB, users of 255 bytes, deadlines exact up to [`LAST_EXACT_DEADLINE`].
///
/// In three points the suite says more exactly what the contract leaves open: a key whose entry was deleted may stand in
/// one list of `keys_of_user`, but not in the next; an entry that is written after its own deadline is no error and
/// counts as absent at once; a user with a NUL is kept exactly or refused with an error.
///
/// A store whose every `open` reaches the same entries, as one that is a server or a file does, says so with
/// [`Suite::reopening`], and is tried through two handles too.
///
/// ```no_run
/// # use std::{process::ExitCode, sync::Arc};
/// # use anysession::Store;
/// # use anysession_testkit::{ReferenceStore, Suite, run, store_suite};
/// # fn reachable() -> bool { false }
/// # async fn connect() -> Arc<dyn Store> { Arc::new(ReferenceStore::new()) }
/// fn main() -> ExitCode {
///     run([if reachable() {
///         store_suite("redis", || async { connect().await }).reopening(|| async { connect().await })
///     } else {
///         Suite::absent("redis", "no redis-server in the PATH")
///     }])
/// }
/// ```
pub fn store_suite<Open, Opening>(name: impl Into<String>, open: Open) -> Suite
where
    Open: Fn() -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Arc<dyn Store>> + Send + 'static,
{
    let mut suite = Suite::new(name);
    let open = Arc::new(open);
    for &(rule, trial) in TRIALS {
        let open = Arc::clone(&open);
        suite.add(rule, move || {
            let opening = open();
            block_on(async move { trial(Subject::new(opening.await)).await })
        });
    }
    suite
}

/// The same for a store that keeps sessions in a layout of Flask-Session's, and that every handle reaches. What that layout
/// has no place for is left out: users, and versions beside the bytes of a session, so that equal bytes are the same state.
pub fn flask_store_suite<Open, Opening>(name: impl Into<String>, open: Open) -> Suite
where
    Open: Fn() -> Opening + Clone + Send + Sync + 'static,
    Opening: Future<Output = Arc<dyn Store>> + Send + 'static,
{
    let suite = store_suite(name, open.clone()).reopening(open).except(
        "every_write_makes_a_new_version",
        "a version is the bytes of the session",
    );
    NEED_USERS.iter().fold(suite, |suite, rule| {
        suite.except(rule, "Flask-Session keeps no users beside its sessions")
    })
}

/// These write users, or read who they are.
const NEED_USERS: &[&str] = &[
    "update_replaces_payload_deadline_and_user",
    "users_come_back_exactly",
    "a_user_with_a_nul_is_kept_exactly_or_refused",
    "keys_of_user_holds_a_key_as_soon_as_put_answers",
    "keys_of_user_finds_every_one_of_many",
    "keys_of_user_follows_a_change_of_user",
    "keys_of_user_never_mixes_users",
    "keys_of_user_tells_similar_users_apart",
    "keys_of_user_forgets_what_was_deleted",
    "keys_of_user_forgets_what_expired",
    "keys_of_user_never_holds_too_few_while_entries_come_and_go",
    "touch_never_undoes_a_write",
    "touch_moves_the_deadline",
    "load_never_mixes_two_writes",
    "another_handle_sees_what_is_done",
    "what_is_done_outlives_its_handle",
];

impl Suite {
    /// Adds the trials of a store that several handles share: every call of `open` gives a new handle, and each reaches
    /// the same entries, also those of a handle that was closed.
    pub fn reopening<Open, Opening>(mut self, open: Open) -> Self
    where
        Open: Fn() -> Opening + Send + Sync + 'static,
        Opening: Future<Output = Arc<dyn Store>> + Send + 'static,
    {
        let open = Arc::new(open);
        for &(rule, trial) in REOPENING {
            let open = Arc::clone(&open);
            self.add(rule, move || {
                let open = Arc::clone(&open);
                block_on(async move {
                    let open = move || -> Work<Subject> {
                        let opening = open();
                        Box::pin(async move { Ok(Subject::new(opening.await)) })
                    };
                    trial(Arc::new(open)).await
                })
            });
        }
        self
    }
}

/// Something that a trial does, in a task of its own if need be.
type Work<T = ()> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;
type StoreTrial = fn(Subject) -> Work;
type Reopen = Arc<dyn Fn() -> Work<Subject> + Send + Sync>;
type ReopeningTrial = fn(Reopen) -> Work;

/// A table of trials under the names of their functions.
macro_rules! trials {
    ($($group:ident: $($rule:ident),+;)+) => {
        &[$($((stringify!($rule), |subject| Box::pin($group::$rule(subject)))),+),+]
    };
}

const TRIALS: &[(&str, StoreTrial)] = trials! {
    writing:
        what_is_done_is_visible_to_every_later_load,
        create_is_refused_if_the_key_is_taken,
        update_is_refused_at_another_version,
        update_is_refused_if_the_key_is_absent,
        update_never_brings_a_deleted_key_back,
        update_replaces_payload_deadline_and_user,
        every_write_makes_a_new_version;
    touching:
        touch_moves_the_deadline,
        touch_never_shortens,
        touch_keeps_the_version,
        touch_never_creates,
        touch_has_no_effect_at_another_version;
    deleting:
        delete_removes_the_version_that_it_names,
        delete_is_refused_at_another_version,
        delete_is_refused_if_the_key_is_absent;
    expiry:
        nothing_revives_an_expired_entry,
        an_entry_is_gone_at_its_deadline_and_not_before,
        an_expired_key_can_be_created_anew,
        an_entry_written_after_its_deadline_counts_as_absent;
    sweeping:
        delete_expired_deletes_only_what_is_expired,
        delete_expired_keeps_to_its_limit,
        delete_expired_says_when_none_are_left,
        delete_expired_spares_what_was_just_extended;
    bytes:
        payloads_come_back_byte_for_byte,
        keys_that_are_alike_do_not_meet,
        users_come_back_exactly,
        a_user_with_a_nul_is_kept_exactly_or_refused;
    deadlines:
        deadlines_are_kept_to_the_millisecond,
        a_deadline_beyond_the_year_9999_stays_in_the_future;
    users:
        keys_of_user_holds_a_key_as_soon_as_put_answers,
        keys_of_user_finds_every_one_of_many,
        keys_of_user_follows_a_change_of_user,
        keys_of_user_never_mixes_users,
        keys_of_user_tells_similar_users_apart,
        keys_of_user_forgets_what_was_deleted,
        keys_of_user_forgets_what_expired,
        keys_of_user_never_holds_too_few_while_entries_come_and_go;
    races:
        one_of_many_writers_wins,
        one_of_many_creators_wins,
        update_and_delete_of_one_version_exclude_each_other,
        nothing_is_loaded_after_a_delete_is_done,
        touch_never_undoes_a_write,
        load_never_mixes_two_writes;
    increments:
        no_increment_is_lost;
};

const REOPENING: &[(&str, ReopeningTrial)] = trials! {
    reopening:
        another_handle_sees_what_is_done,
        what_is_done_outlives_its_handle,
        two_handles_lose_no_increment;
};
