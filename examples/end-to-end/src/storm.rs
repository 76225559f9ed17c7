//! Overlapping requests for few sessions, spread over several servers, and what must be true of the answers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::{Result, Visitor};

/// How a storm came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests that were answered.
    pub requests: u64,
    /// Increments that a server had counted.
    pub increments: u64,
    /// Requests that were not answered with 200, so that it is not known whether they changed anything.
    pub undecided: u64,
}

const SESSIONS: usize = 4;
const THREADS: u64 = 8;

/// Lets eight threads send this many requests in all: increments, new ids, log-outs and looks, each to another of the
/// servers, on four sessions, with their newest ids and with old ones.
///
/// # Errors
///
/// The first anomaly: an increment that is lost or made twice, a session that is back after its log-out, an old id that
/// shows one, more than one live id, one visitor's session shown to another.
pub fn storm(servers: &[String], requests: u64) -> Result<Report> {
    let places: Vec<_> = (0..SESSIONS)
        .map(|number| Place::new(number, &servers[0]))
        .collect::<Result<_>>()?;
    let (places, servers) = (Arc::new(places), Arc::<[String]>::from(servers));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (places, servers) = (Arc::clone(&places), Arc::clone(&servers));
            thread::spawn(move || {
                let mut dice = Dice(number + 1);
                let visitor = Visitor::default();
                (0..requests / THREADS).try_for_each(|_| {
                    let place = &places[dice.roll(SESSIONS)];
                    place.request(&visitor, &servers[dice.roll(servers.len())], &mut dice)
                })
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| "a thread of the storm panicked")??;
    }
    let mut report = Report::default();
    for place in places.iter() {
        report.add(&place.judge(&servers)?);
    }
    Ok(report)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            requests,
            increments,
            undecided,
        } = self;
        write!(
            f,
            "{requests} requests, {increments} increments, {undecided} undecided; no anomaly"
        )
    }
}

impl Report {
    fn add(&mut self, other: &Report) {
        self.requests += other.requests;
        self.increments += other.increments;
        self.undecided += other.undecided;
    }
}

/// One session after the other: when one was ended, the next one begins.
struct Place {
    number: usize,
    moments: AtomicU64,
    told: Mutex<Told>,
}

/// What was answered.
#[derive(Default)]
struct Told {
    generation: usize,
    ended: Vec<Ended>,
    current: Line,
    report: Report,
}

#[derive(Clone, Default)]
struct Line {
    user: String,
    /// Each with the moment since which it is dead.
    ids: Vec<(String, Option<u64>)>,
    increments: u64,
    undecided: u64,
}

struct Ended {
    line: Line,
    since: u64,
}

