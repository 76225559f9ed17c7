//! For whoever reads a counter-example.

use super::super::start::key;
use super::{Action, Actor, World};

impl World {
    pub(in crate::model) fn tell_cast(&self) -> String {
        let name = |actor: &Actor| match actor {
            Actor::Request(request) => request.name(),
            Actor::Revoke(_) => "revoke",
        };
        let names = self.actors.iter().map(name).enumerate();
        names
            .map(|(who, name)| format!("{who}: {name}\n"))
            .collect()
    }

    pub(in crate::model) fn tell(&self, action: Action) -> String {
        if let Action::Deliver(at) = action {
            return self.browser.tell(at);
        }
        let (Action::Verb(who)
        | Action::Send(who)
        | Action::Fail { who, .. }
        | Action::LateConflict(who)
        | Action::Leave(who)
        | Action::Crash(who)) = action
        else {
            return "the deadline passes".to_owned();
        };
        let next = match &self.actors[who] {
            Actor::Request(request) => request.tell(),
            Actor::Revoke(revoke) => revoke.tell(),
        };
        format!("{action:?}: {next}")
    }

    pub(in crate::model) fn tell_end(&self) -> String {
        let mut told = format!(
            "{:?}, {:#?}, {:#?}\n",
            self.shelf, self.ledger, self.browser
        );
        for actor in &self.actors {
            told += &match actor {
                Actor::Request(request) => format!("{}\n", request.tell()),
                Actor::Revoke(revoke) => format!("{}\n", revoke.tell()),
            };
        }
        for number in (0..64).chain(200..204) {
            told = told.replace(&format!("{:?}", key(number)), &format!("key {number}"));
        }
        told
    }
}
