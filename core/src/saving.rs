//! Carrying out what a request wishes: when it asks for it, and when it ends.

use crate::changes::Changes;
use crate::clock::Timestamp;
use crate::closing::{IdAfter, Settled, settle, tasks};
use crate::commit::{Commit, Done, Task};
use crate::error::Error;
use crate::lifecycle::{Fate, Outcome, Plan, Policy, Wish, plan};
use crate::payload::{EMPTY, Payload};
use crate::record::{Found, Record};
use crate::sessions::Shared;
use crate::slot::{CookieDue, State, Visit};

/// Why a wish is carried out now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The handler asked for it, and goes on.
    Save,
    /// The response is known.
    Close(Outcome),
}

/// What a commit is to carry out.
struct Job {
    plan: Plan,
    /// Whether a session was to begin after this, whose cookie can no longer be set.
    too_late: bool,
    wish: Wish,
    found: Found,
    /// Whether the wish is to be computed anew on what was found.
    rebase: bool,
}

impl State {
    /// Whether closing this request asks nothing of the store.
    pub(crate) fn needs_no_store(&self, shared: &Shared) -> bool {
        if !self.wish.is_empty() || self.failed {
            return false;
        }
        match &self.found {
            Found::Live(live) => shared.policy.slid_deadline(live, self.loaded_at).is_none(),
            Found::Nothing(_) | Found::Replaced(_) => true,
        }
    }

    /// The record under the changes, as the handler sees it.
    pub(crate) fn record(&self) -> Option<&Record> {
        match &self.saving {
            Some(_) if self.wish.starts_empty() => None,
            Some(record) => record.as_deref(),
            None => self.wish.base(&self.found),
        }
    }

    /// The data under the changes.
    pub(crate) fn data(&self) -> &Payload {
        self.record().map_or(&EMPTY, |record| &record.data)
    }
}

impl Visit {
    /// Carries out what was wished so far. It is the caller's turn.
    pub(crate) async fn commit(&self, occasion: Occasion) -> Result<(), Error> {
        let now = self.shared.clock.now();
        let Some(mut job) = self.take_job(occasion, now)? else {
            return Ok(());
        };
        let unfinished = Unfinished(self);
        if job.rebase {
            // Not under the lock: the handler's closures may read the session.
            let base = job
                .wish
                .base(&job.found)
                .map_or(&EMPTY, |record| &record.data);
            job.wish.changes.recompute(base)?;
        }
        let ended = self.carry_out(&mut job, now).await?;
        std::mem::forget(unfinished);
        if occasion == Occasion::Save {
            if let Some(mut state) = self.state() {
                state.saving = None;
            }
            if ended {
                return Err(Error::SessionEnded);
            }
        }
        match job.too_late {
            true => Err(too_late_to_begin()),
            false => Ok(()),
        }
    }

    /// What is to be carried out, `None` if that is nothing.
    fn take_job(&self, occasion: Occasion, now: Timestamp) -> Result<Option<Job>, Error> {
        let policy = &self.shared.policy;
        let outcome = match occasion {
            Occasion::Save => Outcome::Succeeded,
            Occasion::Close(outcome) => outcome,
        };
        let Some(mut state) = self.state() else {
            return Ok(None);
        };
        if state.failed {
            return Err(Error::SaveFailed);
        }
        let mut plan = plan(&state.found, &state.wish, outcome, now, policy);
        let mut too_late = false;
        match plan {
            Plan::Create | Plan::Rotate if state.sent => return Err(too_late_to_begin()),
            Plan::Delete { then_create: true } if state.sent => {
                too_late = true;
                plan = Plan::Delete { then_create: false };
            }
            _ => {}
        }
        if plan == Plan::Keep && occasion == Occasion::Save {
            return Ok(None);
        }
        if occasion == Occasion::Save {
            state.saving = Some(preview(&state, now, policy).map(Box::new));
        }
        state.generation += 1;
        Ok(Some(Job {
            plan,
            too_late,
            rebase: std::mem::take(&mut state.rebase),
            wish: std::mem::take(&mut state.wish),
            found: state.found.clone(),
        }))
    }

