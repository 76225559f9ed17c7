//! A Flask application, running.

use std::path::{Path, PathBuf};

use anysession_testkit::servers::{Program, ServerError, find, free_port};

use crate::Visitor;

/// What the environment was made of; `cargo xtask` makes it anew when this changes.
const REQUIREMENTS: &[u8] = include_bytes!("../../flask-migration/requirements.txt");

/// The Python with Flask and all that it needs, which `cargo xtask python` installs beside the programs of this workspace.
#[derive(Clone, Debug)]
pub struct Python(PathBuf);

impl Python {
    /// Where it is.
    ///
    /// # Errors
    ///
    /// When it was not installed, or from other requirements than today's.
    pub fn find() -> Result<Self, String> {
        let test = std::env::current_exe().map_err(|error| error.to_string())?;
        let is_complete = |folder: &PathBuf| {
            std::fs::read(folder.join("requirements.txt"))
                .is_ok_and(|made_of| made_of == REQUIREMENTS)
        };
        let mut environments = test.ancestors().map(|folder| folder.join("python"));
        let environment = environments.find(is_complete);
        let python = environment.map(|folder| Python(folder.join("bin/python")));
        python.ok_or_else(|| "there is no Flask here: run `cargo xtask python`".to_owned())
    }
}

/// A Flask application on gunicorn. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Flask {
    program: Program,
    /// `http://127.0.0.1:port`, without a slash at its end.
    pub address: String,
}

impl Flask {
    /// Serves the application of a folder, such as `probe:app`, with these arguments of gunicorn's, and with these
    /// variables and no others.
    ///
    /// # Errors
    ///
    /// When it does not come up; then with the end of what it said.
    pub fn start(
        python: &Python,
        folder: &Path,
        gunicorn: &[&str],
        variables: &[(String, String)],
    ) -> Result<Self, ServerError> {
        // As whoever runs the test: its files are shared with programs of this workspace.
        let mut program = Program::new(find("env", "coreutils")?, "root")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let variables = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let mut arguments: Vec<String> = vec!["-i".into(), "PYTHONDONTWRITEBYTECODE=1".into()];
        arguments.extend(variables);
        arguments.push(python.0.display().to_string());
        arguments.extend(["-m", "gunicorn", "--no-control-socket"].map(str::to_owned));
        arguments.extend(["--graceful-timeout", "1", "--bind", &address].map(str::to_owned));
        arguments.extend(["--chdir".into(), folder.display().to_string()]);
        arguments.extend(gunicorn.iter().map(ToString::to_string));
        program.start(arguments)?;
        let mut flask = Flask {
            program,
            address: format!("http://{address}"),
        };
        let (visitor, address) = (Visitor::default(), flask.address.clone());
        flask
            .program
            .await_answer(|| visitor.ask(&address, "/none").is_ok())?;
        Ok(flask)
    }

    /// The process of gunicorn, whose children are its workers.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// Its workers would outlive it for a while if it was killed.
impl Drop for Flask {
    fn drop(&mut self) {
        // It may not run, and then there is nothing to end.
        let _ = self.program.end("INT");
    }
}
