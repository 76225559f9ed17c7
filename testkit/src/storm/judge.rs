//! The promises, held against a history.

use std::collections::{HashMap, HashSet};

use anysession::Timestamp;

use super::history::{Act, Answer, Event, Lineage, Mark, Moment, Seen};
use super::{Keeps, Report, SHORT_LIFE};
use crate::suite::{Failure, ensure};

/// Judges events in any order.
pub(super) fn judge(events: &[Event], keeps: Keeps) -> Result<Report, Failure> {
    let story = Story::of(events);
    let (mut looks, mut report) = (HashMap::<Lineage, Vec<Look<'_>>>::new(), Report::default());
    for event in events {
        report.operations += 1;
        report.undecided += usize::from(event.answer == Answer::Undecided);
        report.refused += usize::from(event.answer == Answer::Refused);
        report.sessions += usize::from(matches!(event.act, Act::Begin { .. }));
        if let Act::Look {
            id,
            seen: Some(seen),
            last,
        } = &event.act
        {
            let look = Look {
                begun: event.begun,
                ended: event.ended,
                id,
                seen,
                last: *last,
            };
            story.told_of(&look)?.admits(&look)?;
            looks.entry(seen.lineage).or_default().push(look);
        }
    }
    if keeps == Keeps::Everything {
        for (lineage, told) in &story.0 {
            told.lost_nothing(looks.get(lineage).map_or(&[], Vec::as_slice))?;
        }
    }
    Ok(report)
}

struct Look<'e> {
    begun: Moment,
    ended: Moment,
    id: &'e str,
    seen: &'e Seen,
    last: bool,
}

struct Story<'e>(HashMap<Lineage, Told<'e>>);

/// What was done to one session, and answered.
#[derive(Default)]
struct Told<'e> {
    begun: bool,
    short_lived: bool,
    ids: HashSet<&'e str>,
    writes: HashMap<Mark, (Answer, Moment)>,
    /// When an id was dead for good.
    replaced: HashMap<&'e str, Moment>,
    ended: Option<Moment>,
    /// It may have ended, or have moved to an id that nobody was told.
    may_be_gone: bool,
    /// Beginning and end of everything that may have prolonged it.
    uses: Vec<(Moment, Moment)>,
}

impl<'e> Story<'e> {
    fn of(events: &'e [Event]) -> Self {
        let mut story = HashMap::<Lineage, Told<'e>>::new();
        for event in events {
            let lineage = match &event.act {
                Act::Begin { lineage, .. }
                | Act::Write { lineage, .. }
                | Act::Rotate { lineage, .. }
                | Act::End { lineage } => lineage,
                Act::Look {
                    seen: Some(seen), ..
                } => &seen.lineage,
                Act::Look { seen: None, .. } => continue,
            };
            story.entry(*lineage).or_default().note(event);
        }
        Story(story)
    }

    /// I4: an id shows the session that it was told to, and no other.
    fn told_of(&self, look: &Look<'_>) -> Result<&Told<'e>, Failure> {
        let told = self
            .0
            .get(&look.seen.lineage)
            .filter(|told| told.ids.contains(look.id));
        told.ok_or_else(|| {
            Failure::new(format!(
                "an id shows the session {}, which it was not given for",
                look.seen.lineage
            ))
        })
    }
}

impl<'e> Told<'e> {
    fn note(&mut self, event: &'e Event) {
        let done = event.answer == Answer::Done;
        match &event.act {
            Act::Begin {
                short_lived, id, ..
            } => {
                self.begun |= done;
                self.short_lived |= short_lived;
                self.ids.insert(id);
            }
            Act::Look { .. } => {}
            Act::Write { mark, .. } => {
                self.writes.insert(*mark, (event.answer, event.ended));
            }
            Act::Rotate { id, successor, .. } => {
                self.ids.extend(successor.as_deref());
                if done {
                    let first = self.replaced.entry(id).or_insert(event.ended);
                    *first = event.ended.min(*first);
                }
                self.may_be_gone |= event.answer == Answer::Undecided;
            }
            Act::End { .. } => {
                if done {
                    self.ended = Some(
                        self.ended
                            .map_or(event.ended, |first| event.ended.min(first)),
                    );
                }
                self.may_be_gone |= event.answer == Answer::Undecided;
            }
        }
        self.uses.push((event.begun, event.ended));
    }

