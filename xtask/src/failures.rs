//! What failed among thousands of tests, said once more where everybody looks: at the end.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

/// Runs `cargo test`, passes on what it prints, and then repeats what the tests that failed have said.
pub(crate) fn run_tests(command: &mut Command) -> io::Result<ExitStatus> {
    let mut tests = command.stdout(Stdio::piped()).spawn()?;
    let mut failures = Failures::default();
    let output = tests.stdout.take().map(BufReader::new);
    for line in output.into_iter().flat_map(|output| output.split(b'\n')) {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        failures.hear(line);
    }
    if !failures.gathered.is_empty() {
        println!("{}", failures.gathered.join("\n"));
    }
    tests.wait()
}

/// Of each test binary, from its list of failures to its result.
#[derive(Default)]
struct Failures {
    listing: bool,
    gathered: Vec<String>,
}

impl Failures {
    fn hear(&mut self, line: String) {
        self.listing |= line == "failures:";
        let is_last = line.starts_with("test result:");
        if self.listing {
            self.gathered.push(line);
        }
        self.listing &= !is_last;
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn what_a_failed_test_said_is_gathered_and_nothing_else() {
        let mut failures = Failures::default();
        let output = "running 2 tests\n\
             test a ... ok\n\
             test b ... FAILED\n\
             failures:\n\
             ---- b stdout ----\n\
             no such server\n\
             failures:\n    b\n\
             test result: FAILED. 1 passed; 1 failed\n\
             running 1 test\n\
             test c ... ok\n\
             test result: ok. 1 passed; 0 failed";
        for line in output.lines() {
            failures.hear(line.to_owned());
        }
        assert_eq!(
            failures.gathered.join("\n"),
            "failures:\n---- b stdout ----\nno such server\nfailures:\n    b\n\
             test result: FAILED. 1 passed; 1 failed"
        );
    }
}
