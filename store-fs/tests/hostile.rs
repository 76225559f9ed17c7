//! Files that the store did not write, or not like that.

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use anysession::{Deletion, Expect, Store, StoreKey, Timestamp, Version, Write};
use anysession_fs::{Durability, FsStore, OpenError};
use common::{
    LATER, NOW, chain, create, entry, fresh, key, load, of_user, record_file, temp_files, update,
};

const SECRET: &str =
    "hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2";

#[tokio::test]
async fn no_flipped_bit_is_served_and_none_blocks_its_key() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    let version = create(&store, &key(1), of_user("ada", SECRET)).await;
    let file = record_file(&path, &key(1));
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.len() > 170, "{}", whole.len());
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, &flipped).unwrap();
        // The format is the one field whose other values mean something: a later release.
        let newer = (8..12).contains(&(bit / 8)) && flipped[8..12] != [0; 4];
        damaged(
            &store,
            &key(1),
            &version,
            &file,
            if newer { Kind::Newer } else { Kind::Damaged },
        )
        .await;
    }
}

#[tokio::test]
async fn no_cut_record_is_served_and_none_blocks_its_key() {
    let (_guard, path) = fresh();
    let store = FsStore::open_with(&path, Durability::Relaxed).unwrap();
    let version = create(&store, &key(1), of_user("ada", SECRET)).await;
    let file = record_file(&path, &key(1));
    let whole = std::fs::read(&file).unwrap();
    for len in 0..whole.len() {
        std::fs::write(&file, &whole[..len]).unwrap();
        damaged(&store, &key(1), &version, &file, Kind::Damaged).await;
    }
    std::fs::write(&file, [&whole[..], b"\0"].concat()).unwrap();
    damaged(&store, &key(1), &version, &file, Kind::Damaged).await;
}

enum Kind {
    Damaged,
    Newer,
}

/// What every verb does with a file that is not a record of this release.
async fn damaged(store: &FsStore, key: &StoreKey, version: &Version, file: &Path, kind: Kind) {
    let before = std::fs::read(file).unwrap();
    assert_eq!(store.load(key).await.unwrap(), None);
    let update = store
        .put(key, Expect::Version(version.clone()), entry(""), NOW)
        .await;
    assert_eq!(update.unwrap(), Write::Conflict);
    assert_eq!(
        store.delete(key, version).await.unwrap(),
        Deletion::Conflict
    );
    store
        .touch(key, version, Timestamp::MAX, NOW)
        .await
        .unwrap();
    // The damage may have taken the version; the next one then follows the clock.
    let a_little_later = NOW + Duration::from_millis(1);
    let create = store
        .put(key, Expect::Absent, of_user("ada", SECRET), a_little_later)
        .await
        .unwrap();
    match kind {
        Kind::Damaged => assert_ne!(common::done(create), *version),
        Kind::Newer => {
            assert_eq!(create, Write::Conflict);
            assert_eq!(std::fs::read(file).unwrap(), before);
        }
    }
}

#[tokio::test]
async fn a_newer_record_survives_everything_byte_for_byte() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let version = create(&store, &key(1), of_user("ada", SECRET)).await;
    let file = record_file(&path, &key(1));
    let mut newer = std::fs::read(&file).unwrap();
    newer[8] += 1;
    for bytes in [newer.clone(), newer[..12].to_vec()] {
        std::fs::write(&file, &bytes).unwrap();
        damaged(&store, &key(1), &version, &file, Kind::Newer).await;
        assert_eq!(store.delete_expired(Timestamp::MAX, 10).await.unwrap(), 0);
        assert_eq!(store.keys_of_user("ada").await.unwrap(), [key(1)]);
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_record_copied_under_another_key_is_no_session() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(1), entry("mine")).await;
    create(&store, &key(2), entry("yours")).await;
    std::fs::copy(record_file(&path, &key(1)), record_file(&path, &key(2))).unwrap();
    assert_eq!(store.load(&key(2)).await.unwrap(), None);
    assert_eq!(load(&store, &key(1)).await.entry, entry("mine"));
}

