//! Sessions in Redis: one server, Cluster or Sentinel.
