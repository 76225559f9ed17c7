//! An adapter for plain hyper 1, written by following CONTRIBUTING.md.
