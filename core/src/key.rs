//! Typed keys.

use std::fmt;
use std::marker::PhantomData;

/// The name of a value in a session, together with the value's type, so that the two cannot part.
///
/// ```
/// use anysession::Key;
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// struct Cart { articles: Vec<u32> }
///
/// const CART: Key<Cart> = Key::new("cart");
///
/// fn add(session: &anysession::Session, article: u32) -> Result<usize, anysession::Error> {
///     session.update(CART, move |cart| cart.articles.push(article))?;
///     Ok(session.get(CART)?.unwrap_or_default().articles.len())
/// }
/// ```
pub struct Key<T> {
    name: &'static str,
    value: PhantomData<fn(T) -> T>,
}

impl<T> Key<T> {
    /// A key of this name for values of type `T`.
    pub const fn new(name: &'static str) -> Self {
        Key {
            name,
            value: PhantomData,
        }
    }

    /// The name under which the value is stored.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.name)
    }
}

/// What names a value: a text, or a [`Key`].
pub trait KeyName {
    /// The name under which the value is stored.
    fn name(&self) -> &str;
}

/// What names a value of type `T`: a [`Key<T>`], or a text, which goes with every type.
pub trait AsKey<T>: KeyName {}

impl<T> KeyName for Key<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T> AsKey<T> for Key<T> {}

impl KeyName for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<T> AsKey<T> for &str {}

impl KeyName for &String {
    fn name(&self) -> &str {
        self
    }
}

impl<T> AsKey<T> for &String {}

impl KeyName for String {
    fn name(&self) -> &str {
        self
    }
}

impl<T> AsKey<T> for String {}
