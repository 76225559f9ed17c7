//! anysession side by side with its peers: `cargo xtask bench`, or `cargo xtask bench --quick`. `--servers` measures only
//! what needs a server, and with `--quick` leaves it out unless it is named too.
//! `--instructions` counts instructions, for a machine that is too busy for times. `--profile anysession layer write 100000`,
//! or `router`, `poem`, `rocket` or `actix` instead of `layer`, calls one route over and over, for a profiler.

mod adapters;
mod alloc;
mod files;
mod growth;
mod http;
mod instructions;
mod many_files;
mod measure;
mod million;
mod plot;
mod report;
mod scaling;
mod stores;
mod tasks;

use std::path::Path;

use measure::Effort;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [profile, library, place, route, calls] = &arguments[..]
        && profile == "--profile"
    {
        let calls = calls.parse().map_err(std::io::Error::other)?;
        let named = adapters::Framework::named(place).zip(adapters::Route::named(route));
        let unknown = || std::io::Error::other(format!("there is no {place} or no {route}"));
        let (framework, route) = named.ok_or_else(unknown)?;
        framework.profile(library, route, calls);
        return Ok(());
    }
    if arguments == ["--instructions"] {
        return instructions::run();
    }
    let wants = |option: &str| arguments.iter().any(|argument| argument == option);
    let quick = wants("--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut report = report::Report::default();
    std::fs::create_dir_all("target/bench")?;
    if !wants("--servers") {
        adapters::run(&mut report, effort);
        growth::run(effort, Path::new("target/bench/growth.svg"))?;
        scaling::run(effort);
        million::run(effort);
        files::run(effort);
        many_files::run(effort);
    }
    // What was measured is kept, whatever becomes of the servers.
    let path = Path::new("target/bench/results.json");
    report.write(path)?;
    if wants("--servers") || !quick {
        stores::run(&mut report, effort)?;
        http::run(&mut report, effort)?;
    } else if let Err(error) = http::run_actix(&mut report, effort) {
        println!("\nactix-web was not measured beside actix-session: {error}");
    }
    report.write(path)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