#[tokio::test]
async fn garbage_of_any_size_is_no_session() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(1), entry("")).await;
    let file = record_file(&path, &key(1));
    for garbage in [
        &b"{\"user\":\"ada\"}"[..],
        b"anysess\n",
        &[0; 5000],
        &[0xff; 5000],
    ] {
        std::fs::write(&file, garbage).unwrap();
        assert_eq!(store.load(&key(1)).await.unwrap(), None);
    }
    // A hole of 5 GiB, and a record that claims to be as long.
    let large = std::fs::File::create(&file).unwrap();
    large.set_len(5 << 30).unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
    std::os::unix::fs::FileExt::write_all_at(&large, b"anysess\n\x01\0\0\0\xff\xff\xff\xff", 0)
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, &[0xff; 4], 64).unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_without_its_content() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(77), of_user("ada", SECRET)).await;
    let file = record_file(&path, &key(77));
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    EVENTS.with(|events| {
        std::fs::write(&file, &bytes).unwrap();
        events.lock().unwrap().clear();
    });
    store.load(&key(77)).await.unwrap();
    let events = EVENTS.with(|events| events.lock().unwrap().join("\n"));
    let about: Vec<_> = events
        .lines()
        .filter(|event| event.contains(&*file.to_string_lossy()))
        .collect();
    assert_eq!(about.len(), 1, "{events}");
    assert!(
        about[0].starts_with("WARN") && about[0].contains("checksum"),
        "{events}"
    );
    assert!(!events.contains("hunter2"), "{events}");
}

#[tokio::test]
async fn no_link_is_followed() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    std::fs::File::options()
        .write(true)
        .open(&target)
        .unwrap()
        .set_modified(old)
        .unwrap();

    // The record itself, to a whole record of this key elsewhere.
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let version = create(&store, &key(1), entry("")).await;
    let file = record_file(&path, &key(1));
    let moved = outside.path().join("moved");
    std::fs::rename(&file, &moved).unwrap();
    symlink(&moved, &file).unwrap();
    everything_fails(&store, &key(1), &version, "symbolic link").await;
    assert_eq!(store.delete_expired(Timestamp::MAX, 10).await.unwrap(), 0);
    assert!(file.is_symlink() && moved.exists());

    // Its shard.
    let shard = record_file(&path, &key(2));
    let shard = shard.parent().unwrap();
    let elsewhere = outside.path().join("shard");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, shard).unwrap();
    everything_fails(&store, &key(2), &version, "symbolic link").await;
    assert!(store.delete_expired(Timestamp::MAX, 10).await.is_err());
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);

    // Its lock.
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    symlink(&target, path.join("locks").join(&key(3).to_string()[..2])).unwrap();
    let error = store
        .put(&key(3), Expect::Absent, entry(""), NOW)
        .await
        .unwrap_err();
    assert!(chain(&error).contains("symbolic link"), "{}", chain(&error));

    // Names that the next temporary files would have, in the shard and at the top.
    let shard = path.join("records").join(&key(14).to_string()[..2]);
    std::fs::create_dir(&shard).unwrap();
    for number in 0..3000 {
        let name = format!("tmp-{:08x}-{number:016x}", std::process::id());
        symlink(&target, shard.join(&name)).unwrap();
        symlink(&target, path.join(&name)).unwrap();
    }
    create(&store, &key(14), entry("new")).await;
    assert_eq!(load(&store, &key(14)).await.entry, entry("new"));
    store.delete_expired(NOW, 10).await.unwrap();
    assert_eq!(temp_files(&path).len(), 6000);

    // The marker, and the folders beside it.
    for name in ["anysession-store", "records", "users", "locks"] {
        let (_guard, path) = fresh();
        drop(FsStore::open(&path).unwrap());
        std::fs::rename(path.join(name), outside.path().join(name)).unwrap();
        symlink(outside.path().join(name), path.join(name)).unwrap();
        let error = FsStore::open(&path).unwrap_err();
        assert!(
            chain(&error).contains(name) && chain(&error).contains("symbolic link"),
            "{}",
            chain(&error)
        );
    }
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
}

