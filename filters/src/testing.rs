//! What tests of this crate share: a snapshot with a key, providers and models.
