//! The client in Python: its style, its types, its tests against a real broker, its package and its documentation.

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use super::{count, with_broker};
use crate::workspace::Workspace;
use crate::{python, shell};

/// What a checker has found stands above; nothing of it is left out.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    let requirements = include_str!("python_client/requirements.txt");
    let tools = python::environment(workspace, "python-client", requirements)?;
    let made = workspace.target.join("python-client");
    let tool = |program: &str| {
        let mut command = Command::new(tools.join(program));
        command
            .current_dir(workspace.root.join("clients/python"))
            // Nothing is written beside the sources.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", "src")
            .env("MYPY_CACHE_DIR", made.join("mypy"))
            .env("RUFF_CACHE_DIR", made.join("ruff"));
        command
    };
    let mut tally = Tally::default();
    shell::run(tool("ruff").arg("check"))?;
    shell::run(tool("ruff").args(["format", "--check"]))?;
    shell::run(&mut tool("mypy"))?;
    let mut pytest = tool("python");
    pytest.args(["-m", "pytest", "-p", "no:cacheprovider"]);
    tally += count(with_broker(workspace, "debug", &mut pytest))?;

    // Built and checked as for PyPI, without being sent there.
    let packages = made.join("dist");
    let mut build = tool("python");
    build.args(["-m", "build", "--no-isolation", "--outdir"]).arg(&packages);
    shell::run(&mut build)?;
    let mut check = tool("python");
    check.args(["-m", "twine", "check", "--strict"]);
    for package in std::fs::read_dir(&packages)? {
        check.arg(package?.path());
    }
    shell::run(&mut check)?;
    let mut document = tool("pdoc");
    document.args(["--docformat", "markdown", "--output-directory"]);
    shell::run(document.arg(made.join("docs")).args(["sluicegate", "sluicegate.admin"]))?;
    // Style, format, types, package, documentation.
    tally.passed += 5;
    Ok(tally)
}