async fn everything_fails(store: &FsStore, key: &StoreKey, version: &Version, why: &str) {
    let update = Expect::Version(version.clone());
    for error in [
        store.load(key).await.unwrap_err(),
        store
            .put(key, Expect::Absent, entry(""), NOW)
            .await
            .unwrap_err(),
        store.put(key, update, entry(""), NOW).await.unwrap_err(),
        store
            .touch(key, version, Timestamp::MAX, NOW)
            .await
            .unwrap_err(),
        store.delete(key, version).await.unwrap_err(),
    ] {
        assert!(chain(&error).contains(why), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_pipe_or_a_folder_in_a_records_place_holds_nobody_up() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(1), entry("")).await;
    let file = record_file(&path, &key(1));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(store.load(&key(1)).await.is_err());
    std::fs::remove_dir(&file).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
    assert_eq!(store.delete_expired(Timestamp::MAX, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn foreign_files_are_left_alone_and_old_litter_is_swept() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    create(&store, &key(1), of_user("ada", "")).await;
    let record = record_file(&path, &key(1));
    let shard = record.parent().unwrap();
    let name = key(1).to_string();
    let wrong_shard = if name.starts_with("00") { "01" } else { "00" };
    std::fs::create_dir(path.join("records").join(wrong_shard)).unwrap();
    let foreign = [
        path.join("notes.txt"),
        path.join("tmp-notes"),
        path.join("records/README"),
        path.join("records").join(wrong_shard).join(&name),
        shard.join("backup.tar"),
        shard.join(format!("{name}.bak")),
        shard.join(name.to_uppercase()),
        shard.join("tmp-0000000g-0000000000000000"),
        path.join("users/list"),
        path.join("locks/zz"),
    ];
    for file in &foreign {
        // A whole and expired record, to be as tempting as can be.
        std::fs::copy(&record, file).unwrap();
    }
    let litter = [
        shard.join("tmp-00000001-0000000000000001"),
        path.join("tmp-0000ffff-00000000000000aa"),
    ];
    let young = shard.join("tmp-00000001-0000000000000002");
    for file in litter.iter().chain([&young]) {
        std::fs::write(file, "half a rec").unwrap();
    }
    let now = Timestamp::from(young.metadata().unwrap().modified().unwrap());
    for file in litter.iter().chain(&foreign) {
        let old = SystemTime::UNIX_EPOCH
            + Duration::from_millis(now.before(Duration::from_secs(3700)).as_millis());
        std::fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    assert_eq!(store.delete_expired(now, 10).await.unwrap(), 1);
    assert!(!record.exists(), "LATER is long ago");
    assert_eq!(temp_files(&path).len(), 3, "{:?}", temp_files(&path));
    assert!(young.exists());
    for file in foreign {
        assert!(file.exists(), "{}", file.display());
    }
}

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

#[tokio::test]
async fn lock_files_that_are_removed_come_back() {
    let (_guard, path) = fresh();
    let store = FsStore::open(&path).unwrap();
    let version = create(&store, &key(1), entry("a")).await;
    for lock in std::fs::read_dir(path.join("locks")).unwrap() {
        std::fs::remove_file(lock.unwrap().path()).unwrap();
    }
    update(&store, &key(1), &version, entry("b")).await;
    assert_eq!(std::fs::read_dir(path.join("locks")).unwrap().count(), 1);
}

fn private_dir(path: &Path) {
    std::fs::create_dir(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
}

/// Every event of this process, as text. The first use sets the subscriber.
struct Events(LazyLock<Mutex<Vec<String>>>);

static EVENTS: Events = Events(LazyLock::new(|| {
    tracing::subscriber::set_global_default(Collector).unwrap();
    Mutex::default()
}));

impl Events {
    fn with<T>(&self, read: impl FnOnce(&Mutex<Vec<String>>) -> T) -> T {
        read(&self.0)
    }
}

struct Collector;

impl tracing::Subscriber for Collector {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        EVENTS.with(|events| events.lock().unwrap().push(fields.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
