//! What a storm did, and whether that is enough to mean something.

use std::fmt;

use super::line::{Act, Told};
use crate::Result;

/// How a storm came out: what each server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<(String, Tally)>);

/// What was answered by a server that saw the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests, whatever they saw.
    pub requests: u64,
    /// Increments.
    pub increments: u64,
    /// Those of them that found what another one found too.
    pub overlaps: u64,
    /// New ids that were handed out.
    pub regenerations: u64,
    /// Log-outs that ended a session.
    pub log_outs: u64,
}

impl Report {
    pub(super) fn of(servers: &[String]) -> Self {
        let servers = servers.iter().cloned();
        Report(servers.map(|server| (server, Tally::default())).collect())
    }

    pub(super) fn add(&mut self, tallies: &[Tally]) {
        for ((_, sum), tally) in self.0.iter_mut().zip(tallies) {
            sum.requests += tally.requests;
            sum.increments += tally.increments;
            sum.overlaps += tally.overlaps;
            sum.regenerations += tally.regenerations;
            sum.log_outs += tally.log_outs;
        }
    }

    /// Refuses a storm in which a server did much less than the dice gave it. They give it 18 increments, 4 new ids and
    /// one log-out in 32 requests, of which some come too late or with an old id.
    pub(super) fn require_share_of(&self, requests: u64) -> Result {
        let share = requests / self.0.len() as u64;
        // One alone with its memory may answer each request before it takes the next one.
        if self.0.len() > 1 && self.0.iter().all(|(_, tally)| tally.overlaps == 0) {
            return Err("the storm proves little: no two increments came at the same time".into());
        }
        for (server, tally) in &self.0 {
            let required = [
                ("requests", tally.requests, share / 2),
                ("increments", tally.increments, share / 4),
                ("new ids", tally.regenerations, (share / 64).max(1)),
                ("log-outs", tally.log_outs, (share / 256).max(1)),
            ];
            for (what, seen, least) in required {
                if seen < least {
                    return Err(format!(
                        "the storm proves little: {seen} {what} of {server}, at least {least} were to be expected"
                    )
                    .into());
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (server, tally) in &self.0 {
            let Tally {
                requests,
                increments,
                overlaps,
                regenerations,
                log_outs,
            } = tally;
            writeln!(
                f,
                "{server}: {requests} requests, {increments} increments ({overlaps} of them at the same time), {regenerations} new ids, {log_outs} log-outs"
            )?;
        }
        f.write_str("no anomaly")
    }
}

impl Tally {
    pub(super) fn count(&mut self, act: Act, told: &Told) {
        self.requests += 1;
        match (act, told) {
            (Act::Increment, Told::Session) => self.increments += 1,
            (Act::Increment, Told::Overlap) => {
                self.increments += 1;
                self.overlaps += 1;
            }
            (Act::Regenerate, Told::NewId) => self.regenerations += 1,
            (Act::LogOut, Told::SignedOut) => self.log_outs += 1,
            _ => {}
        }
    }
}
