//! Directories that are not opened, and one that goes away.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anysession::{Expect, Store, Version};
use anysession_fs::{FsStore, OpenError};
use common::{LATER, NOW, chain, create, entry, fresh, key, of_user};

#[test]
fn a_directory_that_is_not_ours_is_refused() {
    let guard = tempfile::tempdir().unwrap();
    let at = |name: &str| guard.path().join(name);
    let refused = |path: PathBuf| {
        let error = FsStore::open(&path).unwrap_err();
        assert!(
            chain(&error).contains(&*path.to_string_lossy()),
            "{}",
            chain(&error)
        );
        error
    };

    let error = refused(at("missing/sessions"));
    assert!(matches!(error, OpenError::ParentMissing { .. }), "{error}");
    assert!(!at("missing").exists());

    std::fs::write(at("file"), "precious").unwrap();
    assert!(matches!(
        refused(at("file")),
        OpenError::NotADirectory { found: "file", .. }
    ));

    private_dir(&at("target"));
    symlink(at("target"), at("link")).unwrap();
    for link in [at("link"), at("link/"), at("link/.")] {
        let error = FsStore::open(&link).unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::NotADirectory {
                    found: "symbolic link",
                    ..
                }
            ),
            "{error}"
        );
    }
    symlink(at("nowhere"), at("dangling")).unwrap();
    assert!(matches!(
        refused(at("dangling")),
        OpenError::NotADirectory { .. }
    ));
    assert!(!at("nowhere").exists());

    for mode in [0o777, 0o750, 0o701, 0o1770] {
        let path = at(&format!("open-{mode:o}"));
        private_dir(&path);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = refused(path.clone());
        assert!(error.to_string().contains("chmod 700"), "{error}");
        assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
    }

    private_dir(&at("home"));
    std::fs::write(at("home/thesis.tex"), "precious").unwrap();
    let error = refused(at("home"));
    assert!(
        matches!(&error, OpenError::NotOurs { found, .. } if found == "thesis.tex"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(at("home")).unwrap().count(), 1);
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a directory away; for others `/` belongs to somebody else.
        let error = FsStore::open("/").unwrap_err();
        assert!(matches!(error, OpenError::WrongOwner { .. }), "{error}");
        return;
    }
    let (_guard, path) = fresh();
    private_dir(&path);
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    let error = FsStore::open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::WrongOwner { owner: 12345, .. }),
        "{error}"
    );
}

#[test]
fn a_newer_or_damaged_marker_is_refused_and_kept() {
    let (_guard, path) = fresh();
    drop(FsStore::open(&path).unwrap());
    let marker = path.join("anysession-store");
    let ours = std::fs::read_to_string(&marker).unwrap();
    let newer = ours.replace("format 1", "format 2");
    std::fs::write(&marker, &newer).unwrap();
    let error = FsStore::open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::NewerFormat { format: 2, .. }),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), newer);
    for damaged in [
        "",
        "hello",
        "anysession filesystem store\n",
        "anysession filesystem store\nformat 0\n",
    ] {
        std::fs::write(&marker, damaged).unwrap();
        let error = FsStore::open(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::DamagedMarker { .. }),
            "{damaged:?}: {error}"
        );
    }
    std::fs::write(&marker, ours).unwrap();
    FsStore::open(&path).unwrap();
}

#[test]
fn what_a_crash_leaves_of_the_first_opening_is_no_obstacle() {
    let (_guard, path) = fresh();
    private_dir(&path);
    std::fs::write(path.join("tmp-0000abcd-0000000000000000"), "anysession fi").unwrap();
    FsStore::open(&path).unwrap();
}

#[tokio::test]
async fn a_directory_that_is_removed_in_use_is_an_error_not_a_log_out() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let version = create(&store, &key(1), of_user("ada", "")).await;
    std::fs::remove_dir_all(&path).unwrap();
    everything_fails_but_touch(&store, &version).await;
    FsStore::open(&path).unwrap();
    everything_fails_but_touch(&store, &version).await;
}

async fn everything_fails_but_touch(store: &FsStore, version: &Version) {
    for error in [
        store.load(&key(1)).await.unwrap_err(),
        store
            .put(&key(1), Expect::Absent, entry(""), NOW)
            .await
            .unwrap_err(),
        store.delete(&key(1), version).await.unwrap_err(),
        store.keys_of_user("ada").await.unwrap_err(),
        store.delete_expired(LATER, 10).await.unwrap_err(),
    ] {
        assert!(
            chain(&error).contains("was removed while it was in use"),
            "{}",
            chain(&error)
        );
    }
}

fn private_dir(path: &Path) {
    std::fs::create_dir(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
}
