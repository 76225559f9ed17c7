//! Overlapping requests for few sessions, spread over several servers, and what must be true of the answers.

mod line;
mod report;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Result, Visitor, same};
use line::{Act, Line, Sent, Told, dump_of};
pub use report::{Report, Tally};

const SESSIONS: usize = 4;
const THREADS: u64 = 8;

/// Lets eight threads send this many requests in all: increments, new ids, log-outs and looks, each to another of the
/// servers, on four sessions, with their newest ids and with old ones. The store must not be hurt meanwhile: every answer is
/// held to be final.
///
/// # Errors
///
/// The first anomaly: an answer other than 200, an increment that is lost or made twice, a session that is back after its
/// log-out or shown by an old id, a live id that shows none, another visitor's session, a cookie where none is due, a log-out
/// that is carried out never or twice. Or that a server did too little for any of this to mean something.
pub fn storm(servers: &[String], requests: u64) -> Result<Report> {
    let places: Vec<_> = (0..SESSIONS)
        .map(|number| Place::new(number, servers))
        .collect::<Result<_>>()?;
    let places = Arc::new(places);
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let places = Arc::clone(&places);
            thread::spawn(move || {
                let mut dice = Dice(number + 1);
                let visitor = Visitor::default();
                (0..requests / THREADS).try_for_each(|_| {
                    let place = &places[dice.roll(SESSIONS)];
                    place.request(&visitor, &mut dice)
                })
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| "a thread of the storm panicked")??;
    }
    let mut report = Report::of(servers);
    for place in places.iter() {
        place.judge()?;
        report.add(&place.state().tallies);
    }
    report.require_share_of(requests)?;
    Ok(report)
}

/// One session after the other: when one was ended, the next one begins.
struct Place {
    number: usize,
    servers: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests are sent and heard in this order.
    moments: u64,
    /// The last one is the session of now.
    lines: Vec<Line>,
    /// Of each server.
    tallies: Vec<Tally>,
}

impl Place {
    fn new(number: usize, servers: &[String]) -> Result<Self> {
        let place = Place {
            number,
            servers: servers.to_vec(),
            state: Mutex::default(),
        };
        place.state().tallies = vec![Tally::default(); servers.len()];
        place.begin(&servers[0], 0)?;
        Ok(place)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, server: &str, generation: usize) -> Result {
        let visitor = Visitor::default();
        let user = format!("user-{}-{generation}", self.number);
        let line = Line::new(user.clone());
        visitor.body(server, &format!("/login/{user}"))?;
        let id = visitor.cookie().ok_or("a log-in set no cookie")?;
        // All increments that come later are greater: an answer of 1 is that of another session.
        let first = visitor.ask(server, "/incr/n")?;
        same!(first.body, "1", "the first increment of {user}");
        same!(
            first.set_cookie,
            None,
            "the cookie that it sets again to {user}"
        );
        self.state().lines.push(line.with_first(id));
        Ok(())
    }

    fn request(&self, visitor: &Visitor, dice: &mut Dice) -> Result {
        let act = match dice.roll(32) {
            0..18 => Act::Increment,
            18..22 => Act::Regenerate,
            22 => Act::LogOut,
            _ => Act::Look,
        };
        let server = dice.roll(self.servers.len());
        let (sent, told) = self.ask(visitor, server, act, |line| {
            // Mostly the newest, sometimes an old one.
            match dice.roll(8) {
                0 => dice.roll(line.ids()),
                _ => 0,
            }
        })?;
        match told {
            Told::NewId => {
                let server = dice.roll(self.servers.len());
                self.ask(visitor, server, Act::Look, |_| 0)?;
            }
            Told::SignedOut => self.begin(&self.servers[server], sent.generation + 1)?,
            Told::Session | Told::Overlap | Told::Nobody => {}
        }
        Ok(())
    }

    /// Sends a request for the session of now, with the id that is so far behind the newest one, and judges the answer.
    fn ask(
        &self,
        visitor: &Visitor,
        server: usize,
        act: Act,
        back: impl FnOnce(&Line) -> usize,
    ) -> Result<(Sent, Told)> {
        let sent = self.state().send(act, back)?;
        let address = &self.servers[server];
        let answer = visitor.ask_with(address, act.page(), Some(&sent.id))?;
        let told = self.state().hear(server, act, &sent, &answer);
        let told = told.map_err(|anomaly| {
            let page = act.page();
            format!("{anomaly}; {page} of {address}, asked with {sent:?}: {answer:?}")
        })?;
        Ok((sent, told))
    }

    /// When all is quiet: on each server the same, and nothing too much or too little.
    fn judge(&self) -> Result {
        let state = self.state();
        for server in &self.servers {
            for line in &state.lines {
                line.judge(|id| {
                    dump_of(&Visitor::default().ask_with(server, "/dump", Some(id))?)
                })?;
            }
        }
        Ok(())
    }
}

impl State {
    fn now(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }

    fn send(&mut self, act: Act, back: impl FnOnce(&Line) -> usize) -> Result<Sent> {
        let now = self.now();
        let generation = self.lines.len() - 1;
        let line = &mut self.lines[generation];
        let back = back(line);
        Ok(line.send(act, back, generation, now))
    }

    fn hear(
        &mut self,
        server: usize,
        act: Act,
        sent: &Sent,
        answer: &crate::Answer,
    ) -> Result<Told> {
        let now = self.now();
        let told = self.lines[sent.generation].hear(act, sent, answer, now)?;
        self.tallies[server].count(act, &told);
        Ok(told)
    }
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
