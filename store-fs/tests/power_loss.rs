//! A loss of power at any moment. The system calls of a process that opens a store and changes it are recorded; after
//! each of them the disk is put together in every way in which what was not synced may be lost, and the store is opened on
//! what remains.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child answers on its standard output"
)]

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "power_loss/disk.rs"]
mod disk;
#[path = "common/strace.rs"]
mod strace;
#[path = "power_loss/trace.rs"]
mod trace;

use std::collections::{BTreeSet, HashSet};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anysession::{Entry, Expect, Store, Timestamp};
use anysession_fs::{Durability, FsStore};
use child::{Running, block_on, child, role};
use common::{NOW, chain, create, entry, fresh, key, load, of_user, update};
use disk::{Disk, Tree};
use libtest_mimic::{Arguments, Trial};
use trace::Step;

/// How many ways of losing something are tried after each system call.
const WAYS: usize = 64;

fn main() {
    if let Some((role, path)) = role() {
        return block_on(play(&role, Path::new(&path)));
    }
    let have = strace::can_trace();
    let trial = |name: &str, test: fn()| {
        let needs = if have { "" } else { " (needs strace)" };
        Trial::test(format!("{name}{needs}"), move || {
            test();
            Ok(())
        })
        .with_ignored_flag(!have)
    };
    let trials = vec![
        trial(
            "what_was_answered_is_there_after_a_loss_of_power_and_what_was_deleted_stays_deleted",
            || Recording::of(Durability::Full).survives(|_| true).unwrap(),
        ),
        trial(
            "relaxed_a_loss_of_power_leaves_the_new_the_old_or_nothing_and_never_half_of_it",
            || {
                Recording::of(Durability::Relaxed)
                    .survives(|_| true)
                    .unwrap();
            },
        ),
        trial("every_sync_is_needed", every_sync_is_needed),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The payload and the user, if there is a session.
type Holds = Option<(&'static str, Option<&'static str>)>;

/// One session after the other, as each verb changes it: the key's number, and what it then holds.
const SCRIPT: [(u64, Holds); 10] = [
    (1, Some(("created", Some("ada")))),
    (1, Some(("updated", Some("ada")))),
    (2, Some(("created", None))),
    (2, Some(("signed in", Some("bob")))),
    (1, None),
    (1, Some(("created again", Some("ada")))),
    (3, Some(("created", Some("ada")))),
    (2, Some(("signed in as another", Some("eve")))),
    (3, None),
    (1, Some(("signed out", None))),
];
const KEYS: std::ops::RangeInclusive<u64> = 1..=3;

fn holding((payload, user): (&str, Option<&str>)) -> Entry {
    Entry {
        user: user.map(Into::into),
        ..entry(payload)
    }
}

/// Opens the store and goes through the script, with an answer after each of both.
async fn play(role: &str, path: &Path) {
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
    let answer = || std::io::stdout().lock().write_all(b".\n").unwrap();
    let durability = match role {
        "full" => Durability::Full,
        _ => Durability::Relaxed,
    };
    let store = FsStore::open_with(path, durability).unwrap();
    answer();
    for (number, holds) in SCRIPT {
        let key = key(number);
        let stored = store.load(&key).await.unwrap();
        match (stored, holds) {
            (None, holds) => {
                create(&store, &key, holding(holds.unwrap())).await;
            }
            (Some(stored), Some(holds)) => {
                update(&store, &key, &stored.version, holding(holds)).await;
                let version = load(&store, &key).await.version;
                // Need not survive, and must not harm what does.
                store
                    .touch(&key, &version, Timestamp::MAX, NOW)
                    .await
                    .unwrap();
            }
            (Some(stored), None) => {
                let _done = store.delete(&key, &stored.version).await.unwrap();
            }
        }
        answer();
    }
}

struct Recording {
    durability: Durability,
    path: PathBuf,
    steps: Vec<Step>,
}

impl Recording {
    fn of(durability: Durability) -> Self {
        let (guard, path) = fresh();
        let log = guard.path().join("strace.log");
        let role = match durability {
            Durability::Full => "full",
            _ => "relaxed",
        };
        let mut running = Running::start(child(role, &path));
        let child = running.process();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 6])
            .unwrap();
        let options = ["-xx", "-s", "1000000", "-e", trace::CALLS];
        let mut tracer = strace::attach(child.id(), &options, &log).unwrap();
        drop(child.stdin.take());
        assert!(running.output().status.success());
        tracer.wait().unwrap();
        let steps = trace::steps(&std::fs::read_to_string(log).unwrap());
        let answers = steps.iter().filter(|step| matches!(step, Step::Answered));
        assert_eq!(answers.count(), 1 + SCRIPT.len());
        Recording {
            durability,
            path,
            steps,
        }
    }

    /// Whether all is as promised wherever the power is lost, if the syncs that `kept` denies had never been called.
    fn survives(&self, kept: impl Fn(&Path) -> bool) -> Result<(), String> {
        block_on(self.replay(kept))
    }

    async fn replay(&self, kept: impl Fn(&Path) -> bool) -> Result<(), String> {
        let mut disk = Disk::new(self.path.parent().unwrap());
        let mut answers = 0;
        let mut seen = HashSet::new();
        let place = Place::new();
        for (number, step) in self.steps.iter().enumerate() {
            match step {
                Step::Sync(path) if !kept(path) => continue,
                Step::Answered => answers += 1,
                step => disk.take(step),
            }
            for tree in disk.remains(WAYS) {
                if !seen.insert((tree.clone(), answers)) {
                    continue;
                }
                place.hold(&tree);
                let checked = self.check(&place.0.path().join("sessions"), answers).await;
                checked.map_err(|wrong| {
                    format!("{wrong}, after step {number}, {step:?}: {tree:#?}")
                })?;
            }
        }
        println!(
            "{:?}: {} steps, {} remains",
            self.durability,
            self.steps.len(),
            seen.len()
        );
        Ok(())
    }

    /// Opens the store on what remained after so many answers.
    async fn check(&self, path: &Path, answers: usize) -> Result<(), String> {
        // Reading is the same for both, and nothing that comes now need survive.
        let store = FsStore::open_with(path, Durability::Relaxed).map_err(|error| chain(&error))?;
        // The first answer is to the opening. One verb more may be under way.
        let (answered, begun) = (answers.saturating_sub(1), answers.min(SCRIPT.len()));
        for number in KEYS {
            let key = key(number);
            let stored = store.load(&key).await.map_err(|error| chain(&error))?;
            let allowed = match self.durability {
                Durability::Full => last_and_next(number, answered, begun),
                _ => any_of(number, begun),
            };
            let is = |holds: &Holds| match (&stored, holds.map(holding)) {
                (Some(stored), Some(Entry { payload, user, .. })) => {
                    (&stored.entry.payload, &stored.entry.user) == (&payload, &user)
                }
                (stored, held) => stored.is_none() && held.is_none(),
            };
            if !allowed.iter().any(is) {
                return Err(format!(
                    "session {number} is {stored:?}, not one of {allowed:?}"
                ));
            }
            let user = stored.as_ref().and_then(|stored| stored.entry.user.clone());
            if let (Durability::Full, Some(user)) = (self.durability, user) {
                let listed = store.keys_of_user(&user).await;
                if !listed.map_err(|error| chain(&error))?.contains(&key) {
                    return Err(format!("session {number} is not among those of {user}"));
                }
            }
            // It goes on from there.
            let expect = stored.map_or(Expect::Absent, |stored| Expect::Version(stored.version));
            let put = store.put(&key, expect, of_user("ada", "next"), NOW).await;
            common::done(put.map_err(|error| chain(&error))?);
        }
        Ok(())
    }
}

