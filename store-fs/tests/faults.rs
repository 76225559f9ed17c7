//! A disk that is full, read-only or broken. What needs root or strace says so where it cannot run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child answers on its standard output"
)]

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/strace.rs"]
mod strace;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anysession::{Deletion, Expect, Store};
use anysession_fs::{Durability, FsStore};
use child::{Running, block_on, child, role};
use common::{NOW, chain, create, entry, fresh, key, load, of_user, record_file, temp_files};
use libtest_mimic::{Arguments, Trial};
use strace::{attach, can_trace};

fn main() {
    if let Some((role, path)) = role() {
        return block_on(play(&role, Path::new(&path)));
    }
    let mounts = Mount::new("size=64k").is_some();
    let strace = can_trace();
    let trial = |name: &str, needs: &str, have: bool, test: fn()| {
        let name = if have {
            name.to_owned()
        } else {
            format!("{name} (needs {needs})")
        };
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_ignored_flag(!have)
    };
    let trials = vec![
        trial(
            "a_disk_without_bytes_is_full_and_loses_nothing",
            "root, to mount",
            mounts,
            || {
                block_on(full("size=96k"));
            },
        ),
        trial(
            "a_disk_without_inodes_is_full_and_loses_nothing",
            "root, to mount",
            mounts,
            || {
                block_on(full("nr_inodes=26"));
            },
        ),
        trial(
            "a_read_only_disk_still_serves_what_it_has",
            "root, to mount",
            mounts,
            || {
                block_on(read_only());
            },
        ),
        trial(
            "a_failed_sync_of_a_file_is_an_error_and_changes_nothing",
            "strace",
            strace,
            || {
                // Of its temporary file a put syncs the data, of the folder all.
                let traced = under_strace("put", "inject=fdatasync:error=EIO");
                assert!(traced.report.contains("cannot sync"), "{}", traced.report);
                assert!(traced.report.contains("stored old"), "{}", traced.report);
                assert!(temp_files(&traced.path).is_empty());
            },
        ),
        trial(
            "a_failed_sync_of_the_folder_is_an_error_and_nothing_is_torn",
            "strace",
            strace,
            || {
                let traced = under_strace("put", "inject=fsync:error=EIO");
                assert!(
                    traced.report.contains("may not survive a loss of power"),
                    "{}",
                    traced.report
                );
                assert!(traced.report.contains("stored new"), "{}", traced.report);
                assert!(temp_files(&traced.path).is_empty());
            },
        ),
        trial(
            "a_failed_rename_is_an_error_and_changes_nothing",
            "strace",
            strace,
            || {
                for error in ["EIO", "ENOSPC"] {
                    let inject = format!("inject=rename,renameat,renameat2:error={error}");
                    let traced = under_strace("put", &inject);
                    assert!(traced.report.contains("cannot rename"), "{}", traced.report);
                    assert_eq!(
                        traced.report.contains("full: true"),
                        error == "ENOSPC",
                        "{}",
                        traced.report
                    );
                    assert!(traced.report.contains("stored old"), "{}", traced.report);
                    assert!(temp_files(&traced.path).is_empty());
                }
            },
        ),
        trial(
            "a_first_session_is_synced_in_the_order_that_survives_a_loss_of_power",
            "strace",
            strace,
            first_session_is_synced_in_order,
        ),
        trial(
            "a_deletion_that_is_not_synced_is_an_error",
            "strace",
            strace,
            || {
                let traced = under_strace("delete", "inject=fsync:error=EIO");
                assert!(
                    traced.report.contains("may not survive a loss of power"),
                    "{}",
                    traced.report
                );
            },
        ),
        trial(
            "a_process_that_dies_at_any_step_of_a_put_leaves_the_old_or_the_new",
            "strace",
            strace,
            || {
                for call in [
                    "openat",
                    "openat2",
                    "write",
                    "fsync",
                    "fdatasync",
                    "rename,renameat,renameat2",
                    "flock",
                ] {
                    let mut died = 0;
                    for step in 1..=3 {
                        let inject = format!("inject={call}:signal=SIGKILL:when={step}");
                        let traced = under_strace("put", &inject);
                        died += u8::from(traced.died);
                        block_on(old_or_new(&traced.path));
                    }
                    assert!(died > 0, "no {call} was met");
                }
            },
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One verb on a store that is open already, so that a fault meets nothing but the verb, and what came of it.
async fn play(role: &str, path: &Path) {
    let store = FsStore::open(path).unwrap();
    let version = load(&store, &key(1)).await.version;
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
    let outcome = match role {
        "put" => {
            let expect = Expect::Version(version);
            store
                .put(&key(1), expect, of_user("ada", "new"), NOW)
                .await
                .map(|_| ())
        }
        "first" => {
            let first = of_user("a new user", "new");
            store
                .put(&key(2), Expect::Absent, first, NOW)
                .await
                .map(|_| ())
        }
        _ => store.delete(&key(1), &version).await.map(|_| ()),
    };
    match outcome {
        Ok(()) => println!("done"),
        Err(error) => println!("{} full: {}", chain(&error), error.is_full()),
    }
    let stored = store.load(&key(1)).await.unwrap();
    let payload = stored
        .map(|stored| stored.entry.payload)
        .unwrap_or_default();
    println!("stored {}", String::from_utf8_lossy(&payload));
}

/// What a child reports whose verb is traced, and may have faults injected into its system calls.
struct Traced {
    report: String,
    calls: String,
    died: bool,
    path: PathBuf,
    _guard: tempfile::TempDir,
}

fn under_strace(role: &str, filter: &str) -> Traced {
    let (guard, path) = fresh();
    let log = guard.path().join("strace.log");
    block_on(async {
        let store = FsStore::open(&path).unwrap();
        create(&store, &key(1), of_user("ada", "old")).await;
    });
    let mut running = Running::start(child(role, &path));
    let child = running.process();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut report = String::new();
    output.read_line(&mut report).unwrap();
    assert_eq!(report, "ready\n");
    report.clear();
    let mut tracer = attach(child.id(), &["-e", filter], &log).unwrap();
    drop(child.stdin.take());
    output.read_to_string(&mut report).unwrap();
    let died = !child.wait().unwrap().success();
    tracer.wait().unwrap();
    Traced {
        report,
        calls: std::fs::read_to_string(log).unwrap(),
        died,
        path,
        _guard: guard,
    }
}

fn first_session_is_synced_in_order() {
    let traced = under_strace(
        "first",
        "trace=mkdirat,openat,fsync,fdatasync,rename,renameat,renameat2",
    );
    assert!(traced.report.starts_with("done"), "{}", traced.report);
    let folder = |line: &str| {
        let path = line.split_once("sessions/").unwrap_or_default().1;
        path.split(['/', '>']).next().unwrap_or_default().to_owned()
    };
    let steps: Vec<String> = traced
        .calls
        .lines()
        .filter_map(|line| {
            let step = if line.contains("mkdirat(") {
                "make a shard of"
            } else if line.contains("O_EXCL") && line.contains("tmp-") {
                "write to"
            } else if line.contains("O_EXCL") && line.contains("/users/") {
                "add to"
            } else if line.contains("renameat") {
                "rename in"
            } else if line.contains("fdatasync(") {
                "sync the file in"
            } else if line.contains("fsync(") {
                match line {
                    _ if line.contains("/records>") || line.contains("/users>") => "sync",
                    _ => "sync the shard in",
                }
            } else {
                return None;
            };
            Some(format!("{step} {}", folder(line)))
        })
        .collect();
    let expected = [
        "make a shard of records",
        "sync records",
        "make a shard of users",
        "sync users",
        "add to users",
        "sync the shard in users",
        "write to records",
        "sync the file in records",
        "rename in records",
        "sync the shard in records",
    ];
    assert_eq!(steps, expected, "{}", traced.calls);
}

async fn old_or_new(root: &Path) {
    let store = FsStore::open(root).unwrap();
    let stored = load(&store, &key(1)).await;
    assert!(stored.entry == of_user("ada", "old") || stored.entry == of_user("ada", "new"));
    // Neither the lock nor a half-made file stands in the way.
    common::update(&store, &key(1), &stored.version, entry("next")).await;
}

/// A small filesystem of its own, in memory.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let mount = Mount(dir);
        mount
            .mount(&["-t", "tmpfs", "-o", options, "tmpfs"])
            .then_some(mount)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new("mount");
        let status = command
            .args(arguments)
            .arg(self.0.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn sessions(&self) -> PathBuf {
        self.0.path().join("sessions")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg(self.0.path())
            .stderr(Stdio::null())
            .status();
    }
}

async fn full(options: &str) {
    let mount = Mount::new(options).unwrap();
    let path = mount.sessions();
    let store = FsStore::open(&path).unwrap();
    let mut written = Vec::new();
    let error = loop {
        let key = key(written.len() as u64);
        match store
            .put(&key, Expect::Absent, of_user("ada", &"x".repeat(3000)), NOW)
            .await
        {
            Ok(done) => written.push((key, common::done(done))),
            Err(error) => break error,
        }
    };
    assert!(written.len() > 1, "{}", chain(&error));
    assert!(
        error.is_full() && chain(&error).contains("delete expired"),
        "{}",
        chain(&error)
    );
    assert_eq!(temp_files(&path), Vec::<PathBuf>::new());
    assert_eq!(store.load(&key(written.len() as u64)).await.unwrap(), None);

    // Every old record is as it was, also the one that a larger write cannot replace, and can be deleted.
    for (key, version) in &written {
        let before = std::fs::read(record_file(&path, key)).unwrap();
        let larger = Expect::Version(version.clone());
        let error = store
            .put(key, larger, entry(vec![1; 200_000]), NOW)
            .await
            .unwrap_err();
        assert!(error.is_full(), "{}", chain(&error));
        assert_eq!(std::fs::read(record_file(&path, key)).unwrap(), before);
        assert_eq!(temp_files(&path), Vec::<PathBuf>::new());
    }
    for (key, version) in &written {
        assert_eq!(store.delete(key, version).await.unwrap(), Deletion::Done);
    }
    let put = store
        .put(&key(0), Expect::Absent, entry("again"), NOW)
        .await
        .unwrap();
    let again = common::done(put);
    assert!(written.iter().all(|(_, version)| *version != again));
}

async fn read_only() {
    let mount = Mount::new("size=4m").unwrap();
    let path = mount.sessions();
    let store = FsStore::open(&path).unwrap();
    let version = create(&store, &key(1), of_user("ada", "old")).await;
    create(&store, &key(2), of_user("ada", "old")).await;
    std::fs::remove_file(record_file(&path, &key(2))).unwrap();
    assert!(mount.mount(&["-o", "remount,ro"]));
    let reopened = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    for store in [store, reopened] {
        assert_eq!(load(&store, &key(1)).await.entry, of_user("ada", "old"));
        assert_eq!(store.keys_of_user("ada").await.unwrap(), [key(1)]);
        for error in [
            store
                .put(&key(1), Expect::Version(version.clone()), entry(""), NOW)
                .await
                .unwrap_err(),
            store.delete(&key(1), &version).await.unwrap_err(),
        ] {
            assert!(
                chain(&error).contains("mounted read-only"),
                "{}",
                chain(&error)
            );
            assert!(!error.is_full());
        }
    }
}
