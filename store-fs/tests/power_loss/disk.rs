//! A disk that keeps what was synced, and of the rest what it likes.
//!
//! What was written to a file and not synced may be there, missing, cut, or zeros. What was made, renamed and removed in a
//! folder that was not synced may be lost from any point on: what remains is in order, as on a filesystem with a journal,
//! but each folder, and each file, stands for itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::trace::Step;

/// What there is after a loss of power: folders, and files with their content.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    top: PathBuf,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    File { synced: Vec<u8>, now: Vec<u8> },
    Folder { synced: Names, later: Vec<Change> },
}

type Names = BTreeMap<OsString, usize>;

#[derive(Clone, Debug)]
enum Change {
    Make(OsString, usize),
    Rename(OsString, OsString),
    Remove(OsString),
}

impl Disk {
    /// With an empty folder that survives everything.
    pub(crate) fn new(top: &Path) -> Self {
        Disk {
            top: top.to_owned(),
            nodes: vec![Node::folder()],
        }
    }

    /// Carries out a step. What lies outside the top folder is none of its business.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::MakeFolder(path) => self.make(path, Node::folder()),
            Step::MakeFile(path) => self.make(path, Node::file()),
            Step::Write(path, place, bytes) => {
                let Some(Node::File { now, .. }) = self.find(path) else {
                    return;
                };
                let place = place.unwrap_or(now.len());
                now.resize(now.len().max(place + bytes.len()), 0);
                now[place..place + bytes.len()].copy_from_slice(bytes);
            }
            Step::Rename(from, to) => {
                assert_eq!(from.parent(), to.parent());
                self.change(from, |from| {
                    Change::Rename(from, to.file_name().unwrap().into())
                });
            }
            Step::Remove(path) => self.change(path, Change::Remove),
            Step::Sync(path) => match self.find(path) {
                Some(Node::File { synced, now }) => synced.clone_from(now),
                Some(Node::Folder { synced, later }) => {
                    later.drain(..).for_each(|change| change.apply(synced));
                }
                None => {}
            },
            Step::Answered => {}
        }
    }

    fn make(&mut self, path: &Path, node: Node) {
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        self.change(path, |name| Change::Make(name, new));
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(OsString) -> Change) {
        if let Some(Node::Folder { later, .. }) = self.find(path.parent().unwrap()) {
            later.push(change(path.file_name().unwrap().into()));
        }
    }

    /// What is at a path for the process, which sees all that it did.
    fn find(&mut self, path: &Path) -> Option<&mut Node> {
        let mut at = 0;
        for name in path.strip_prefix(&self.top).ok()? {
            at = *self.nodes[at].names(usize::MAX).get(name)?;
        }
        Some(&mut self.nodes[at])
    }

    /// What a loss of power now may leave: every combination, or so many of them. Those are nothing of what was not
    /// synced and all of it, each of the two but for one file or folder, and a mixture that is the same each time.
    pub(crate) fn remains(&self, limit: usize) -> Vec<Tree> {
        let choices: Vec<usize> = self.nodes.iter().map(Node::choices).collect();
        let mut picks = vec![vec![0; choices.len()]];
        let all: Vec<usize> = choices.iter().map(|choices| choices - 1).collect();
        let combinations = choices
            .iter()
            .try_fold(1usize, |product, choices| product.checked_mul(*choices));
        if combinations.is_some_and(|combinations| combinations <= limit) {
            for (node, choices) in choices.iter().enumerate() {
                let with = |pick: &Vec<usize>, choice| {
                    let mut pick = pick.clone();
                    pick[node] = choice;
                    pick
                };
                picks = picks
                    .iter()
                    .flat_map(|pick| (0..*choices).map(move |choice| with(pick, choice)))
                    .collect();
            }
        } else {
            let nothing = picks[0].clone();
            picks.push(all.clone());
            for (node, choices) in choices
                .iter()
                .enumerate()
                .filter(|(_, choices)| **choices > 1)
            {
                for base in [&nothing, &all] {
                    for choice in (0..*choices).filter(|choice| *choice != base[node]) {
                        let mut pick = base.clone();
                        pick[node] = choice;
                        picks.push(pick);
                    }
                }
            }
            let mut random = choices.len() as u64;
            while picks.len() < limit {
                let mut any = |choices: &usize| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (random >> 33) as usize % choices
                };
                picks.push(choices.iter().map(&mut any).collect());
            }
        }
        picks.iter().map(|pick| self.tree(pick)).collect()
    }

    fn tree(&self, pick: &[usize]) -> Tree {
        let mut tree = Tree::new();
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((path, at)) = open.pop() {
            let content = self.nodes[at].content(pick[at]);
            if content.is_none() {
                let names = self.nodes[at].names(pick[at]);
                open.extend(names.into_iter().map(|(name, at)| (path.join(name), at)));
            }
            tree.insert(path, content);
        }
        tree
    }
}

impl Node {
    fn file() -> Self {
        Node::File {
            synced: Vec::new(),
            now: Vec::new(),
        }
    }

    fn folder() -> Self {
        Node::Folder {
            synced: Names::new(),
            later: Vec::new(),
        }
    }

    /// In how many ways it may come out of a loss of power; the last is as the process saw it.
    fn choices(&self) -> usize {
        match self {
            Node::File { synced, now } if synced == now => 1,
            Node::File { .. } => 4,
            Node::Folder { later, .. } => 1 + later.len(),
        }
    }

    /// Of a folder, with so many of the changes that were not synced.
    fn names(&self, choice: usize) -> Names {
        let Node::Folder { synced, later } = self else {
            panic!("a file has no names in it");
        };
        let mut names = synced.clone();
        later
            .iter()
            .take(choice)
            .for_each(|change| change.clone().apply(&mut names));
        names
    }

    /// Of a file.
    fn content(&self, choice: usize) -> Option<Vec<u8>> {
        match self {
            Node::Folder { .. } => None,
            Node::File { synced, now } if synced == now => Some(now.clone()),
            Node::File { synced, now } => Some(match choice {
                0 => synced.clone(),
                1 => vec![0; now.len()],
                2 => now[..now.len() / 2].to_vec(),
                _ => now.clone(),
            }),
        }
    }
}

impl Change {
    fn apply(self, names: &mut Names) {
        match self {
            Change::Make(name, node) => {
                names.insert(name, node);
            }
            Change::Rename(from, to) => {
                let node = names.remove(&from).unwrap();
                names.insert(to, node);
            }
            Change::Remove(name) => {
                names.remove(&name);
            }
        }
    }
}
