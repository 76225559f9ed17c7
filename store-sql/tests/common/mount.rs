//! A disk that fills up.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small filesystem of its own, where this user may mount. Dropped, it is gone.
pub(crate) struct Mount {
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Mount {
    pub(crate) fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Self::at(folder.path(), &format!("size={size}"))?;
        mount._folder = Some(folder);
        Some(mount)
    }

    /// In a folder of a server, and the server's own.
    pub(crate) fn of_server(folder: &Path, user: &str, size: &str) -> Option<Self> {
        let path = folder.join("small");
        std::fs::create_dir(&path).unwrap();
        Self::at(&path, &format!("size={size},uid={user},mode=700"))
    }

    fn at(path: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .output();
        let path = path.to_owned();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Mount {
                path,
                _folder: None,
            })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn grow(&self, size: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(self.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
