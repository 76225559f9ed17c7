//! The figures, for machines.

use std::path::Path;

use serde::Serialize;

/// One measured figure; what does not apply is absent.
#[derive(Debug, Default, Serialize)]
pub struct Figure {
    /// `axum`, `actix`, `rocket` or `poem`. Figures without a framework are only printed.
    pub framework: &'static str,
    /// `layer` or `router`.
    pub placement: Option<&'static str>,
    /// The kind of store.
    pub store: &'static str,
    /// `ignore`, `read`, `write`, `new` or `regenerate`.
    pub route: &'static str,
    /// `anysession`, or the peer's crate.
    pub library: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Nanoseconds over the same route without sessions.
    pub ns_over_bare: Option<f64>,
    /// Allocations over the same route without sessions.
    pub allocs_over_bare: Option<f64>,
    /// Round trips to the store.
    pub round_trips: Option<f64>,
    /// Requests, or for a store by itself operations, a second.
    pub requests_per_second: Option<f64>,
    /// Our figure as a part of the best peer's: of requests a second where there are any, and of the time otherwise.
    pub ratio_to_best_peer: Option<f64>,
}

/// All figures of a run.
#[derive(Default)]
pub struct Report(Vec<Figure>);

impl Report {
    /// Adds a figure.
    pub fn push(&mut self, figure: Figure) {
        // What has no version is nobody's library: bare routes, and clients by hand.
        if !figure.framework.is_empty() && !figure.version.is_empty() {
            self.0.push(figure);
        }
    }

    /// Fills in how ours compare, and writes the file.
    pub fn write(&mut self, path: &Path) -> std::io::Result<()> {
        for index in 0..self.0.len() {
            let ratio = self.ratio(&self.0[index]);
            let figure = &mut self.0[index];
            figure.ratio_to_best_peer = figure.ratio_to_best_peer.or(ratio);
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&self.0)?)
    }

    fn ratio(&self, ours: &Figure) -> Option<f64> {
        let ns = ours.ns_over_bare.filter(|_| ours.library == "anysession")?;
        let place = |it: &Figure| (it.framework, it.placement, it.store, it.route);
        let peers = self
            .0
            .iter()
            .filter(|it| place(it) == place(ours) && it.library != ours.library);
        let best = peers.filter_map(|it| it.ns_over_bare).reduce(f64::min)?;
        Some(ns / best)
    }
}
