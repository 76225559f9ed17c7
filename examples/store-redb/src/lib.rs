//! A store on redb, written by following CONTRIBUTING.md.
