//! What becomes of an event.

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Processed {
    /// In words.
    As(String),
    /// Something that it needs isn't there yet: another event may bring it.
    NotYet(String),
}

impl Processed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::As(text.into())
    }
}
