//! The data of the model's sessions: the operations that were applied, in their order.

use std::sync::Arc;

use crate::changes::Update;
use crate::lifecycle::Wish;
use crate::payload::Payload;
use crate::record::Found;

const LOG: &str = "log";
const FIRST: &str = "first";

/// Does what `Session::update` does.
pub(super) fn append(wish: &mut Wish, found: &Found, op: u8) {
    let update: Update = Arc::new(move |old| Ok(Some(appended(old, op))));
    let empty = Payload::empty();
    let base = wish.base(found).map_or(&empty, |record| &record.data);
    let value = update(wish.changes.view(base, LOG)).unwrap();
    wish.changes.update(LOG, value.as_deref(), update);
}

/// A MessagePack byte string with one byte more.
fn appended(old: Option<&[u8]>, op: u8) -> Vec<u8> {
    let mut value = old.map_or_else(|| vec![0xc4, 0], <[u8]>::to_vec);
    value[1] += 1;
    value.push(op);
    value
}

/// The operations that were applied to a record, in their order.
pub(super) fn log_of(data: &Payload) -> Vec<u8> {
    let logs = [FIRST, LOG].map(|key| data.find(key));
    logs.iter()
        .flatten()
        .flat_map(|log| log[2..].to_vec())
        .collect()
}

/// The data of the session that is there from the beginning. It lies under a key of its own, which no request changes.
pub(super) fn first_data() -> Payload {
    Payload::empty().with(FIRST, &appended(None, 0))
}
