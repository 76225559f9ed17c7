//! By which hash a file is called.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::names::hex;

/// Which generation of cachelib makes the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// Up to 0.15. It only spreads names here: nobody gains by two that collide.
    Md5,
    /// From 0.16 on.
    Sha256,
}

/// What cachelib counts its files in.
const COUNT: &str = "__wz_cache_count";

impl Hash {
    pub(super) const ALL: [Hash; 2] = [Hash::Sha256, Hash::Md5];

    pub(super) fn file(self, name: &str) -> String {
        match self {
            Hash::Md5 => hex(&Md5::digest(name)),
            Hash::Sha256 => hex(&Sha256::digest(name)),
        }
    }

    pub(super) fn count_file(self) -> String {
        self.file(COUNT)
    }

    /// Which one made this name, if it is the name of a session.
    pub(super) fn of(file: &str) -> Option<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let hash = match file.len() {
            32 => Hash::Md5,
            64 => Hash::Sha256,
            _ => return None,
        };
        (file.bytes().all(digits) && file != hash.count_file()).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_cachelib_calls_them() {
        assert_eq!(Hash::Md5.count_file(), "2029240f6d1128be89ddc32729463129");
        assert_eq!(
            Hash::Sha256.count_file(),
            "79bc207ee04a581ab2348ca1f3494e64cd0ec36128735b8c6bc85ddd8fe1938c"
        );
        for hash in Hash::ALL {
            assert_eq!(Hash::of(&hash.file("session:x")), Some(hash));
            assert_eq!(Hash::of(&hash.count_file()), None);
        }
        assert_eq!(Hash::of("tmpabc.__wz_cache"), None);
    }
}
