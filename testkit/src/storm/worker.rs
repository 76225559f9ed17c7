//! One of the visitors that make a storm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anysession::{CloseError, Error, Outcome, ResponseHeaders, Session, Sessions, Slot};
use tokio::time::Instant;

use super::SHORT_LIFE;
use super::history::{Act, Answer, History, Lineage, Mark, Moment, Seen};
use crate::suite::{Failure, ensure};

const LINEAGE: &str = "lineage";
const MARKS: &str = "marks";

/// Sessions that are in use at the same time: few, so that requests meet.
const HOT: usize = 6;

/// Writes after which a session has had its time; its list of marks stays short.
const MAX_MARKS: usize = 120;

/// After an error: the server is down, and the storm is to last until it is back.
const AFTER_AN_ERROR: Duration = Duration::from_millis(20);

/// How long the last looks are repeated that fail: the server is up again, and may be slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// All sessions of a storm, and every id that one of them was told to have.
#[derive(Debug, Default)]
pub(super) struct Lineages {
    next_lineage: AtomicU64,
    next_mark: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    hot: [Option<Lineage>; HOT],
    ids: Vec<(Lineage, String)>,
}

impl Lineages {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request after the other, until it has done its share.
pub(super) struct Worker {
    dice: u64,
    sessions: Sessions,
    history: Arc<History>,
    lineages: Arc<Lineages>,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        sessions: Sessions,
        history: Arc<History>,
        lineages: Arc<Lineages>,
    ) -> Self {
        let dice = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number as u64 + 1);
        Worker {
            dice,
            sessions,
            history,
            lineages,
        }
    }

    pub(super) async fn run(mut self, operations: usize) {
        for _ in 0..operations {
            if self.visit().await.is_err() {
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }

    /// Looks at every id that was ever told.
    pub(super) async fn look_at_all(&self) -> Result<(), Failure> {
        let ids = self.lineages.known().ids.clone();
        for (_, id) in ids {
            let give_up = Instant::now() + PATIENCE;
            while let Err(error) = self.look(&id, true).await {
                ensure!(
                    Instant::now() < give_up,
                    "the store does not answer after the storm: {error}"
                );
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
        Ok(())
    }

    async fn visit(&mut self) -> Result<(), Error> {
        let place = self.roll(HOT as u64) as usize;
        let Some((lineage, id, is_newest)) = self.pick(place) else {
            return self.begin(place).await;
        };
        let (slot, session, seen) = self.look(&id, false).await?;
        let Some(seen) = seen else {
            let mut known = self.lineages.known();
            if is_newest && known.hot[place] == Some(lineage) {
                known.hot[place] = None;
            }
            return Ok(());
        };
        // Others get to load the same.
        tokio::task::yield_now().await;
        match self.roll(32) {
            _ if seen.marks.len() > MAX_MARKS => self.end(&slot, &session, seen.lineage).await,
            0..20 => self.write(&slot, &session, seen.lineage).await,
            20..25 => self.rotate(&slot, &session, seen.lineage, id).await,
            25 => self.end(&slot, &session, seen.lineage).await,
            26 => self.revoke(seen.lineage).await,
            _ => Ok(()),
        }
    }

    /// An id of the session at this place: mostly its newest, sometimes one of before.
    fn pick(&mut self, place: usize) -> Option<(Lineage, String, bool)> {
        let older = self.roll(8) == 0;
        let back = self.roll(3) as usize;
        let known = self.lineages.known();
        let lineage = known.hot[place]?;
        let mut ids = known.ids.iter().rev().filter(|(of, _)| *of == lineage);
        let newest = ids.next()?.1.clone();
        match older.then(|| ids.nth(back)).flatten() {
            Some((_, id)) => Some((lineage, id.clone(), false)),
            None => Some((lineage, newest, true)),
        }
    }

    async fn begin(&mut self, place: usize) -> Result<(), Error> {
        let lineage = self.lineages.next_lineage.fetch_add(1, Ordering::Relaxed);
        // Flask-Session has no place for a lifetime of one session.
        let short_lived = self.roll(8) == 0 && self.sessions.config().as_flask().is_none();
        let begun = self.now();
        let slot = self.sessions.slot();
        let session = slot.load(slot.open([].into_iter())).await?;
        session.log_in(user(lineage))?;
        session.insert(LINEAGE, lineage)?;
        session.insert(MARKS, Vec::<Mark>::new())?;
        if short_lived {
            session.set_lifetime(SHORT_LIFE);
        }
        let answer = answer(session.save().await);
        let id = told_id(&slot).await.unwrap_or_default();
        if answer.0 == Answer::Done {
            let mut known = self.lineages.known();
            known.hot[place] = Some(lineage);
            known.ids.push((lineage, id.clone()));
        }
        self.add(
            begun,
            Act::Begin {
                lineage,
                short_lived,
                id,
            },
            answer,
        )
    }

    async fn look(&self, id: &str, last: bool) -> Result<(Slot, Session, Option<Seen>), Error> {
        let begun = self.now();
        let slot = self.sessions.slot();
        let cookie = format!("{}={id}", self.sessions.config().cookie().name());
        let look = |seen| Act::Look {
            id: id.to_owned(),
            seen,
            last,
        };
        let session = match slot.load(slot.open([cookie.as_bytes()].into_iter())).await {
            Ok(session) => session,
            Err(error) => {
                self.add(begun, look(None), (Answer::Undecided, None))?;
                return Err(error);
            }
        };
        let seen = match (session.get(LINEAGE)?, session.get(MARKS)?) {
            (Some(lineage), Some(marks)) => Some(Seen { lineage, marks }),
            _ => None,
        };
        self.add(begun, look(seen.clone()), (Answer::Done, None))?;
        Ok((slot, session, seen))
    }

    async fn write(&self, slot: &Slot, session: &Session, lineage: Lineage) -> Result<(), Error> {
        let mark = self.lineages.next_mark.fetch_add(1, Ordering::Relaxed);
        let begun = self.now();
        session.update(MARKS, move |marks: &mut Vec<Mark>| marks.push(mark))?;
        let answer = answer(session.save().await);
        let _no_cookie = told_id(slot).await;
        self.add(begun, Act::Write { lineage, mark }, answer)
    }

    async fn rotate(
        &self,
        slot: &Slot,
        session: &Session,
        lineage: Lineage,
        id: String,
    ) -> Result<(), Error> {
        let begun = self.now();
        session.regenerate_id()?;
        let answer = answer(session.save().await);
        let successor = told_id(slot).await;
        if let Some(successor) = &successor {
            self.lineages.known().ids.push((lineage, successor.clone()));
        }
        self.add(
            begun,
            Act::Rotate {
                lineage,
                id,
                successor,
            },
            answer,
        )
    }

    async fn end(&self, slot: &Slot, session: &Session, lineage: Lineage) -> Result<(), Error> {
        let begun = self.now();
        session.destroy();
        let answer = answer(session.save().await);
        let _no_cookie = told_id(slot).await;
        self.add(begun, Act::End { lineage }, answer)
    }

    async fn revoke(&self, lineage: Lineage) -> Result<(), Error> {
        let begun = self.now();
        let ended = self.sessions.end_all(&user(lineage)).await;
        self.add(begun, Act::End { lineage }, answer(ended.map(drop)))
    }

    fn add(
        &self,
        begun: Moment,
        act: Act,
        (answer, error): (Answer, Option<Error>),
    ) -> Result<(), Error> {
        self.history.add(begun, self.now(), act, answer);
        match error {
            Some(error) if answer == Answer::Undecided => Err(error),
            _ => Ok(()),
        }
    }

    fn now(&self) -> Moment {
        self.history.now(self.sessions.now())
    }

    /// Xorshift: the same storm each time, as far as the scheduler lets it be.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}

fn user(lineage: Lineage) -> String {
    format!("user-{lineage}")
}

fn answer(result: Result<(), Error>) -> (Answer, Option<Error>) {
    match result {
        Ok(()) => (Answer::Done, None),
        Err(error @ (Error::SessionEnded | Error::Contended { .. })) => {
            (Answer::Refused, Some(error))
        }
        Err(error) => (Answer::Undecided, Some(error)),
    }
}

/// Closes a request and reads the id that its response tells, if there is one.
async fn told_id(slot: &Slot) -> Option<String> {
    let headers = slot.close(Outcome::Succeeded).await;
    let headers = headers.unwrap_or_else(CloseError::into_headers);
    id_in(headers)
}

fn id_in(headers: ResponseHeaders) -> Option<String> {
    let mut lines = headers.into_lines();
    let line = lines.find(|line| line.name == "set-cookie")?;
    let (_, cookie) = line.value.split_once('=')?;
    let (id, _) = cookie.split_once(';')?;
    (!id.is_empty()).then(|| id.to_owned())
}
