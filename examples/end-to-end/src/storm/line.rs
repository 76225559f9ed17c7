//! One session, as far as it is known from the answers, and the rules by which they are judged.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{Answer, Result, same};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Increment,
    Regenerate,
    LogOut,
    Look,
}

impl Act {
    pub(super) fn page(self) -> &'static str {
        match self {
            Act::Increment => "/incr/n",
            Act::Regenerate => "/regenerate",
            Act::LogOut => "/logout",
            Act::Look => "/dump",
        }
    }

    /// Whether the id that it is sent with may be dead afterwards.
    fn ends_the_id(self) -> bool {
        matches!(self, Act::Regenerate | Act::LogOut)
    }
}

/// What was known when a request was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) generation: usize,
    pub(super) id: String,
    at: u64,
    /// How many increments had been answered.
    counted: u64,
    /// The number of log-outs and new ids that had been asked for, if all of them were answered and this id is what they left.
    /// While no other is asked for, the session must be found.
    settled: Option<u64>,
}

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The session was found.
    Session,
    /// It was, as another increment found it too: one of them was replayed on what the other one wrote.
    Overlap,
    /// It was, and goes on under a new id.
    NewId,
    /// It was, and was ended by this request.
    SignedOut,
    /// No session was found.
    Nobody,
}

/// A session from its log-in to its log-out.
#[derive(Debug)]
pub(super) struct Line {
    user: String,
    begun: SystemTime,
    /// The newest is the last; each with the moment since which it is dead.
    ids: Vec<(String, Option<u64>)>,
    /// Increments that were sent, but for those that found no session.
    sent: u64,
    /// Those of them that were answered.
    counted: u64,
    /// The numbers that they were answered with.
    numbers: BTreeSet<u64>,
    /// Log-outs and new ids that were asked for, and how many of them are not answered yet.
    moves: u64,
    moving: u64,
    /// Whether a log-out was sent.
    leaving: bool,
    /// The moment when one was answered.
    over: Option<u64>,
    /// Log-outs that said that it was they who ended the session.
    ended: u64,
}

/// How long a replaced id gets no cookie.
const GRACE: Duration = Duration::from_secs(30);