/// What the last answer said of a session, and what the verb makes of it that is under way.
fn last_and_next(number: u64, answered: usize, begun: usize) -> Vec<Holds> {
    let of_it = |verbs: &[(u64, Holds)]| verbs.iter().rfind(|(of, _)| *of == number).copied();
    let last = of_it(&SCRIPT[..answered]).and_then(|(_, holds)| holds);
    let next = of_it(&SCRIPT[answered..begun]).map(|(_, holds)| holds);
    [Some(last), next].into_iter().flatten().collect()
}

/// Everything that a session ever was, and nothing.
fn any_of(number: u64, begun: usize) -> Vec<Holds> {
    let verbs = SCRIPT[..begun].iter().filter(|(of, _)| *of == number);
    verbs.map(|(_, holds)| *holds).chain([None]).collect()
}

/// Without any one kind of them the replay finds what gets lost: which also shows that it can find anything.
fn every_sync_is_needed() {
    let recording = Recording::of(Durability::Full);
    let top = recording.path.parent().unwrap();
    let kind = |path: &Path| {
        let names = path.strip_prefix(top).unwrap().iter();
        let names = names.map(|name| match name.to_str().unwrap() {
            temporary if temporary.starts_with("tmp-") => "FILE",
            shard if shard.len() == 2 => "SHARD",
            name => name,
        });
        names.collect::<Vec<_>>().join("/")
    };
    let synced: BTreeSet<String> = recording
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Sync(path) => Some(kind(path)),
            _ => None,
        })
        .collect();
    let expected = [
        "",
        "sessions",
        "sessions/FILE",
        "sessions/records",
        "sessions/records/SHARD",
        "sessions/records/SHARD/FILE",
        "sessions/users",
        "sessions/users/SHARD",
    ];
    assert_eq!(synced, expected.map(str::to_owned).into());
    for left_out in synced {
        let survived = recording.survives(|path| kind(path) != left_out);
        assert!(
            survived.is_err(),
            "all is well without a sync of {left_out:?}"
        );
    }
}

/// Where remains are laid out; in memory where there is such a place, as nothing there is ever synced.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Place(place.unwrap())
    }

    fn hold(&self, tree: &Tree) {
        for old in std::fs::read_dir(self.0.path()).unwrap() {
            std::fs::remove_dir_all(old.unwrap().path()).unwrap();
        }
        for (path, content) in tree {
            let path = self.0.path().join(path);
            match content {
                Some(content) => std::fs::write(path, content).unwrap(),
                None => std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .unwrap(),
            }
        }
    }
}
