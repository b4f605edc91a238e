//! The project's own commands. Each is one file; this one only picks it.

mod autobahn;
mod bench;
mod build;
mod chaos;
mod cluster;
mod demo;
mod dist;
mod fuzz;
mod needs;
mod python;
mod running;
mod shell;
mod spelling;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
The project's own commands.

Usage: cargo xtask COMMAND

  build   release broker and plugins: target/release/sluicegate, target/plugins/*.wasm
  demo    build, start the demo broker on 127.0.0.1:8080 and print how to try it
  cluster the same with three brokers and a Redis, on 127.0.0.1:8080, :8090 and :8100
  test    everything that must pass before a commit; with names of steps, just these
  bench   what a hook, a delivery, a connection and a second node cost, beside their references; --redis for
          the nodes alone, --quick for a rough look
  chaos   random clients and faults on three brokers: --minutes N --seed S --topology single|sentinel|cluster
          --release; a seed replays a run
  fuzz    the fuzz targets, one after the other: [TARGET] --minutes N (10); --minimise keeps the corpus small
  dist    what a release holds, static for musl: target/dist/*.tar.gz; --target TARGET for another machine
  autobahn  all cases of the Autobahn test suite against the crate wire; `test` runs most of them
  spelling  typos in code and documents
  tidy    the rules about the source that the compiler does not check; --arrows prints which module uses which
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => Workspace::find().and_then(|workspace| build::run(&workspace)),
        ["demo"] => Workspace::find().and_then(|workspace| demo::run(&workspace)),
        ["cluster"] => Workspace::find().and_then(|workspace| cluster::run(&workspace)),
        ["chaos", ref words @ ..] => Workspace::find().and_then(|workspace| chaos::run(&workspace, words)),
        ["test", ref names @ ..] => Workspace::find().and_then(|workspace| test::run(&workspace, names)),
        ["bench", ref words @ ..] => Workspace::find().and_then(|workspace| bench::run(&workspace, words)),
        ["fuzz", ref words @ ..] => Workspace::find().and_then(|workspace| fuzz::run(&workspace, words)),
        ["dist", ref words @ ..] => Workspace::find().and_then(|workspace| dist::run(&workspace, words)),
        ["autobahn"] => Workspace::find().and_then(|workspace| autobahn::run(&workspace)),
        ["spelling"] => Workspace::find().and_then(|workspace| spelling::run(&workspace)),
        ["tidy", ref words @ ..] => Workspace::find().and_then(|workspace| tidy::run(&workspace, words)),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
        [..] => {
            eprintln!("unknown command: {}\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\nerror: {problem:#}");
            ExitCode::FAILURE
        }
    }
}