impl Place {
    fn new(number: usize, server: &str) -> Result<Self> {
        let place = Place {
            number,
            moments: AtomicU64::new(0),
            told: Mutex::default(),
        };
        let line = place.begin(server, 0)?;
        place.told().current = line;
        Ok(place)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    fn begin(&self, server: &str, generation: usize) -> Result<Line> {
        let visitor = Visitor::default();
        let user = format!("user-{}-{generation}", self.number);
        visitor.body(server, &format!("/login/{user}"))?;
        visitor.body(server, "/incr/n")?;
        let id = visitor.cookie().ok_or("a log-in set no cookie")?;
        Ok(Line {
            user,
            ids: vec![(id, None)],
            increments: 1,
            undecided: 0,
        })
    }

    fn request(&self, visitor: &Visitor, server: &str, dice: &mut Dice) -> Result {
        let (generation, user, id) = {
            let told = self.told();
            let ids = &told.current.ids;
            // Mostly the newest, sometimes an old one.
            let back = if dice.roll(8) == 0 {
                dice.roll(ids.len())
            } else {
                0
            };
            (
                told.generation,
                told.current.user.clone(),
                ids[ids.len() - 1 - back].0.clone(),
            )
        };
        let begun = self.now();
        let ask = |page: &str| visitor.ask_with(server, page, Some(&id));
        match dice.roll(32) {
            0..18 => {
                let answer = ask("/incr/n")?;
                let counted = answer.body.parse::<u64>().is_ok_and(|n| n > 1);
                self.note(generation, |line| match answer.status {
                    200 => line.increments += u64::from(counted),
                    _ => line.undecided += 1,
                });
            }
            18..22 => {
                if let Some(successor) = ask("/regenerate")?.cookie {
                    let now = self.now();
                    self.note(generation, |line| {
                        for (known, dead) in &mut line.ids {
                            if *known == id {
                                dead.get_or_insert(now);
                            }
                        }
                        line.ids.push((successor, None));
                    });
                }
            }
            22 => {
                if ask("/logout")?.status == 200 {
                    self.next_session(server, generation)?;
                }
            }
            _ => {
                let dump: Value = serde_json::from_str(&ask("/dump")?.body)?;
                self.judge_look(&id, &user, &dump, begun)?;
            }
        }
        self.told().report.requests += 1;
        Ok(())
    }

    /// Notes something about the session of this generation, which may have ended meanwhile.
    fn note(&self, generation: usize, note: impl FnOnce(&mut Line)) {
        let mut told = self.told();
        match told.generation == generation {
            true => note(&mut told.current),
            false => note(&mut told.ended[generation].line),
        }
    }

    fn next_session(&self, server: &str, generation: usize) -> Result {
        let since = self.now();
        let line = self.begin(server, generation + 1)?;
        let mut told = self.told();
        // Of several log-outs that met, one begins the next session.
        if told.generation == generation {
            let line = std::mem::replace(&mut told.current, line);
            told.ended.push(Ended { line, since });
            told.generation += 1;
        }
        Ok(())
    }

    fn judge_look(&self, id: &str, user: &str, dump: &Value, begun: u64) -> Result {
        let seen = match dump["user"].as_str() {
            None => return Ok(()),
            Some(seen) if seen == user => seen,
            Some(seen) => return Err(format!("an id of {user} shows the session of {seen}").into()),
        };
        let told = self.told();
        if let Some(ended) = told
            .ended
            .iter()
            .find(|ended| ended.line.user == seen && ended.since < begun)
        {
            return Err(format!(
                "{seen} is back after a log-out: {dump}, since {}",
                ended.since
            )
            .into());
        }
        let dead = |(known, since): &(String, Option<u64>)| {
            known == id && since.is_some_and(|since| since < begun)
        };
        match told.current.user == seen && told.current.ids.iter().any(dead) {
            true => Err(format!("an id that was replaced shows {seen} again").into()),
            false => Ok(()),
        }
    }

    /// When all is quiet: on each server the same, and nothing too much or too little.
    fn judge(&self, servers: &[String]) -> Result<Report> {
        let told = self.told();
        for server in servers {
            for ended in &told.ended {
                let live = live(server, &ended.line)?;
                if !live.is_empty() {
                    return Err(
                        format!("{} is back after a log-out: {live:?}", ended.line.user).into(),
                    );
                }
            }
            let Line {
                user,
                increments,
                undecided,
                ..
            } = &told.current;
            let live = live(server, &told.current)?;
            let [count] = live[..] else {
                return Err(format!("{user} has {} live ids instead of one", live.len()).into());
            };
            if !(*increments..=increments + undecided).contains(&count) {
                return Err(format!("{user} counts {count} instead of {increments} increments (and {undecided} undecided)").into());
            }
        }
        let mut report = told.report;
        for line in told
            .ended
            .iter()
            .map(|ended| &ended.line)
            .chain([&told.current])
        {
            report.increments += line.increments;
            report.undecided += line.undecided;
        }
        Ok(report)
    }
}

/// What the ids of a session show: a count each, if they are alive.
fn live(server: &str, line: &Line) -> Result<Vec<u64>> {
    let mut live = Vec::new();
    for (id, _) in &line.ids {
        let dump = Visitor::with_cookie(Some(id.clone())).dump(server)?;
        if dump["user"] == line.user.as_str() {
            live.push(dump["data"]["n"].as_u64().unwrap_or_default());
        }
    }
    Ok(live)
}

/// Xorshift: the same requests each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}
