//! Carrying out what a request wishes: when it asks for it, and when it ends.

use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::closing::{IdAfter, goes_on, settle, tasks};
use crate::commit::{Commit, Done, End, Task};
use crate::error::Error;
use crate::lifecycle::{Fate, Outcome, Plan, Policy, plan};
use crate::payload::{EMPTY, Payload};
use crate::record::{Found, Live, Record};
use crate::sessions::Shared;
use crate::slot::{CookieDue, State, Visit};
use crate::turn::Turn;

/// Why a wish is carried out now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The handler asked for it, and goes on.
    Save,
    /// The response is known.
    Close(Outcome),
}

/// What is to be carried out.
struct Job {
    plan: Plan,
    tasks: &'static [Task],
    /// Whether a session was to begin after this, whose cookie can no longer be set.
    too_late: bool,
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

    /// What there is to do on this occasion, `None` if that is nothing. The wish is to be taken out then.
    #[inline]
    fn job(
        &mut self,
        occasion: Occasion,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Option<Job>, Box<Error>> {
        let outcome = match occasion {
            Occasion::Save => Outcome::Succeeded,
            Occasion::Close(outcome) => outcome,
        };
        if self.failed {
            match occasion {
                // Whatever became of the earlier changes, the session is ended now, or that is an error by itself.
                _ if self.wish.destroy => self.failed = false,
                Occasion::Close(Outcome::Failed) => return Ok(None),
                Occasion::Save | Occasion::Close(Outcome::Succeeded) => {
                    return Err(Error::SaveFailed.into());
                }
            }
        }
        let mut plan = plan(&self.found, &self.wish, outcome, now, policy);
        let mut too_late = false;
        match plan {
            Plan::Create | Plan::Rotate if self.sent => return Err(too_late_to_begin().into()),
            Plan::Delete { then_create: true } if self.sent => {
                too_late = true;
                plan = Plan::Delete { then_create: false };
            }
            _ => {}
        }
        if occasion == Occasion::Save {
            if plan == Plan::Keep {
                return Ok(None);
            }
            self.saving = Some(preview(self, now, policy).map(Box::new));
        }
        self.generation += 1;
        Ok(Some(Job {
            plan,
            tasks: tasks(plan, &self.wish.fate),
            too_late,
            rebase: std::mem::take(&mut self.rebase),
        }))
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

impl Turn<'_> {
    /// Carries out what was wished so far. An error is in a box, or every result would be moved with room for one.
    pub(crate) async fn commit(&mut self, occasion: Occasion) -> Result<(), Box<Error>> {
        let shared = self.shared();
        let now = shared.clock.now();
        let watched = self.watched();
        let mut commit = Commit::new(now, &shared.policy, watched.is_some());
        let job = self.with(|state| {
            let job = state.job(occasion, now, &shared.policy)?;
            if job.is_some() {
                std::mem::swap(&mut commit.wish, &mut state.wish);
                match watched {
                    Some(_) => commit.swap_found(&mut state.found.clone()),
                    None => commit.swap_found(&mut state.found),
                }
            }
            Ok::<_, Box<Error>>(job)
        })?;
        let Some(job) = job else { return Ok(()) };
        let unfinished = watched.map(Unfinished);
        if job.rebase {
            // Not under the lock: the handler's closures may read the session.
            commit.rebase()?;
        }
        let ended = self.carry_out(&job, &mut commit, now).await?;
        std::mem::forget(unfinished);
        if occasion == Occasion::Save {
            self.with(|state| state.saving = None);
            if ended {
                return Err(Error::SessionEnded.into());
            }
        }
        match job.too_late {
            true => Err(too_late_to_begin().into()),
            false => Ok(()),
        }
    }

    /// Does what was planned, and says whether the session turned out to have ended before.
    async fn carry_out(
        &mut self,
        job: &Job,
        commit: &mut Commit<'_>,
        now: Timestamp,
    ) -> Result<bool, Box<Error>> {
        let shared = self.shared();
        match job.plan {
            Plan::Forget(reason) => {
                tracing::info!(target: "anysession", ?reason, "changes dropped");
                return Ok(true);
            }
            Plan::Touch(deadline) => {
                if let Some(live) = commit.target() {
                    self.touch(live, deadline, now).await;
                }
            }
            // A log-out that fails must at least not stay in the browser.
            Plan::Delete { .. } => self.with(|state| state.cookie = CookieDue::Remove),
            Plan::Keep | Plan::Create | Plan::Update | Plan::Rotate => {}
        }
        let only_slides = commit.wish.is_empty();
        let mut ended = false;
        for (nth, &task) in job.tasks.iter().enumerate() {
            if nth > 0 {
                commit.renew();
            }
            let end = match shared.run(commit, |commit| commit.begin(task)).await {
                Err(error) if only_slides => {
                    slide_failed(&error);
                    return Ok(false);
                }
                end => end?,
            };
            let destroyed = (end == End::Destroyed).then(|| commit.found().key());
            let done = commit.done(end);
            shared.tell_done(task, destroyed.flatten().as_ref(), &done, commit.found());
            let rest_is_dropped = nth + 1 < job.tasks.len() && !goes_on(&done, &commit.wish.fate);
            ended = rest_is_dropped || done == Done::Over && task != Task::Destroy;
            self.settle(done, commit, now);
            if rest_is_dropped {
                break;
            }
        }
        Ok(ended)
    }

    /// Takes note of how a commit ended.
    fn settle(&mut self, done: Done, commit: &mut Commit<'_>, now: Timestamp) {
        let changes = &commit.wish.changes;
        let policy = &self.shared().policy;
        let settled = settle(done, commit.found(), changes, policy, now);
        let watched = self.watched().is_some();
        self.with(|state| {
            if watched {
                state.found = commit.take_found();
            }
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
        });
    }

    /// Moves the deadline.
    async fn touch(&mut self, live: &Live, deadline: Timestamp, now: Timestamp) {
        let store = &self.shared().store;
        let touched = store.touch(&live.key, &live.version, deadline, now).await;
        if let Err(error) = touched {
            return slide_failed(&error);
        }
        self.with(|state| {
            if let Found::Live(live) = &mut state.found {
                live.deadline = deadline;
            }
        });
    }
}

fn too_late_to_begin() -> Error {
    Error::AfterResponse {
        operation: "beginning a session",
    }
}

/// A deadline that was not moved does no harm that would be worth a failed request.
fn slide_failed(error: &(dyn std::error::Error + 'static)) {
    let error = with_causes(error);
    tracing::warn!(target: "anysession", %error, "a deadline was not moved");
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