    /// What holds whatever a store forgets: no write made twice, none that was refused, and I6, nothing after its
    /// deadline.
    fn admits(&self, look: &Look<'_>) -> Result<(), Failure> {
        let mut marks = HashSet::new();
        for mark in &look.seen.marks {
            ensure!(
                marks.insert(mark),
                "write {mark} was made twice: {:?}",
                look.seen
            );
            match self.writes.get(mark) {
                Some((Answer::Refused, _)) => {
                    return Err(Failure::new(format!(
                        "write {mark} was refused, and made all the same"
                    )));
                }
                // Not answered before the look, or it belongs to another session.
                None => {
                    return Err(Failure::new(format!(
                        "write {mark} is in a session that it was not made in"
                    )));
                }
                Some(_) => {}
            }
        }
        if self.short_lived {
            let before = self.uses.iter().filter(|(begun, _)| *begun < look.begun);
            let last_use = before
                .map(|(_, ended)| ended.time)
                .max()
                .unwrap_or(Timestamp::MAX);
            ensure!(
                look.begun.time <= last_use + SHORT_LIFE,
                "a session was found after its deadline: {:?} after {last_use:?}",
                look.begun.time
            );
        }
        Ok(())
    }

    fn lost_nothing(&self, looks: &[Look<'_>]) -> Result<(), Failure> {
        for look in looks {
            self.is_not_resurrected(look)?;
            self.has_all_writes(look)?;
            let earlier = looks.iter().filter(|earlier| earlier.ended < look.begun);
            let longest = earlier
                .map(|earlier| self.answered(earlier.seen))
                .max_by_key(Vec::len);
            let marks = self.answered(look.seen);
            ensure!(
                longest
                    .as_ref()
                    .is_none_or(|longest| marks.starts_with(longest)),
                "I7: a session went back from {longest:?} to {marks:?}"
            );
        }
        let live: HashSet<_> = looks
            .iter()
            .filter(|look| look.last)
            .map(|look| look.id)
            .collect();
        ensure!(
            live.len() <= 1,
            "I5: {} ids of one session are alive",
            live.len()
        );
        let must_live =
            self.begun && !self.short_lived && self.ended.is_none() && !self.may_be_gone;
        ensure!(
            !must_live || live.len() == 1,
            "I5: a session that nobody ended is gone"
        );
        Ok(())
    }

    /// The writes in it that were answered Ok. Another one may be seen and still not last: a database that crashes may have
    /// shown it before it was on disk.
    fn answered(&self, seen: &Seen) -> Vec<Mark> {
        let is_done = |mark: &&Mark| matches!(self.writes.get(mark), Some((Answer::Done, _)));
        seen.marks.iter().filter(is_done).copied().collect()
    }

    /// I1 and I2: what was answered to be dead stays dead, under its id and under any other.
    fn is_not_resurrected(&self, look: &Look<'_>) -> Result<(), Failure> {
        let over = |since: Option<&Moment>| since.is_some_and(|since| *since < look.begun);
        ensure!(
            !over(self.replaced.get(look.id)),
            "I1: an id that was replaced shows its session again"
        );
        ensure!(
            !over(self.ended.as_ref()),
            "I1, I2: a session that was ended is back"
        );
        Ok(())
    }

    /// I3: what was answered Ok before the look began is there.
    fn has_all_writes(&self, look: &Look<'_>) -> Result<(), Failure> {
        let marks: HashSet<_> = look.seen.marks.iter().collect();
        let answered = self
            .writes
            .iter()
            .filter(|(_, (answer, ended))| *answer == Answer::Done && *ended < look.begun);
        for (mark, _) in answered {
            ensure!(
                marks.contains(mark),
                "I3: write {mark} was answered Ok, and is lost"
            );
        }
        Ok(())
    }
}
