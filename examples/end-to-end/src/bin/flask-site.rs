//! Starts `examples/flask-migration`, all of it, and stops it when somebody presses Enter.
#![expect(clippy::print_stdout, reason = "says which address to open")]

use end_to_end::{FlaskSite, Python, Result};

fn main() -> Result {
    let site = FlaskSite::start(&Python::find()?)?;
    println!("Open {}", site.address());
    println!("The start page comes from Flask, the account from Rust. Press Enter to stop.");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
