//! anysession side by side with its peers: `cargo xtask bench`, or `cargo xtask bench --quick`.
//! `--profile write` calls one route of ours over and over, under a profiler.

mod alloc;
mod axum_routes;
mod files;
mod measure;
mod memory;
mod report;

use measure::Effort;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [profile, route] = &arguments[..]
        && profile == "--profile"
    {
        axum_routes::profile(route, 100_000);
        return Ok(());
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut report = report::Report::default();
    axum_routes::run(&mut report, effort);
    axum_routes::growth(&mut report, effort);
    memory::run();
    files::run(&mut report, effort);
    let path = std::path::Path::new("target/bench/results.json");
    report.write(path)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
