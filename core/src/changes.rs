//! What a request wants to change, kept apart from the record that it loaded.
//!
//! Changes are operations by key, so that they can be carried out again on a newer record when another request was
//! faster.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::error::Error;
use crate::layout::Layout;
use crate::payload::{Draft, Edit, Pair, Payload};

/// Computes a key's new value from the one that it has: encoded bytes in and out, `None` for an absent value.
pub(crate) type Update = Arc<dyn Fn(Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> + Send + Sync>;

/// Operations on a session's data and settings.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    /// Whether all that was there is dropped first.
    clear: bool,
    /// Most requests change one key.
    ops: SmallVec<[Op; 1]>,
    pub(crate) permanent: Option<bool>,
    pub(crate) lifetime: Option<Duration>,
}

#[derive(Clone)]
struct Op {
    /// The key, and its value as this request sees it, if it has one.
    pair: Pair,
    key_start: usize,
    present: bool,
    /// How to compute the value anew. Without it the value stands, whatever the record says.
    update: Option<Update>,
    /// A later operation on the same key decides its value.
    superseded: bool,
}

impl Op {
    fn new(key: &str, value: Option<&[u8]>, update: Option<Update>) -> Self {
        let pair = Pair::new(key, value.unwrap_or_default());
        Op {
            present: value.is_some(),
            update,
            ..Op::set(key, pair)
        }
    }

    fn set(key: &str, pair: Pair) -> Self {
        let key_start = pair.value_at - key.len();
        Op {
            pair,
            key_start,
            present: true,
            update: None,
            superseded: false,
        }
    }

    fn key(&self) -> &[u8] {
        &self.pair.bytes[self.key_start..self.pair.value_at]
    }

    fn key_text(&self) -> &str {
        // It was made from a `&str`.
        std::str::from_utf8(self.key()).unwrap_or_default()
    }

    fn value(&self) -> Option<&[u8]> {
        self.present.then(|| self.pair.value())
    }

    fn set_value(&mut self, value: Option<&[u8]>) {
        self.pair.bytes.truncate(self.pair.value_at);
        self.pair.bytes.extend_from_slice(value.unwrap_or_default());
        self.present = value.is_some();
    }

    fn edit(&self) -> Edit<'_> {
        Edit {
            key: self.key(),
            pair: self.present.then_some(&self.pair.bytes[..]),
        }
    }
}

impl Changes {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        !self.touches_data() && self.permanent.is_none() && self.lifetime.is_none()
    }

    /// Whether the data would change, not only the settings.
    pub(crate) fn touches_data(&self) -> bool {
        self.clear || !self.ops.is_empty()
    }

    /// The keys whose values would change one by one.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let last = self.ops.iter().filter(|op| !op.superseded);
        last.map(Op::key_text)
    }

    /// The keys of a session that had none before.
    pub(crate) fn keys_on_nothing(&self) -> impl Iterator<Item = &str> {
        let kept = |op: &&Op| op.present && !op.superseded;
        self.ops.iter().filter(kept).map(Op::key_text)
    }

    /// Drops all data, and what this request did to it before.
    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.ops.clear();
    }

    /// Forgets what was to be done to the data; the settings stay.
    pub(crate) fn forget_data(&mut self) {
        self.clear = false;
        self.ops.clear();
    }

    /// Sets a key to its encoded value.
    pub(crate) fn insert(&mut self, key: &str, pair: Pair) {
        self.ops.retain(|op| op.key() != key.as_bytes());
        self.push(Op::set(key, pair));
    }

    /// Sets a key to an encoded value, or removes it.
    pub(crate) fn set(&mut self, key: &str, value: Option<&[u8]>) {
        self.ops.retain(|op| op.key() != key.as_bytes());
        if value.is_some() || !self.clear {
            self.push(Op::new(key, value, None));
        }
    }

    /// Sets a key to a value that was computed from the one before it, and keeps how.
    pub(crate) fn update(&mut self, key: &str, value: Option<&[u8]>, update: Update) {
        if self.decides(key) {
            return self.set(key, value);
        }
        for op in &mut self.ops {
            op.superseded |= op.key() == key.as_bytes();
        }
        self.push(Op::new(key, value, Some(update)));
    }

    /// Who changes a second key often fills a session: then there is room for several at once.
    fn push(&mut self, op: Op) {
        const SEVERAL: usize = 8;
        if self.ops.len() == 1 {
            self.ops.reserve_exact(SEVERAL - 1);
        }
        self.ops.push(op);
    }

    /// Whether the value of a key is settled by this request alone.
    fn decides(&self, key: &str) -> bool {
        match self.ops.iter().find(|op| op.key() == key.as_bytes()) {
            Some(op) => op.update.is_none(),
            None => self.clear,
        }
    }

    /// The value of a key after these changes.
    pub(crate) fn view<'a>(&'a self, base: &'a Payload, key: &str) -> Option<&'a [u8]> {
        match self
            .ops
            .iter()
            .find(|op| !op.superseded && op.key() == key.as_bytes())
        {
            Some(op) => op.value(),
            None if self.clear => None,
            None => base.find(key),
        }
    }

    /// What the data becomes, on the record that the values were computed from.
    pub(crate) fn applied(&self, base: &Payload) -> Payload {
        match self.touches_data() {
            true => self.draft(base, Layout::Native).into(),
            false => base.clone(),
        }
    }

    /// The same, ready to be stored in this layout.
    pub(crate) fn draft(&self, base: &Payload, layout: Layout) -> Draft {
        let base = match self.clear {
            true => layout.cleared(base),
            false => Cow::Borrowed(base),
        };
        base.edited(self.ops.iter().filter(|op| !op.superseded).map(Op::edit))
    }

    /// Computes the updates anew from another record.
    pub(crate) fn recompute(&mut self, base: &Payload) -> Result<(), Error> {
        for at in 0..self.ops.len() {
            let (earlier, rest) = self.ops.split_at_mut(at);
            let op = &mut rest[0];
            let Some(update) = op.update.clone() else {
                continue;
            };
            let value = match earlier
                .iter()
                .rev()
                .find(|earlier| earlier.key() == op.key())
            {
                Some(earlier) => update(earlier.value())?,
                None if self.clear => update(None)?,
                None => update(base.find(op.key_text()))?,
            };
            op.set_value(value.as_deref());
        }
        Ok(())
    }

    /// How large the data could become at most if this value were set too; cheap, and often more than the truth.
    pub(crate) fn size_bound(&self, base: &Payload, key: &str, value: &[u8]) -> usize {
        let pairs: usize = self.ops.iter().map(|op| op.pair.bytes.len()).sum();
        base.size() + pairs + key.len() + value.len() + 2 * HEADERS
    }
}