    /// Does what was planned, and says whether the session turned out to have ended before.
    async fn carry_out(&self, job: &mut Job, now: Timestamp) -> Result<bool, Error> {
        let shared = &self.shared;
        match job.plan {
            Plan::Forget(reason) => {
                tracing::info!(target: "anysession", ?reason, "changes dropped");
                return Ok(true);
            }
            Plan::Touch(deadline) => self.touch(&job.found, deadline, now).await,
            // A log-out that fails must at least not stay in the browser.
            Plan::Delete { .. } => self.due(CookieDue::Remove),
            Plan::Keep | Plan::Create | Plan::Update | Plan::Rotate => {}
        }
        let only_slides = job.wish.is_empty();
        let mut ended = false;
        for &task in tasks(job.plan, &job.wish.fate) {
            let changes = match task {
                Task::Destroy => Changes::default(),
                _ => std::mem::take(&mut job.wish.changes),
            };
            let key = job.found.key();
            let mut commit = Commit::new(task, &job.wish.fate, changes, now, shared.policy);
            let first = commit.begin(std::mem::take(&mut job.found));
            let done = match shared.run(&mut commit, first).await {
                Err(error) if only_slides => {
                    slide_failed(&error);
                    return Ok(false);
                }
                done => done?,
            };
            shared.tell_done(task, key, &done);
            ended |= done == Done::Over && task != Task::Destroy;
            self.settle(settle(done, commit.changes(), &shared.policy, now));
        }
        Ok(ended)
    }

    /// Takes note of how a commit ended.
    fn settle(&self, settled: Settled) {
        let Some(mut state) = self.state() else {
            return;
        };
        state.found = settled.found;
        // What was wished meanwhile was computed on a record that is older now.
        state.generation += 1;
        state.rebase = !state.wish.is_empty();
        if let Some(cookie) = settled.cookie {
            state.cookie = cookie;
        }
        match settled.id {
            IdAfter::Kept => {}
            IdAfter::Forgotten => state.id = None,
            IdAfter::New(id) => state.id = Some(id),
        }
    }

    /// Moves the deadline.
    async fn touch(&self, found: &Found, deadline: Timestamp, now: Timestamp) {
        let Found::Live(live) = found else { return };
        let touched = self
            .shared
            .store
            .touch(&live.key, &live.version, deadline, now)
            .await;
        if let Err(error) = touched {
            return slide_failed(&error);
        }
        if let Some(mut state) = self.state()
            && let Found::Live(live) = &mut state.found
        {
            live.deadline = deadline;
        }
    }

    fn due(&self, cookie: CookieDue) {
        if let Some(mut state) = self.state() {
            state.cookie = cookie;
        }
    }
}

fn too_late_to_begin() -> Error {
    Error::AfterResponse {
        operation: "beginning a session",
    }
}

/// A deadline that was not moved does no harm that would be worth a failed request.
fn slide_failed(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(target: "anysession", error, "a deadline was not moved");
}

/// What the handler sees while its wish is on its way: what there will be.
fn preview(state: &State, now: Timestamp, policy: &Policy) -> Option<Record> {
    let base = state.wish.base(&state.found).cloned();
    let log_in = match &state.wish.fate {
        Fate::LogIn(log_in) => Some(log_in),
        Fate::Stay | Fate::Regenerate => None,
    };
    let changes = &state.wish.changes;
    if base.is_none() && log_in.is_none() && !changes.touches_data() {
        return None;
    }
    let base = base.unwrap_or_else(|| policy.new_record(now));
    Some(Record {
        data: changes.applied(&base.data),
        permanent: changes.permanent.or(base.permanent),
        lifetime: changes.lifetime.or(base.lifetime),
        user: log_in.map(|log_in| log_in.user.clone()).or(base.user),
        signed_in: log_in.map(|_| now).or(base.signed_in),
        ..base
    })
}

/// Marks the session of a request if a commit fails or is given up: what became of it is unknown, and whoever asks for
/// more must not be told that all is well.
struct Unfinished<'a>(&'a Visit);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(mut state) = self.0.state() {
            state.saving = None;
            state.failed = true;
        }
    }
}
