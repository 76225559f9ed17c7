//! anysession side by side with its peers: `cargo xtask bench`, or `cargo xtask bench --quick`. `--servers` measures only
//! what needs a server, and with `--quick` leaves it out unless it is named too.
//! `--instructions` counts instructions, for a machine that is too busy for times. `--profile anysession layer write 100000`,
//! or `poem` instead of `layer`, calls one route over and over, for a profiler.

mod adapters;
mod alloc;
mod axum_candidates;
mod axum_routes;
mod files;
mod http;
mod instructions;
mod measure;
mod memory;
mod report;
mod stores;
mod tasks;

use measure::Effort;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [profile, library, placement, route, calls] = &arguments[..]
        && profile == "--profile"
    {
        let calls = calls.parse().map_err(std::io::Error::other)?;
        match adapters::Framework::named(placement) {
            Some(framework) => adapters::profile(library, framework, route, calls),
            None => axum_routes::profile(library, placement, route, calls),
        }
        return Ok(());
    }
    if arguments == ["--instructions"] {
        return instructions::run();
    }
    let wants = |option: &str| arguments.iter().any(|argument| argument == option);
    let quick = wants("--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut report = report::Report::default();
    if !wants("--servers") {
        axum_routes::run(&mut report, effort);
        axum_routes::growth(&mut report, effort);
        adapters::run(&mut report, effort);
        memory::run();
        files::run(&mut report, effort);
    }
    if wants("--servers") || !quick {
        stores::run(&mut report, effort)?;
        http::run(&mut report, effort)?;
    }
    let path = std::path::Path::new("target/bench/results.json");
    report.write(path)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