/// A map's header and a key's header take at most this many bytes each.
const HEADERS: usize = 5;

/// For the model checker, whose updates are known by their keys and values.
#[cfg(test)]
mod comparing {
    use std::fmt;
    use std::hash::{Hash, Hasher};

    use super::{Changes, Op};

    impl Op {
        fn facts(&self) -> impl Hash + PartialEq + fmt::Debug + '_ {
            (
                &self.pair,
                self.present,
                self.update.is_some(),
                self.superseded,
            )
        }
    }

    impl Changes {
        fn facts(&self) -> impl Hash + PartialEq + fmt::Debug + '_ {
            (self.clear, &self.ops, self.permanent, self.lifetime)
        }
    }

    macro_rules! compare_by_facts {
        ($type:ty) => {
            impl PartialEq for $type {
                fn eq(&self, other: &Self) -> bool {
                    self.facts() == other.facts()
                }
            }
            impl Eq for $type {}
            impl Hash for $type {
                fn hash<H: Hasher>(&self, state: &mut H) {
                    self.facts().hash(state);
                }
            }
            impl fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.facts().fmt(f)
                }
            }
        };
    }
    compare_by_facts!(Op);
    compare_by_facts!(Changes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u8) -> Vec<u8> {
        vec![value]
    }

    fn plus(n: u8) -> Update {
        Arc::new(move |old| Ok(Some(number(old.map_or(0, |old| old[0]) + n))))
    }

    fn base(pairs: &[(&str, u8)]) -> Payload {
        let mut changes = Changes::default();
        for (key, value) in pairs {
            changes.set(key, Some(&number(*value)));
        }
        changes.applied(&Payload::empty())
    }

    fn value(payload: &Payload, key: &str) -> Option<u8> {
        payload.find(key).map(|value| value[0])
    }

    /// Does what `Session::update` does.
    fn update(changes: &mut Changes, on: &Payload, key: &str, n: u8) {
        let new = plus(n)(changes.view(on, key)).unwrap();
        changes.update(key, new.as_deref(), plus(n));
    }

    #[test]
    fn an_update_is_computed_anew_on_a_newer_record() {
        let (old, newer) = (base(&[("n", 1)]), base(&[("n", 10), ("other", 5)]));
        let mut changes = Changes::default();
        update(&mut changes, &old, "n", 1);
        update(&mut changes, &old, "n", 2);
        assert_eq!(value(&changes.applied(&old), "n"), Some(4));
        changes.recompute(&newer).unwrap();
        let merged = changes.applied(&newer);
        assert_eq!(
            (value(&merged, "n"), value(&merged, "other")),
            (Some(13), Some(5))
        );
    }

    #[test]
    fn what_a_request_set_itself_is_not_computed_anew() {
        let (old, newer) = (base(&[("n", 1)]), base(&[("n", 10)]));
        let mut changes = Changes::default();
        changes.set("n", Some(&number(3)));
        update(&mut changes, &old, "n", 1);
        changes.recompute(&newer).unwrap();
        assert_eq!(value(&changes.applied(&newer), "n"), Some(4));
    }

    #[test]
    fn an_update_after_clear_starts_from_nothing() {
        let (old, newer) = (base(&[("n", 1)]), base(&[("n", 10), ("other", 5)]));
        let mut changes = Changes::default();
        changes.clear();
        update(&mut changes, &old, "n", 2);
        changes.recompute(&newer).unwrap();
        let merged = changes.applied(&newer);
        assert_eq!(
            (value(&merged, "n"), value(&merged, "other")),
            (Some(2), None)
        );
    }

    #[test]
    fn the_view_is_what_would_be_stored() {
        let old = base(&[("a", 1), ("b", 2)]);
        let mut changes = Changes::default();
        changes.set("a", None);
        update(&mut changes, &old, "b", 5);
        changes.set("c", Some(&number(9)));
        let stored = changes.applied(&old);
        for key in ["a", "b", "c", "d"] {
            assert_eq!(changes.view(&old, key), stored.find(key), "{key}");
        }
        assert_eq!(stored.keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_failing_update_is_an_error() {
        let mut changes = Changes::default();
        changes.update("n", None, Arc::new(|_| Err(Error::NotSignedIn)));
        assert!(changes.recompute(&Payload::empty()).is_err());
    }
}
