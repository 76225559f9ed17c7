//! Server-side sessions for Poem 3.
