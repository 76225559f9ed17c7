//! A list of named trials, and what runs them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use anysession::StoreError;
use libtest_mimic::{Arguments, Completion, Trial};

/// Runs suites as a test binary (`harness = false`), with the usual arguments of one.
pub fn run(suites: impl IntoIterator<Item = Suite>) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = suites.into_iter().flat_map(Suite::into_trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Trials of one subject, each named for the rule that it checks.
#[derive(Debug)]
pub struct Suite {
    subject: String,
    cases: Vec<Case>,
}

impl Suite {
    /// A subject that cannot be reached here, and why: one ignored trial says so. It is a failed one instead if the
    /// environment variable `ANYSESSION_REQUIRE_ALL` is set, as it is where everything has to be there.
    ///
    /// ```
    /// # use anysession_testkit::Suite;
    /// let suite = Suite::absent("redis", "no redis-server in the PATH");
    /// assert_eq!(suite.trial_names(), ["redis::is_absent"]);
    /// ```
    pub fn absent(subject: impl Into<String>, why: impl Into<String>) -> Self {
        Suite {
            subject: subject.into(),
            cases: vec![Case {
                rule: "is_absent",
                check: Check::Absent(why.into()),
                other: None,
            }],
        }
    }

    /// Leaves one trial out that asks for what the subject cannot have by its nature, and says why. It counts as ignored,
    /// under its name and with the reason.
    ///
    /// ```
    /// # use anysession::Sessions;
    /// # use anysession_testkit::adapter_suite;
    /// # fn serve(_: Sessions, _: std::net::SocketAddr) {}
    /// let suite = adapter_suite("mine", serve).except(
    ///     "the_crumbs_of_an_http_2_request_are_all_read",
    ///     "it serves HTTP/2 over TLS only",
    /// );
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no such trial.
    pub fn except(mut self, rule: &str, why: impl Into<String>) -> Self {
        let mut cases = self.cases.iter_mut();
        match cases.find(|case| case.rule == rule) {
            Some(case) => case.check = Check::Inapplicable(why.into()),
            None => panic!("{} has no trial {rule}", self.subject),
        }
        self
    }

    /// Declares that the subject goes the other one of two ways that are right: the trial of this rule takes the place of
    /// the one that proves the first way.
    ///
    /// ```
    /// # use anysession::Sessions;
    /// # use anysession_testkit::adapter_suite;
    /// # fn serve(_: Sessions, _: std::net::SocketAddr) {}
    /// let suite = adapter_suite("mine", serve)
    ///     .declares("a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no such trial.
    pub fn declares(mut self, rule: &str) -> Self {
        let mut cases = self.cases.iter_mut();
        let declared = cases.find_map(|case| {
            let (rule, run) = case.other.take_if(|(other, _)| *other == rule)?;
            (case.rule, case.check) = (rule, Check::Run(run));
            Some(())
        });
        assert!(
            declared.is_some(),
            "{} has no other way {rule}",
            self.subject
        );
        self
    }

    /// Runs every trial, one after the other, and gives what became of each: for tests of the suite itself, and for
    /// runners of another kind. Absent subjects have no outcome, nor have trials that were left out.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use anysession::Store;
    /// # use anysession_testkit::{ReferenceStore, store_suite};
    /// let suite = store_suite("reference", || async {
    ///     Arc::new(ReferenceStore::new()) as Arc<dyn Store>
    /// });
    /// for outcome in suite.outcomes() {
    ///     assert!(outcome.result.is_ok(), "{}", outcome.rule);
    /// }
    /// ```
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.cases.iter().filter_map(Case::outcome).collect()
    }

    /// Runs the trial of one rule alone. `None` if there is no such trial, if it was left out, or if its
    /// subject is absent.
    pub fn outcome_of(&self, rule: &str) -> Option<Outcome> {
        let mut cases = self.cases.iter();
        cases.find(|case| case.rule == rule)?.outcome()
    }

    /// The names under which the trials run: `subject::rule_in_words`.
    pub fn trial_names(&self) -> Vec<String> {
        self.cases
            .iter()
            .map(|case| format!("{}::{}", self.subject, case.rule))
            .collect()
    }

    /// The trials, to run them together with others.
    pub fn into_trials(self) -> Vec<Trial> {
        let names = self.trial_names();
        names
            .into_iter()
            .zip(self.cases)
            .map(|(name, case)| case.into_trial(name))
            .collect()
    }

    pub(crate) fn new(subject: impl Into<String>) -> Self {
        Suite {
            subject: subject.into(),
            cases: Vec::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        rule: &'static str,
        check: impl Fn() -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        self.cases.push(Case {
            rule,
            check: Check::Run(Box::new(check)),
            other: None,
        });
    }

    /// The other way of the trial that was added last, for a subject that [declares](Self::declares) it.
    pub(crate) fn add_other(
        &mut self,
        rule: &'static str,
        check: impl Fn() -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        if let Some(case) = self.cases.last_mut() {
            case.other = Some((rule, Box::new(check)));
        }
    }
}

/// What became of one trial.
#[derive(Debug)]
pub struct Outcome {
    /// The rule that it checks, in words.
    pub rule: &'static str,
    /// Whether the rule was kept.
    pub result: Result<(), Failure>,
}

/// A rule was broken: what was expected and what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }

    fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = (payload.downcast_ref::<&str>().copied())
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Failure(format!("panicked: {}", text.unwrap_or("without a message")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mut message = format!("a verb answered an error: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Failure(message)
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(payload) => Failure::of_panic(payload.as_ref()),
            Err(error) => Failure(error.to_string()),
        }
    }
}

/// Returns a [`Failure`] unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::suite::Failure::new(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Runs a trial's future on a runtime of its own with two workers, so that its races are real, and gives up when it
/// hangs.
pub(crate) fn block_on(
    trial: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure(format!("no runtime: {error}")))?;
    let result = runtime.block_on(async {
        // On a worker like the tasks that it starts, so that all of them compete on the same terms.
        match tokio::time::timeout(PATIENCE, tokio::spawn(trial)).await {
            Ok(joined) => joined?,
            Err(_) => Err(Failure(format!("no answer within {PATIENCE:?}"))),
        }
    });
    // A store that blocks a thread would otherwise hang the suite here, after its trial was given up.
    runtime.shutdown_background();
    result
}

