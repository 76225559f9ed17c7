//! anysession side by side with its peers: `cargo xtask bench`, or `cargo xtask bench --quick`.

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
    let quick = std::env::args().any(|argument| argument == "--quick");
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
