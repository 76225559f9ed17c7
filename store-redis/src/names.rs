//! What the keys are called. Behind the prefix there is nothing that a visitor or an application chose, so the key of a
//! session is never that of an index, whatever a user is called.

use anysession::StoreKey;

use crate::version::{Owner, digest};

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: String) -> Self {
        Names { prefix }
    }

    /// The key of a record.
    pub(crate) fn record(&self, key: &StoreKey) -> String {
        self.named("session:", key.as_bytes())
    }

    /// The key of the index of a record's user.
    pub(crate) fn index(&self, owner: &Owner) -> String {
        self.named("user:", &owner.digest)
    }

    pub(crate) fn index_of(&self, user: &str) -> String {
        self.named("user:", &digest(user.as_bytes()))
    }

    fn named(&self, kind: &str, bytes: &[u8]) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits_at = self.prefix.len() + kind.len();
        let len = digits_at + 2 * bytes.len();
        let mut name = Vec::with_capacity(len);
        name.extend_from_slice(self.prefix.as_bytes());
        name.extend_from_slice(kind.as_bytes());
        name.resize(len, 0);
        for (pair, byte) in name[digits_at..].chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        String::from_utf8(name).unwrap_or_else(|_| unreachable!("text and digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_as_the_log_names_its_key() {
        let names = Names::new("app:".to_owned());
        let key = StoreKey::from_bytes(&[0xab; 32]).unwrap();
        assert_eq!(names.record(&key), format!("app:session:{key}"));
    }

    #[test]
    fn no_user_is_called_like_a_session() {
        let names = Names::new("app:".to_owned());
        for user in ["", "session:", "../x", "{a}"] {
            let name = names.index_of(user);
            let digits = name.strip_prefix("app:user:").unwrap();
            assert!(digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
