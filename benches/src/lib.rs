//! What the benches compare with that is nobody's library: a backend's client, used as anybody would by hand.

pub mod by_hand;