impl Line {
    /// A session that is about to begin.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers judge by real time how long ago an id was replaced"
    )]
    pub(super) fn new(user: String) -> Self {
        Line {
            user,
            begun: SystemTime::now(),
            ids: Vec::new(),
            sent: 0,
            counted: 0,
            numbers: BTreeSet::new(),
            moves: 0,
            moving: 0,
            leaving: false,
            over: None,
            ended: 0,
        }
    }

    /// The same with its first id and its first increment.
    pub(super) fn with_first(self, id: String) -> Self {
        Line {
            ids: vec![(id, None)],
            sent: 1,
            counted: 1,
            ..self
        }
    }

    /// How many ids there were.
    pub(super) fn ids(&self) -> usize {
        self.ids.len()
    }

    /// Takes note of a request with the id that is so far behind the newest one.
    pub(super) fn send(&mut self, act: Act, back: usize, generation: usize, now: u64) -> Sent {
        let is_settled = back == 0 && self.moving == 0 && !self.leaving;
        let counted = self.counted;
        self.sent += u64::from(act == Act::Increment);
        if act.ends_the_id() {
            self.moves += 1;
            self.moving += 1;
        }
        self.leaving |= act == Act::LogOut;
        Sent {
            generation,
            id: self.ids[self.ids.len() - 1 - back].0.clone(),
            at: now,
            counted,
            settled: is_settled.then_some(self.moves),
        }
    }

    /// Judges an answer, and takes note of it.
    pub(super) fn hear(
        &mut self,
        act: Act,
        sent: &Sent,
        answer: &Answer,
        now: u64,
    ) -> Result<Told> {
        let user = self.user.clone();
        // No store is hurt, so nothing excuses a refusal. It would leave open what became of the request.
        same!(answer.status, 200, "how {act:?} of {user} is answered");
        self.moving -= u64::from(act.ends_the_id());
        let told = match act {
            Act::Increment => self.hear_increment(sent, answer)?,
            Act::Regenerate => self.hear_regenerate(sent, answer, now)?,
            Act::LogOut => self.hear_log_out(answer)?,
            Act::Look => self.hear_look(sent, answer)?,
        };
        let is_settled = sent.settled == Some(self.moves);
        if told == Told::Nobody && is_settled {
            return Err(format!("the newest id of {user} is not known").into());
        }
        if told != Told::Nobody && self.over.is_some_and(|over| over < sent.at) {
            return Err(format!("{user} is back after a log-out").into());
        }
        // A log-out with an old id ends the session all the same.
        if !matches!(told, Told::Nobody | Told::SignedOut) && self.was_dead(sent) {
            return Err(format!("an id that was replaced shows {user} again").into());
        }
        if act == Act::LogOut {
            self.over.get_or_insert(now);
        }
        Ok(told)
    }

    fn was_dead(&self, sent: &Sent) -> bool {
        let mut ids = self.ids.iter();
        ids.any(|(id, dead)| *id == sent.id && dead.is_some_and(|since| since < sent.at))
    }

    /// The number is that of the session that the request found, which was there if it is more than the first one.
    fn hear_increment(&mut self, sent: &Sent, answer: &Answer) -> Result<Told> {
        let user = &self.user;
        let number: u64 = answer.body.parse()?;
        if number > 1 {
            // Also if the session ended meanwhile, or got another id.
            same!(
                answer.set_cookie,
                None,
                "the cookie of an increment that found {user}"
            );
            self.counted += 1;
            // Its own is not among those that it may have found.
            self.judge_count(sent, number - 1, self.sent - 1)?;
            return Ok(match self.numbers.insert(number) {
                true => Told::Session,
                false => Told::Overlap,
            });
        }
        self.sent -= 1;
        // After a log-out the id is unknown, and a session of somebody else begins. A replaced one gets no cookie.
        match &answer.cookie {
            Some(cookie) if cookie.ends_with('=') => {
                Err(format!("an increment with an id of {user} removes the cookie").into())
            }
            Some(cookie) if self.has(cookie) => Err(format!("an id of {user} is adopted").into()),
            Some(_) if !self.leaving && self.begun.elapsed().is_ok_and(|age| age < GRACE) => Err(format!(
                "an id of {user}, whom nobody signed out, is not known: it begins another session"
            )
            .into()),
            _ => Ok(Told::Nobody),
        }
    }

    /// A cookie means that the session lives on under it.
    fn hear_regenerate(&mut self, sent: &Sent, answer: &Answer, now: u64) -> Result<Told> {
        let user = &self.user;
        let Some(successor) = &answer.cookie else {
            return Ok(Told::Nobody);
        };
        if successor.ends_with('=') || self.has(successor) {
            return Err(format!("what {user} gets for a new id is none").into());
        }
        for (id, dead) in &mut self.ids {
            if *id == sent.id {
                dead.get_or_insert(now);
            }
        }
        self.ids.push((successor.clone(), None));
        Ok(Told::NewId)
    }

    /// Of all log-outs, the one that ends the session removes the cookie.
    fn hear_log_out(&mut self, answer: &Answer) -> Result<Told> {
        let user = &self.user;
        match answer.cookie.as_deref() {
            None => return Ok(Told::Nobody),
            Some(removal) if removal.ends_with('=') => self.ended += 1,
            Some(_) => return Err(format!("a log-out of {user} sets a cookie").into()),
        }
        same!(self.ended, 1, "log-outs that ended {user}");
        Ok(Told::SignedOut)
    }

    fn hear_look(&mut self, sent: &Sent, answer: &Answer) -> Result<Told> {
        match self.seen(&dump_of(answer)?)? {
            None => Ok(Told::Nobody),
            Some(count) => {
                self.judge_count(sent, count, self.sent)?;
                Ok(Told::Session)
            }
        }
    }

    /// Increments that were answered before the request was sent, it has found; those that were not sent yet, it has not.
    fn judge_count(&self, sent: &Sent, count: u64, most: u64) -> Result {
        match (sent.counted..=most).contains(&count) {
            true => Ok(()),
            false => Err(format!(
                "{} counts {count}, where {} increments had been answered and {most} were sent",
                self.user, sent.counted
            )
            .into()),
        }
    }

    fn has(&self, cookie: &str) -> bool {
        self.ids.iter().any(|(id, _)| id == cookie)
    }

    /// What a dump shows of this session: its count, if it is there. There must be nothing of any other.
    fn seen(&self, dump: &Value) -> Result<Option<u64>> {
        let Line { user, .. } = self;
        let data = dump["data"].as_object().ok_or("a dump without data")?;
        match dump["user"].as_str() {
            None if data.is_empty() => Ok(None),
            Some(seen) if seen == user => {
                Ok(Some(data.get("n").and_then(Value::as_u64).unwrap_or(0)))
            }
            _ => Err(format!("an id of {user} shows another session: {dump}").into()),
        }
    }

    /// When all is quiet: what a server shows of the session under all of its ids.
    pub(super) fn judge(&self, dump: impl Fn(&str) -> Result<Value>) -> Result {
        let Line { user, .. } = self;
        let mut shown = Vec::new();
        for (id, _) in &self.ids {
            shown.push(self.seen(&dump(id)?)?);
        }
        let newest = shown.pop().flatten();
        let old: Vec<u64> = shown.into_iter().flatten().collect();
        if !old.is_empty() {
            return Err(format!("ids that were replaced show {user} in the end: {old:?}").into());
        }
        match (self.over, newest) {
            (None, newest) => same!(newest, Some(self.counted), "what {user} counts in the end"),
            (Some(_), None) => same!(self.ended, 1, "log-outs that ended {user}"),
            (Some(_), Some(_)) => return Err(format!("{user} is back after a log-out").into()),
        }
        Ok(())
    }
}

/// What a page of `/dump` shows. It changes nothing, so it sets no cookie.
pub(super) fn dump_of(answer: &Answer) -> Result<Value> {
    same!(answer.status, 200, "how a look is answered");
    same!(answer.set_cookie, None, "the cookie of a look");
    Ok(serde_json::from_str(&answer.body)?)
}
