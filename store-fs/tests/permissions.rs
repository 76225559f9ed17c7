//! Alone in its process, because the umask belongs to the whole of it.

mod common;

use std::os::unix::fs::PermissionsExt as _;

use anysession::{Entry, Store as _};
use anysession_fs::FsStore;
use common::{NOW, create, fresh, key, load, of_user, tree, update};
use rustix::fs::Mode;

#[test]
fn every_file_is_0600_and_every_folder_0700_whatever_the_umask() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    for umask in [0o000, 0o022, 0o077, 0o777] {
        if umask == 0o777 && !rustix::process::geteuid().is_root() {
            // Nobody else can enter a folder that its maker may not enter.
            continue;
        }
        let (_guard, path) = fresh();
        let before = rustix::process::umask(Mode::from_raw_mode(umask));
        let store = FsStore::open(&path);
        let used = store.map(|store| {
            runtime.block_on(async {
                let version = create(&store, &key(1), of_user("ada", "")).await;
                update(&store, &key(1), &version, of_user("bob", "")).await;
                let version = load(&store, &key(1)).await.version;
                store
                    .touch(&key(1), &version, anysession::Timestamp::MAX, NOW)
                    .await
                    .unwrap();
                create(
                    &store,
                    &key(2),
                    Entry {
                        deadline: NOW,
                        ..of_user("ada", "")
                    },
                )
                .await;
                store.delete_expired(NOW, 10).await.unwrap();
            });
        });
        rustix::process::umask(before);
        used.unwrap();
        let mode = |metadata: &std::fs::Metadata| metadata.permissions().mode() & 0o7777;
        assert_eq!(mode(&path.metadata().unwrap()), 0o700);
        let tree = tree(&path);
        assert!(tree.len() > 10);
        for (path, metadata) in tree {
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                mode(&metadata),
                expected,
                "{} under umask {umask:03o}",
                path.display()
            );
        }
    }
}
