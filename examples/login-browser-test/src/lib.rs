//! The login examples as people use them: with a browser, Debian's Chromium. One test for all of them, as they show the same
//! pages.

mod chromium;
mod server;
mod trials;

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

pub use chromium::Browser;
use server::Example;

/// What a trial answers.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs all trials on the login example that is this program; a test binary without a harness ends with the code.
///
/// ```ignore
/// fn main() -> std::process::ExitCode {
///     login_browser_test::run(env!("CARGO_BIN_EXE_login-axum"))
/// }
/// ```
pub fn run(program: &'static str) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each trial runs a browser of its own, or two.
    arguments.test_threads.get_or_insert(2);
    let example = Example(program);
    /// Each function is a trial of its name.
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$(needs_browser(stringify!($test), move || trials::$test(example))),*]
        };
    }
    let trials = trials![
        a_reload_counts_up,
        a_wrong_password_is_told_once,
        signing_in_changes_the_id,
        the_theme_survives_sign_in_and_restart,
        unremembered_it_ends_with_the_browser,
        remembered_it_outlives_the_browser,
        signing_out_in_one_tab_ends_the_other,
        back_shows_nothing_after_signing_out,
        one_device_ends_another,
        one_device_ends_all_others,
        it_survives_a_killed_server,
        it_works_without_javascript,
        forms_of_other_sites_are_refused,
        what_a_user_types_is_escaped,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A trial that needs the browser: without it, ignored with the reason, or failed where everything has to be there.
pub fn needs_browser<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result> + 'static,
{
    Trial::ignorable_test(name, move || {
        let missing = ["chromium", "chromedriver"]
            .into_iter()
            .find(|program| !is_on_path(program));
        match missing.map(|program| format!("{program} is not on the PATH")) {
            None => carry_out(test()),
            Some(why) if variable("ANYSESSION_REQUIRE_ALL").is_none() => {
                Ok(Completion::ignored_with(why))
            }
            Some(why) => Err(format!("{why}, and ANYSESSION_REQUIRE_ALL is set").into()),
        }
    })
}

fn carry_out(test: impl Future<Output = Result>) -> std::result::Result<Completion, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bounded = async { tokio::time::timeout(Duration::from_secs(120), test).await };
    runtime.block_on(bounded)??;
    Ok(Completion::Completed)
}

fn is_on_path(program: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "not a session's setting, but the test's"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
