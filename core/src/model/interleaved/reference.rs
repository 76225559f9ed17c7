//! What overlapping requests come to, said of sessions and not of stores: one request after the other, at once.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Insert(&'static str, u8),
    Remove(&'static str),
    Add(&'static str, u8),
    Clear,
    Regenerate,
    LogIn(&'static str),
    Destroy,
}

pub(super) type Data = BTreeMap<String, u8>;

/// The sessions, each with the one that it went over into.
#[derive(Debug, Default)]
pub(super) struct Reference {
    sessions: Vec<Session>,
}

#[derive(Clone, Debug)]
struct Session {
    user: Option<&'static str>,
    data: Data,
    state: State,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Live,
    Ended,
    Replaced(usize),
}

/// What a request wishes, apart from all encoding.
#[derive(Default)]
pub(super) struct Wanted {
    destroy: bool,
    regenerate: bool,
    log_in: Option<&'static str>,
    from_empty: bool,
    /// Changes of data, in their order.
    changes: Vec<Deed>,
}

impl Wanted {
    /// What a request wishes that found this. A removal of what it does not see is none.
    pub(super) fn of(deeds: &[Deed], user: Option<&'static str>, found: &Data) -> Self {
        let mut wanted = Wanted::default();
        let (mut user, mut seen) = (user, found.clone());
        for deed in deeds {
            match deed {
                Deed::Destroy => {
                    (user, seen) = (None, Data::new());
                    wanted = Wanted {
                        destroy: true,
                        ..Wanted::default()
                    };
                }
                Deed::Regenerate => wanted.regenerate = true,
                Deed::LogIn(name) => {
                    if user.is_some_and(|user| user != *name) {
                        wanted.changes.clear();
                        wanted.from_empty = true;
                        seen.clear();
                    }
                    user = Some(name);
                    wanted.log_in = user;
                }
                Deed::Remove(key) if !seen.contains_key(*key) => {}
                change => {
                    change.apply(&mut seen);
                    wanted.changes.push(change.clone());
                }
            }
        }
        wanted
    }

    fn apply(&self, data: &mut Data) {
        self.changes.iter().for_each(|change| change.apply(data));
    }
}

impl Deed {
    fn apply(&self, data: &mut Data) {
        match self {
            Deed::Insert(key, value) => {
                data.insert((*key).to_owned(), *value);
            }
            Deed::Remove(key) => {
                data.remove(*key);
            }
            Deed::Add(key, more) => *data.entry((*key).to_owned()).or_default() += more,
            Deed::Clear => data.clear(),
            Deed::Regenerate | Deed::LogIn(_) | Deed::Destroy => {}
        }
    }
}

impl Reference {
    pub(super) fn begin(&mut self, user: Option<&'static str>, data: Data) -> usize {
        self.sessions.push(Session {
            user,
            data,
            state: State::Live,
        });
        self.sessions.len() - 1
    }

    /// Where a session is now for a request that found it as `user`'s.
    fn current(
        &self,
        mut at: usize,
        mut user: Option<&'static str>,
        log_in: Option<&'static str>,
    ) -> Option<usize> {
        loop {
            let session = &self.sessions[at];
            if session.user != user {
                if session.user.is_none() || session.user != log_in {
                    return None;
                }
                user = log_in;
            }
            match session.state {
                State::Live => return Some(at),
                State::Ended => return None,
                State::Replaced(next) => at = next,
            }
        }
    }

    /// The destroy of a request, which comes before the rest of it.
    pub(super) fn destroy(&mut self, at: usize, user: Option<&'static str>) {
        if let Some(at) = self.current(at, user, None) {
            self.sessions[at].state = State::Ended;
        }
    }

    /// One request, at once, on the session that it found, or after it has destroyed that.
    pub(super) fn carry_out(
        &mut self,
        wanted: &Wanted,
        at: usize,
        user: Option<&'static str>,
        destroyed: bool,
    ) {
        if wanted.destroy {
            // Where others were faster, nothing but a log-in begins another.
            if destroyed || wanted.log_in.is_some() {
                self.begin_anew(wanted);
            }
            return;
        }
        let current = self.current(at, user, wanted.log_in);
        match (current, wanted.log_in) {
            (Some(current), Some(name)) => {
                let old = &self.sessions[current];
                let keeps = match old.user {
                    // What it found was dropped if somebody else was signed in between.
                    Some(current) => current == name && !(wanted.from_empty && user == Some(name)),
                    None => !wanted.from_empty,
                };
                let mut data = if keeps { old.data.clone() } else { Data::new() };
                wanted.apply(&mut data);
                let next = self.begin(Some(name), data);
                self.sessions[current].state = State::Replaced(next);
            }
            (None, Some(_)) => self.begin_anew(wanted),
            (Some(current), None) => {
                wanted.apply(&mut self.sessions[current].data);
                // Its id was replaced already if it is not where it was found.
                if wanted.regenerate && current == at {
                    let Session { user, data, .. } = self.sessions[current].clone();
                    let next = self.begin(user, data);
                    self.sessions[current].state = State::Replaced(next);
                }
            }
            (None, None) => {}
        }
    }

    fn begin_anew(&mut self, wanted: &Wanted) {
        let mut data = Data::new();
        wanted.apply(&mut data);
        if wanted.log_in.is_some() || !data.is_empty() {
            self.begin(wanted.log_in, data);
        }
    }

    pub(super) fn live(&self) -> Vec<(Option<String>, Data)> {
        let live = self
            .sessions
            .iter()
            .filter(|session| session.state == State::Live);
        let mut live: Vec<_> = live
            .map(|session| (session.user.map(str::to_owned), session.data.clone()))
            .collect();
        live.sort();
        live
    }
}
