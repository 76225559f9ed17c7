//! Which flaw is found by which trial.

use anysession_testkit::Suite;

/// A flaw, the rules whose trials find it, and what makes a suite of it.
pub(crate) type Expectation<'a, F> = (F, &'a [&'a str], fn(F) -> Suite);

/// Which flaw fails which trial, and what was not noticed. All at once: some trials have to wait for what never comes.
pub(crate) fn try_all<F: Copy + Sync + std::fmt::Debug>(
    flaws: &[Expectation<'_, F>],
) -> (String, Vec<String>) {
    let results = std::thread::scope(|scope| {
        let running: Vec<_> = flaws
            .iter()
            .map(|flaw| scope.spawn(|| try_one(flaw)))
            .collect();
        running
            .into_iter()
            .flat_map(|flaw| flaw.join().expect("outcomes instead of a panic"))
            .collect::<Vec<_>>()
    });
    let (found, unnoticed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let found = found.into_iter().flatten().collect();
    (
        found,
        unnoticed.into_iter().filter_map(Result::err).collect(),
    )
}

/// For each rule, how it found the flaw, or that it did not.
fn try_one<F: Copy + std::fmt::Debug>(
    &(flaw, rules, suite): &Expectation<'_, F>,
) -> Vec<Result<String, String>> {
    let suite = suite(flaw);
    let judge = |rule| match suite.outcome_of(rule).map(|outcome| outcome.result) {
        Some(Err(why)) => Ok(format!("{flaw:?} fails {rule}: {why}\n")),
        Some(Ok(())) => Err(format!("{flaw:?} passes {rule}")),
        None => Err(format!("there is no trial {rule}")),
    };
    rules.iter().map(|rule| judge(rule)).collect()
}