/// Long enough for a slow disk under load; a store that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(120);

struct Case {
    rule: &'static str,
    check: Check,
    other: Option<(&'static str, Run)>,
}

type Run = Box<dyn Fn() -> Result<(), Failure> + Send + Sync>;

enum Check {
    Run(Run),
    Absent(String),
    Inapplicable(String),
}

impl Case {
    fn outcome(&self) -> Option<Outcome> {
        match &self.check {
            Check::Run(check) => Some(Outcome {
                rule: self.rule,
                result: guarded(check),
            }),
            Check::Absent(_) | Check::Inapplicable(_) => None,
        }
    }

    fn into_trial(self, name: String) -> Trial {
        match self.check {
            Check::Run(check) => Trial::test(name, move || Ok(guarded(&check)?)),
            Check::Absent(why) => {
                Trial::ignorable_test(name, move || Ok(judge_absence(&why, all_are_required())?))
            }
            Check::Inapplicable(why) => {
                Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why)))
            }
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

fn guarded(check: &impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| Err(Failure::of_panic(&*panic)))
}

fn judge_absence(why: &str, all_are_required: bool) -> Result<Completion, Failure> {
    ensure!(
        !all_are_required,
        "{why}, and ANYSESSION_REQUIRE_ALL is set"
    );
    Ok(Completion::ignored_with(why))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for whoever runs the tests, no configuration of a session"
)]
fn all_are_required() -> bool {
    std::env::var("ANYSESSION_REQUIRE_ALL") != Err(std::env::VarError::NotPresent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_ignored_with_its_reason_unless_all_are_required() {
        let ignored = judge_absence("no server", false);
        assert!(
            matches!(ignored, Ok(Completion::Ignored { reason: Some(why) }) if why == "no server")
        );
        let failed = judge_absence("no server", true).err().unwrap();
        assert!(failed.to_string().starts_with("no server, and"), "{failed}");
    }

    #[test]
    fn the_way_that_is_declared_is_tried_in_place_of_the_first_one() {
        let suite = || {
            let mut suite = Suite::new("subject");
            suite.add("it_goes_left", || Ok(()));
            suite.add_other("it_goes_right", || Err(Failure::new("it goes left")));
            suite
        };
        assert_eq!(suite().trial_names(), ["subject::it_goes_left"]);
        let declared = suite().declares("it_goes_right");
        assert!(declared.outcome_of("it_goes_left").is_none());
        let failed = declared.outcome_of("it_goes_right").unwrap().result;
        assert_eq!(failed, Err(Failure::new("it goes left")));
    }

    #[test]
    fn a_panic_anywhere_is_a_failure_of_its_trial() {
        let mut suite = Suite::new("subject");
        suite.add("in_the_trial", || panic!("one"));
        suite.add("on_the_runtime", || block_on(async { panic!("{}", "two") }));
        suite.add("in_none", || block_on(async { Ok(()) }));
        let results: Vec<_> = (suite.outcomes().into_iter())
            .map(|outcome| outcome.result.map_err(|failure| failure.to_string()))
            .collect();
        let failed = |text: &str| Err(format!("panicked: {text}"));
        assert_eq!(results, [failed("one"), failed("two"), Ok(())]);
    }
}
